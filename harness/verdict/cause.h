// Why a case is slower than expected, from what its devices showed meanwhile (record/telemetry.h), and what to do.
#pragma once
#include <optional>
#include <string>

#include "harness/record/record.h"

namespace assay {

enum class CauseCode {
  wrong_numbers,       // computed wrong numbers
  other_bits,          // other bits than other machines: silent data corruption
  xid,                 // the driver logged an error of the GPU
  ecc_uncorrected,     // memory errors that could not be corrected, or rows taken out of use
  other_process,       // somebody else on the GPU
  other_load,          // somebody else on the cores
  steal,               // the hypervisor gave the cores to others
  quota,               // the control group's quota held the process
  hardware_slowdown,   // the board's own protection: hardware slowdown or power brake
  thermal,             // too hot
  power_cap_lowered,   // a lower power cap than the part's
  application_clocks,  // clocks were set by hand
  power_cap,           // the usual cap, at a lower clock than usual
  ecc_corrected,       // corrected memory errors grow
  pcie,                // fewer lanes or an older generation than usual
  link_errors,         // NVLink errors, PCIe replays
  only_together,       // slow only while all devices run
  memory_clock,        // the memory's clock is lower
  clock,               // the clock is lower and nothing says why
  memory,              // memory-bound, slow at full clock
  link,                // a collective, slow at full clock
  silicon,             // slow at full clock: memory or silicon
  unexplained,         // telemetry says nothing
  no_telemetry,
};
const char* name(CauseCode);

/// What the operator does next.
enum class Action { recheck, reset, drain, return_part };
/// "recheck", "reset", "drain", "return"
const char* name(Action);

struct Cause {
  CauseCode code = CauseCode::no_telemetry;
  /// "GPU 3: 7.1 % slower, clock 7.0 % lower, thermal limit 64 % of the time, 86 C: check cooling"
  std::string text;
  Action action = Action::recheck;

  /// Others disturbed the measurement: it says nothing of the device, for better or worse.
  bool disturbed() const;
};

/// What a healthy device shows while it runs the case; null where nobody said.
struct Normal {
  std::optional<double> clock_mhz, memory_clock_mhz, power_cap_watts;
  std::optional<int> pcie_generation, pcie_width;
  bool fast_alone = false;  // the case was measured on all devices at once, and this one by itself is not slow
};
/// Of a measurement known to be good: medians over its devices.
Normal normal_of(const Record& known_good);

/// `ratio` is the measured rate over the expected one: below 1 where slower.  The likeliest cause over all devices of
/// the record; evidence of faults first, then of disturbance, then what holds the clock down, then what is left.
Cause explain(const Record& measured, double ratio, const Normal&);
/// `known_good` may be null.
Cause explain(const Record& measured, double ratio, const Record* known_good);

}  // namespace assay
