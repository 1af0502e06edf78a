// The CPU rows of the table of peak kernels.
#pragma once
#include "kernels/peak/peak.h"

namespace assay {

PeakKernel cpu_fma_peak();
PeakKernel cpu_stream_peak();
PeakKernel cpu_floor_peak();

}  // namespace assay
