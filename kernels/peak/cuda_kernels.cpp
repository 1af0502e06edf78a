#include "kernels/peak/cuda_kernels.h"

namespace assay {

void append_cuda_peak_kernels(std::vector<PeakKernel>& rows) {
  rows.push_back(fma_f32_peak());
  rows.push_back(mma_sm80_peak());
  rows.push_back(stream_peak());
  rows.push_back(floor_peak());
}

}  // namespace assay
