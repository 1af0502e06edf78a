// One instance alone, so that the PTX of a planted bug compiles in a second.
#include "kernels/gemm/sm90/wgmma.cuh"

using namespace assay;
template __global__ void sm90::wgmma_sm90<sm90::Bf16, sm90::Tn, sm90::Tile<128, 128, 6>, DenseSchedule>(
    const __grid_constant__ WgmmaSm90Params<DenseSchedule>);
