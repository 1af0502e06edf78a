// The table of peak kernels in this build.
#include "kernels/peak/peak.h"

#include "assay/build_config.h"
#include "kernels/peak/cpu_kernels.h"
#if ASSAY_HAS_CUDA
#include "kernels/peak/cuda_kernels.h"
#endif

namespace assay {

const std::vector<PeakKernel>& peak_kernels() {
  static const std::vector<PeakKernel> kernels = [] {
    std::vector<PeakKernel> rows{cpu_fma_peak()};
    append_cpu_amx_peak(rows);
    rows.push_back(cpu_stream_peak());
    rows.push_back(cpu_floor_peak());
#if ASSAY_HAS_CUDA
    append_cuda_peak_kernels(rows);
#endif
    return rows;
  }();
  return kernels;
}

}  // namespace assay
