// Runs wgmma_sm90 on the functional GPU, by the launch plan of the real launcher, and compares with fp64.
#pragma once
#include <string>
#include <vector>

#include "kernels/gemm/sm90/wgmma.h"
#include "tests/simt/simt.h"
#include "tests/simt/targets.h"

namespace assay {

/// One problem's operands and its reference, for any number of runs.
class WgmmaSm90OnSimt {
 public:
  WgmmaSm90OnSimt(const GemmProblem&, int multiprocessors);

  /// From now on by that configuration.
  void use(const WgmmaSm90Config&);

  /// What is wrong with the result, empty where nothing is: elements of d, or counters not left at zero.  Throws
  /// simt::Error at a fault of the machine.
  std::string run(const simt::ptx::Module&, simt::Options);

  const simt::Stats& stats() const { return stats_; }  // of the last run
  const WgmmaSm90Choice& choice() const { return choice_; }
  std::string describe() const;

 private:
  std::string compare(const void* d) const;

  GemmProblem problem_;
  Target target_;
  WgmmaSm90Choice choice_;
  std::vector<double> a_, b_;   // [m, k] and [n, k] of the rounded values
  std::vector<double> before_;  // d, where it is added to
  std::vector<double> expected_, allowed_;
  simt::Stats stats_;
};

}  // namespace assay
