// One instance alone, so that the PTX of a planted bug compiles in a second.
#include "kernels/gemm/cuda/simt_f32.cuh"

template __global__ void assay::simt_f32<true, true, false, true>(assay::GemmKernelParams);
