// One instantiation, so that a planted bug compiles quickly.
#include "kernels/attention/cuda/simt_f32.cuh"

namespace assay {
extern "C" __global__ void __launch_bounds__(SimtF32Tile<64>::kThreads)
    attention_simt_f32_d64(const AttentionKernelParams params) {
  simt_f32::attention<64>(params);
}
}  // namespace assay
