// One instance alone, so that the PTX of a planted bug compiles in a second.
#include "kernels/gemm/sm80/mma.cuh"

template __global__ void assay::mma_sm80<assay::Tf32, assay::Nt, assay::CopyWide>(assay::GemmKernelParams);
