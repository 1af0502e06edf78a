// Many nodes judged by each other: who is slow, who said nothing, and what the slowest costs a job that waits for it.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "harness/verdict/cause.h"
#include "harness/verdict/fleet_reader.h"

namespace assay {

/// With fewer nodes of one kind the median is no majority: nobody can say which of two is the slow one.
inline constexpr std::size_t kLeastNodes = 3;
/// A distribution less similar than this to the criterion's is dissimilar; 1 is the same.
inline constexpr double kSimilar = 0.95;

struct Accusation {
  std::size_t node = 0;  // FleetFiles::nodes
  int device = kCpuDevice;
  /// "all 50 cases", "gemm, 12 cases", or one case's id
  std::string scope;
  std::string evidence;             // "slow", "uneven" (its samples are distributed otherwise), "wrong", "drift"
  double deficit = 0;               // 1 - rate / rate of the others
  double p = 0;                     // of a healthy device looking like this, before the correction for many tests
  std::size_t point = 0, file = 0;  // the case that shows it most, and where it was measured
  std::optional<Cause> cause;       // null: not determined
};

/// A node that is not or not wholly judged.
struct Gap {
  std::string node, why;
};
Gap gap_of(const Unreadable&);

/// The nodes of one kind.
struct FleetGroup {
  std::string hardware;
  std::vector<std::size_t> nodes;
  std::size_t devices = 0, cases = 0;  // judged
  /// Of each device judged: its deficit over all its cases.
  struct Standing {
    std::size_t node = 0;
    int device = kCpuDevice;
    double deficit = 0;
  };
  std::vector<Standing> standings;  // slowest first
};

/// What one device did in one case, as the heat map shows it.
struct HeatCell {
  std::size_t node = 0, point = 0;
  int device = kCpuDevice;
  double deficit = 0;
  double similarity = 1;
  bool flagged = false;  // by the rule for one case
};

struct FleetVerdict {
  std::vector<FleetGroup> groups;
  std::vector<Accusation> accused;  // worst first, one a device
  std::vector<Gap> gaps;
  std::vector<HeatCell> cells;
  std::vector<std::string> notes;
  bool wrong_numbers = false;
};

/// Rules, per case and kind of hardware:
///  - flagged: rate < median (1 - max(3 %, 4 x 1.4826 MAD / median));
///  - a device is accused for one case where it is flagged there, or its distribution is dissimilar, and the p value
///    survives both Bonferroni over the device's cases (0.5 %) and Benjamini-Hochberg over the group's (1 %);
///  - and for being slow throughout where the weighted median of its deficits, over all its cases or over those of one
///    workload, is above 3 % and survives Benjamini-Hochberg over the group's devices (1 %).
/// Whose soaked outputs have other bits than most (verdict/digests.h) is accused of wrong numbers, however few there
/// are.
FleetVerdict judge_fleet(const FleetFiles&, const FleetCases&);

/// Adds those of `expected` (host names) that gave no result.
void add_missing(FleetVerdict&, const FleetFiles&, const std::vector<std::string>& expected);

/// Adds devices slower than at an earlier time, beyond what the fleet as a whole is.
void add_drift(FleetVerdict&, const FleetFiles& now, const FleetFiles& before, const FleetCases&);

/// Reads the accused devices' records, and the criterion's beside each, and asks verdict/cause.h.
void add_causes(FleetVerdict&, const FleetFiles&, const FleetCases&);

/// What a synchronous job loses to its slowest device.
struct Cost {
  std::size_t node = 0;
  int device = kCpuDevice;
  double longer = 0;         // share by which each step takes longer than at the median device's pace
  double hours_per_day = 0;  // of each 24 that the job waits
  std::optional<double> money_per_day;
};
std::optional<Cost> cost_of_slowest(const FleetVerdict&, const FleetGroup&, std::size_t job_gpus,
                                    std::optional<double> price, bool without_accused);

/// 3 wrong numbers, 1 a node is accused, 4 something is missing or could not be judged, 0.
int exit_code_of(const FleetVerdict&);

}  // namespace assay
