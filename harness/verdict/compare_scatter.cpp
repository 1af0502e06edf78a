#include "harness/verdict/compare_scatter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "harness/core/names.h"
#include "harness/measure/hypothesis.h"
#include "harness/verdict/cause_rules.h"

namespace assay {
namespace {

constexpr Named<ScatterSource> kSources[] = {{ScatterSource::prior, "prior"}, {ScatterSource::history, "history"}};

// Calibrated on 29 Nov 2026 on two cores of a virtual machine (AMD EPYC, Zen 4) that others share, with 177 runs, alone
// on it and beside builds, of a product and an attention half a second each, or of eight cases of a third of one, among
// them the memory's rates.  A run's scatter is the root mean square of the logarithms of ratios of two runs' medians
// over sqrt(2), both in one placement of the cores:
//
//                                             neighbours              five runs later
//   compute-bound, nothing disturbed          0.48 % (270 ratios)     0.57 % (204); kurtosis 4.9 and 4.2, at most 2.6 %
//   memory-bound, nothing disturbed           3.2 % (25)              4.1 % (18); 8 % in hours (16, of results/)
//   compute-bound, disturbed as below        31 % (180)              33 % (152); 0.9 % by their median
//   memory-bound, disturbed                  37 % (39)               59 % (31)
//
// Near and far placement scatter alike (0.53 and 0.37 %).  The priors are the scatter over the longer time with a
// margin; no machine without a hypervisor was there: it counts as this one without its neighbours (kNeighbours), which
// can only be worse.  No GPU was there either: its prior is two steps of its clock, 15 MHz of 1 to 2 GHz, in which
// equal runs settle.
struct Prior {
  const char* name;
  double deviation;  // of one run
};
constexpr Prior kGpu = {"GPU", 0.010};
constexpr Prior kCompute = {"CPU, compute-bound", 0.007};
constexpr Prior kMemory = {"CPU, memory-bound", 0.08};

/// Of the t in which two runs of a calm case differ.  A kurtosis of 5 is that of 7 degrees; 4 keep a false alarm below
/// 5 % also where runs scatter by twice the prior and in t of 3 degrees (compare_scatter_test.cpp).
constexpr double kPriorDegrees = 4;
/// What the prior's scale weighs, in degrees of freedom: a machine's differs from another's of its class by a third or
/// so.
constexpr double kScaleDegrees = 4;
/// Of the other cases' distances the one that three quarters are below tells the scale: a quarter may have changed.  A
/// median would let half change, and be blind where every case is in one of two states, as half of them then do not
/// move.
constexpr double kUnchanged = 0.75;
/// Degrees that one other case adds: 1 / (2 V), with V = p (1 - p) / (2 f(q) q)^2 the variance of the logarithm of that
/// quantile q of |t| of 4 degrees, f their density.
constexpr double kDegreesACase = 0.42;

/// Undisturbed runs of one program never scattered by more than this times the prior: beyond it, it is the programs
/// that differ, in nearly all cases.  Without it, all cases twice as fast would tell of nothing.
constexpr double kMostFactor = 6;

/// Cores' worth of other work, and share of time lost to the hypervisor, that are more than an idle machine's
/// (cause_rules.cpp explains slow cases by the same).
constexpr double kOtherLoad = 0.2, kLostShare = 0.02;
/// Of a run whose telemetry nobody kept: 101 ratios of unchanged libraries' compute-bound cases in results/, hours
/// apart and most of them without telemetry, had a scatter of 11.8 % by their root mean square, of 4.6 % by their
/// median.
constexpr double kUnseen = 0.10;
/// Quartiles of a run's samples this far apart say by themselves that something disturbed it.
constexpr double kWideQuartiles = 0.10;

/// Of a run in a virtual machine: that with which a factor of two between two calm ones, of one case alone, is as
/// likely as 1 in 20: log 2 over sqrt(2) and the 97.5th percentile of t of 4 degrees.  Of 400 runs (29 Nov 2026, the
/// machine of the table above with nobody else in it, seconds apart) 694 ratios of neighbours in one placement of
/// the cores had a scatter of 7 and 12 % by their root mean square, of 1.7 and 1.4 % by their median, and 32 lay
/// between 1.7 and 1.98.
constexpr double kNeighbours = 0.1765;

double quantile_of(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return quantile(values, q);
}

double log_quartile_range(const Record& record) {
  const std::vector<double> samples = samples_of(record);
  return std::log(quantile_of(samples, 0.75) / quantile_of(samples, 0.25));
}

/// What telemetry notes; "no telemetry" where nobody looked: then nothing says that the run was calm.
std::string noted(const Record& record) {
  if (record.telemetry.empty()) return "no telemetry says whether other work disturbed it";
  for (const Telemetry& t : record.telemetry) {
    if (t.other_load.value_or(0) > kOtherLoad) return fmt::format("other work took {:.1f} cores", *t.other_load);
    if (t.steal_share.value_or(0) > kLostShare)
      return fmt::format("the hypervisor took {:.0f} % of the time", 100 * *t.steal_share);
    if (t.throttled_seconds.value_or(0) > kLostShare * t.window_seconds) return "the control group's quota held it";
    if (record.point.device == Device::gpu && !t.others.empty()) return "other processes were on the GPU";
  }
  return {};
}

std::string disturbance(const Record& base, const Record& next) {
  for (const Record* record : {&base, &next})
    if (const std::string what = noted(*record); !what.empty())
      return fmt::format("{}: {}", record == &base ? "BASE" : "NEW", what);
  for (const Record* record : {&base, &next})
    if (const double range = log_quartile_range(*record); range > kWideQuartiles)
      return fmt::format("{}: its samples' quartiles are {:.0f} % apart", record == &base ? "BASE" : "NEW",
                         100 * std::expm1(range));
  return {};
}

double other_load(const Record& record) {
  double most = 0;
  for (const Telemetry& t : record.telemetry) most = std::max(most, t.other_load.value_or(0));
  return most;
}

/// Of one disturbed run, by two states in which each may be for its whole length: the median at one quartile or at the
/// other, as the share of disturbed samples changes; and the threads' slowest, for which all wait, with its core to
/// itself or beside other work, 1 + load times as long.
double disturbed_deviation(const Record& base, const Record& next) {
  const double range = std::max(log_quartile_range(base), log_quartile_range(next));
  const double load = std::max(other_load(base), other_load(next));
  const bool unseen = base.telemetry.empty() || next.telemetry.empty();
  return std::hypot(range / 2, load > kOtherLoad ? std::log1p(load) / 2 : 0.0, unseen ? kUnseen : 0.0);
}

const Prior& class_of(const Record& record) {
  if (record.point.device == Device::gpu) return kGpu;
  return is_memory_bound(record) || is_collective(record) ? kMemory : kCompute;
}

}  // namespace

const char* name(ScatterSource source) { return find_name(kSources, source); }

std::vector<double> samples_of(const Record& record) {
  return samples_in(record.measurement, dominant_placement(record.measurement.placement));
}

CaseScatter prior_scatter(const Record& base, const Record& next, bool virtual_machine) {
  const Prior& prior = class_of(base);
  CaseScatter out{{prior.deviation, kPriorDegrees}, ScatterSource::prior, 0, prior.name, disturbance(base, next)};
  if (!out.disturbed.empty()) out.disturbed_deviation = disturbed_deviation(base, next);
  if (virtual_machine && base.point.device == Device::cpu) {
    out.class_name += " of a virtual machine";
    out.disturbed_deviation = std::hypot(out.disturbed_deviation, kNeighbours);
  }
  return out;
}

double scatter_factor(const std::vector<CaseShift>& others) {
  std::vector<double> distances, explained;
  for (const CaseShift& other : others) {
    const double expected = std::sqrt(2.0) * other.prior;
    distances.push_back(std::abs(other.log_ratio) / expected);
    explained.push_back(std::pow(other.within / expected, 2));
  }
  if (distances.empty()) return 1;
  const double weight = kDegreesACase * double(distances.size());
  const double scale = quantile_of(distances, kUnchanged) / student_quantile((1 - kUnchanged) / 2, kPriorDegrees);
  const double seen = std::max(0.0, scale * scale - quantile_of(explained, 0.5));
  return std::min(kMostFactor, std::sqrt((kScaleDegrees + weight * seen) / (kScaleDegrees + weight)));
}

std::optional<CaseScatter> learned_scatter(const Record& base, std::span<const Record* const> history) {
  const Placement placement = dominant_placement(base.measurement.placement);
  std::vector<double> logs;
  for (const Record* record : history)
    if (record->outcome.kind == OutcomeKind::ok && dominant_placement(record->measurement.placement) == placement)
      logs.push_back(std::log(summarise(record->measurement).median));
  if (logs.size() < kLeastHistory) return std::nullopt;
  const double n = double(logs.size());
  double mean = 0, sum = 0;
  for (const double x : logs) mean += x / n;
  for (const double x : logs) sum += (x - mean) * (x - mean);
  return CaseScatter{{std::sqrt(sum / (n - 1)), n - 1}, ScatterSource::history, logs.size(), "", ""};
}

}  // namespace assay
