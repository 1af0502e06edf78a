// The instances that the small shapes of norm_test.cpp use, so that a planted bug compiles quickly.
#include "kernels/layer/cuda/norm_backward.cuh"

namespace assay::layer_cuda {

template __global__ void norm_backward<Bf16, 2, WarpTeam, false>(NormParams);
template __global__ void norm_backward<Bf16, 1, BlockTeam, false>(NormParams);
template __global__ void norm_backward<Bf16, 2, WarpTeam, true>(NormParams);
template __global__ void norm_backward<Bf16, 1, BlockTeam, true>(NormParams);
template __global__ void norm_backward_any<Bf16, false>(NormParams);
template __global__ void norm_backward_any<Bf16, true>(NormParams);
template __global__ void norm_backward_partials_any<Bf16, false>(NormParams);
template __global__ void norm_backward_partials_any<Bf16, true>(NormParams);

}  // namespace assay::layer_cuda
