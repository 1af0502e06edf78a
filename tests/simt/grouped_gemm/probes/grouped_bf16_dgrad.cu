// One instance of grouped wgmma_sm90, for the list of planted bugs.
#include "kernels/gemm/sm90/wgmma.cuh"
#include "kernels/grouped_gemm/grouped_schedule.h"

template __global__ void assay::sm90::wgmma_sm90<assay::sm90::Bf16, assay::sm90::Nn, assay::sm90::Tile<128, 128, 6>,
                                                 assay::MGroupedSchedule>(
    const __grid_constant__ assay::WgmmaSm90Params<assay::MGroupedSchedule>);
