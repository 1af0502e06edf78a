// The table of peak kernels in this build.
#include "kernels/peak/peak.h"

#include <stdexcept>

#include "assay/build_config.h"
#include "kernels/peak/cpu_kernels.h"
#if ASSAY_HAS_CUDA
#include "kernels/peak/cuda_kernels.h"
#endif

namespace assay {

const char* name(PeakUnit unit) {
  for (const PeakUnitName& row : kPeakUnits)
    if (row.unit == unit) return row.name;
  throw std::logic_error("a unit outside its enumeration");
}

bool parse_peak_unit(std::string_view text, PeakUnit& out) {
  for (const PeakUnitName& row : kPeakUnits)
    if (text == row.name) return out = row.unit, true;
  return false;
}

std::string reason_steps_unfit(const PeakProblem& problem, const PeakArithmetic& arithmetic, std::int64_t exact) {
  const std::int64_t most = (exact - kPeakStarts) / arithmetic.increment;
  if (problem.size >= 1 && problem.size <= most) return {};
  return "size=" + std::to_string(problem.size) + " is outside 1 .. " + std::to_string(most) +
         ", the steps whose sums are exact";
}

const std::vector<PeakKernel>& peak_kernels() {
  static const std::vector<PeakKernel> kernels = [] {
    std::vector<PeakKernel> rows{cpu_fma_peak(), cpu_stream_peak(), cpu_floor_peak()};
#if ASSAY_HAS_CUDA
    append_cuda_peak_kernels(rows);
#endif
    return rows;
  }();
  return kernels;
}

}  // namespace assay
