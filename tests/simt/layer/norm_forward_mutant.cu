// The instances that the small shapes of norm_test.cpp use, so that a planted bug compiles quickly.
#include "kernels/layer/cuda/norm_forward.cuh"

namespace assay::layer_cuda {

template __global__ void norm_forward<Bf16, 2, WarpTeam, false, true>(NormParams);
template __global__ void norm_forward<Bf16, 1, BlockTeam, false, true>(NormParams);
template __global__ void norm_forward<Bf16, 2, WarpTeam, true, true>(NormParams);
template __global__ void norm_forward<Bf16, 1, BlockTeam, true, true>(NormParams);
template __global__ void norm_forward_any<Bf16, false>(NormParams);
template __global__ void norm_forward_any<Bf16, true>(NormParams);

}  // namespace assay::layer_cuda
