// The CUDA rows of the table of peak kernels, defined where the build has CUDA.
#pragma once
#include <vector>

#include "kernels/peak/peak.h"

namespace assay {

void append_cuda_peak_kernels(std::vector<PeakKernel>& rows);

// One function per row, each defined beside its kernel.
PeakKernel fma_f32_peak();
PeakKernel mma_sm80_peak();
PeakKernel wgmma_sm90_peak();     // where the build has sm_90a
PeakKernel tcgen05_sm100_peak();  // where the build has sm_100a or sm_103a
PeakKernel stream_peak();
PeakKernel floor_peak();

}  // namespace assay
