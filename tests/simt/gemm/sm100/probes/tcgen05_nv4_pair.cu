// One instance alone, so that the PTX of a planted bug compiles in a second.
#include "kernels/gemm/sm100/tcgen05.cuh"

template __global__ void assay::tcgen05_sm100<assay::Tcgen05Nv4, assay::Pair256x256, assay::ToBf16>(
    const __grid_constant__ assay::Tcgen05Sm100Params);
