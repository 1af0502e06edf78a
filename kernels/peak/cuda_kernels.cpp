#include "kernels/peak/cuda_kernels.h"

#include "assay/build_config.h"

namespace assay {

void append_cuda_peak_kernels(std::vector<PeakKernel>& rows) {
  rows.push_back(fma_f32_peak());
  rows.push_back(mma_sm80_peak());
#if ASSAY_HAS_SM90
  rows.push_back(wgmma_sm90_peak());
#endif
#if ASSAY_HAS_SM100
  rows.push_back(tcgen05_sm100_peak());
#endif
  rows.push_back(stream_peak());
  rows.push_back(floor_peak());
}

}  // namespace assay
