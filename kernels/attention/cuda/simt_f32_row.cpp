// simt_f32 in the table of attention kernels.
#include <string>

#include "kernels/attention/cuda/kernel_rows.h"
#include "kernels/attention/cuda/simt_f32.h"

namespace assay {
namespace {

Support supports(const AttentionProblem& problem, const Target& target) {
  if (target.compute_capability < 80)
    return Support::no("this build's GPU code is for sm_80 and later, the device is sm_" +
                       std::to_string(target.compute_capability));
  AttentionFeatures features;
  features.packed = features.window = true;
  if (const Support has = supports_features(problem, features); !has.ok()) return has;
  if (problem.head_dim != 64 && problem.head_dim != 96 && problem.head_dim != 128)
    return Support::no("head_dim " + std::to_string(problem.head_dim) + ": only 64, 96 and 128 are implemented");
  return attention_cuda_support(problem, target, features, SimtF32Tile<128>::kQueries,
                                sizeof(SimtF32Tile<128>::Shared));
}

}  // namespace

AttentionPassKernel attention_simt_f32_forward() {
  return stateless_pass(supports, prepare_attention_simt_f32, launch_attention_simt_f32);
}

}  // namespace assay
