// One instance alone, so that the PTX of a planted bug compiles in a second.
#include "kernels/gemm/sm90/wgmma_fp8.cuh"

template __global__ void
assay::sm90::wgmma_fp8_sm90<assay::sm90::TensorScaling, assay::sm90::E5m2, assay::sm90::Tile<128, 256, 4>>(
    const __grid_constant__ assay::WgmmaFp8Sm90Params);
