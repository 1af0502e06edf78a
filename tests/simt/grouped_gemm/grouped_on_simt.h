// Runs grouped wgmma_sm90 on the functional GPU, by the launch plan of the real launcher, and compares with fp64.
#pragma once
#include <string>
#include <vector>

#include "kernels/grouped_gemm/wgmma_sm90.h"
#include "tests/simt/simt.h"

namespace assay {

/// One problem's operands and its reference, for any number of runs.
class GroupedOnSimt {
 public:
  GroupedOnSimt(const GroupedGemmProblem&, int multiprocessors);

  /// What is wrong with the result, empty where nothing is: elements of rows that are no padding, gradients of groups
  /// without rows that changed.  Throws simt::Error at a fault of the machine.
  std::string run(const simt::ptx::Module&, simt::Options);

  const simt::Stats& stats() const { return stats_; }  // of the last run
  const std::string& kernel() const { return kernel_; }
  std::string describe() const;

 private:
  struct Expected {
    std::int64_t index;  // in d
    double value, allowed;
  };
  void expect_tokens();
  void expect_weights();
  std::string compare(const void* d) const;

  GroupedGemmProblem problem_;
  Target target_;
  std::vector<std::int64_t> first_rows_;
  std::vector<double> x_, dy_, w_;  // [tokens, k], [tokens, n], [groups, n, k]; padding is zero
  std::vector<double> before_;      // d, where it is added to
  std::vector<Expected> expected_;
  simt::Stats stats_;
  std::string kernel_;
};

}  // namespace assay
