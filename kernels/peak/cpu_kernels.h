// The CPU rows of the table of peak kernels.
#pragma once
#include <vector>

#include "kernels/peak/peak.h"

namespace assay {

PeakKernel cpu_fma_peak();
/// `peak_cpu_amx_fma` where this CPU and its system grant AMX, else nothing.
void append_cpu_amx_peak(std::vector<PeakKernel>&);
PeakKernel cpu_stream_peak();
PeakKernel cpu_floor_peak();

}  // namespace assay
