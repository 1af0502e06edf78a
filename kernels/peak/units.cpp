// What the contract itself can answer, without any kernel.
#include <stdexcept>
#include <string>

#include "kernels/peak/peak.h"

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
  return std::string("size=") + std::to_string(problem.size) + " is outside 1 .. " + std::to_string(most) +
         ", the steps whose sums are exact";
}

}  // namespace assay
