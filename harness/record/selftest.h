// What measuring a kernel against itself says of this machine: how often it would have been called faster or slower.
#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace assay {

/// Medians of pairs: two copies of one case, a and b, sampled in turns as the kernels of a point are.
struct Selftest {
  std::vector<double> a_seconds, b_seconds;  // of each repetition
  double floor_seconds = 0;                  // an empty launch, timed the same way
  double timer_seconds = 0;                  // the smallest step of the clock that a launch is timed with
};

/// Margins that a comparison may be asked for, in per cent.
inline constexpr double kSelftestMargins[] = {0.5, 1, 2, 5, 10, 20};

/// Part of the repetitions in which a and b differ by more than `percent`.
double false_alarms_in_turns(const Selftest&, double percent);
/// Part of the pairs of different repetitions whose a differ by more: what two runs, one after the other, would show.
double false_alarms_apart(const Selftest&, double percent);
/// Largest over smallest of the medians of all repetitions, less 1.
double spread(const Selftest&);
/// The smallest of kSelftestMargins that at most one in twenty crossed; null where even the largest was.
std::optional<double> resolved_percent(const Selftest&, double (*false_alarms)(const Selftest&, double));

nlohmann::ordered_json to_json(const Selftest&);
Selftest selftest_from_json(const nlohmann::ordered_json&, const std::string& source, const std::string& place);

}  // namespace assay
