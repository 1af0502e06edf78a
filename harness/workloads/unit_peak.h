// What a machine's arithmetic units reach: the denominator of a utilisation, measured beside what is measured.
#pragma once
#include <functional>
#include <string>

#include "harness/backends/backend.h"
#include "harness/communicators/communicator.h"
#include "kernels/peak/peak.h"

namespace assay {

/// What the machine's units reach in a type, all ranks at once: what a utilisation is of.
struct UnitsPeak {
  double flops_per_second = 0;  // 0: no peak kernel of that type runs here
  std::string kernel;
};
inline UnitsPeak higher(const UnitsPeak& a, const UnitsPeak& b) {
  return b.flops_per_second > a.flops_per_second ? b : a;
}

/// Of the fastest launch of some tens of milliseconds.  A machine may be slow for longer than that, and a low peak
/// would flatter the step: look several times, and keep the highest.  Collective.
UnitsPeak measured_peak(DType, Backend&, Communicator&);

/// Steps of one launch: the kernel's own number, made for hardware, or the first of its parts (a half, a sixth, ... as
/// small as the kernel takes) whose launch lasts so long that more would gain nothing.  A device that is a thousand
/// times slower than what the number was made for is not kept for minutes.
std::int64_t peak_steps(const PeakKernel&, PeakProblem, const Target&,
                        const std::function<double(const PeakProblem&)>& seconds_of);

}  // namespace assay
