#include "kernels/attention/simt_f32.cuh"

#include "kernels/attention/cuda_launch.cuh"
#include "kernels/attention/simt_f32.h"

namespace assay {

// Plain names: what the launch plan says is what profilers show and what the functional GPU looks up.
extern "C" __global__ void __launch_bounds__(SimtF32Tile<64>::kThreads)
    attention_simt_f32_d64(const AttentionKernelParams params) {
  simt_f32::attention<64>(params);
}
extern "C" __global__ void __launch_bounds__(SimtF32Tile<128>::kThreads)
    attention_simt_f32_d128(const AttentionKernelParams params) {
  simt_f32::attention<128>(params);
}

void launch_attention_simt_f32(const AttentionProblem& problem, const AttentionBuffers& buffers, const Target&,
                               Stream stream) {
  static const AttentionInstantiation table[] = {{"attention_simt_f32_d64", attention_simt_f32_d64},
                                                 {"attention_simt_f32_d128", attention_simt_f32_d128}};
  launch_attention(attention_simt_f32_plan(problem, buffers), table, stream);
}

}  // namespace assay
