// A GEMM problem of any type and scaling with random operands, for any number of runs on the functional GPU, and what
// its result may be.
#pragma once
#include <string>
#include <vector>

#include "kernels/gemm/gemm_scaling.h"
#include "tests/simt/simt.h"

namespace assay {

class GemmProblemOnSimt {
 public:
  explicit GemmProblemOnSimt(const GemmProblem&);

  const GemmProblem& problem() const { return problem_; }

  /// The buffers of one run; d is NaN where it is not added to, so that an element never written is wrong.
  GemmBuffers upload(simt::DeviceHeap&) const;

  /// What is wrong with a run's d; empty where nothing is.
  std::string compare(const GemmBuffers&) const;

 private:
  using Bytes = std::vector<unsigned char>;
  Bytes make_block_scales(bool of_a) const;
  GemmBuffers host() const;
  void multiply();

  GemmProblem problem_;
  float a_tensor_scale_ = 0.375f, b_tensor_scale_ = 1.7f;
  Bytes a_, b_, d_, a_block_scales_, b_block_scales_;  // d_: before the launch
  std::vector<double> expected_, allowed_;             // [m][n]
};

/// "e4m3 block tn 264x520x144 +", with + where it is added into d; and the configuration.
std::string describe(const GemmProblem&);

}  // namespace assay
