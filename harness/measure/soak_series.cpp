#include "harness/measure/soak_series.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "harness/measure/statistics.h"

namespace assay {
namespace {

constexpr double kBaselineSeconds = 60;
constexpr double kBaselineShare = 0.2;  // of a short soak
/// A throttle is told from bins of a fifth of its least length: one slow launch is none, one quick launch ends none,
/// and a dip that straddles bins looks longer by one of them at each end.
constexpr int kBinsOfAHold = 5;

SoakInterval joined(const SoakInterval& a, const SoakInterval& b) {
  return {a.start_seconds, a.busy_seconds + b.busy_seconds, a.launches + b.launches,
          std::max(a.slowest_seconds, b.slowest_seconds), a.placement == b.placement ? a.placement : Placement::moved};
}

std::optional<double> baseline(const std::vector<SoakInterval>& intervals, double from, double until) {
  std::vector<double> seconds;
  for (const auto& one : intervals)
    if (one.start_seconds >= from && one.start_seconds < until) seconds.push_back(one.seconds_per_launch());
  if (seconds.empty()) return std::nullopt;
  std::sort(seconds.begin(), seconds.end());
  return quantile(seconds, 0.5);
}

/// Intervals by their start; bins without any are not there: other cases had their turns.
std::map<std::int64_t, SoakInterval> bins_of(const std::vector<SoakInterval>& intervals, double width) {
  std::map<std::int64_t, SoakInterval> bins;
  for (const auto& one : intervals) {
    const auto [bin, fresh] = bins.try_emplace(std::int64_t(std::floor(one.start_seconds / width)), one);
    if (!fresh) bin->second = joined(bin->second, one);
  }
  return bins;
}

}  // namespace

void SoakSeries::add(const SoakInterval& repetition) {
  if (intervals_.empty() || in_last_ == repetitions_per_interval_) {
    if (intervals_.size() == kMostIntervals) fold();
    intervals_.push_back(repetition);
    in_last_ = 1;
  } else {
    intervals_.back() = joined(intervals_.back(), repetition);
    ++in_last_;
  }
}

void SoakSeries::fold() {
  for (std::size_t i = 0; i < intervals_.size() / 2; ++i)
    intervals_[i] = joined(intervals_[2 * i], intervals_[2 * i + 1]);
  intervals_.resize(intervals_.size() / 2);
  repetitions_per_interval_ *= 2;
}

std::optional<Throttle> find_throttle(const std::vector<SoakInterval>& intervals, const ThrottleRule& rule,
                                      double soak_seconds) {
  const double window = std::min(kBaselineSeconds, kBaselineShare * soak_seconds);
  const double settled = std::min(rule.settle_seconds, window);
  const auto usual = baseline(intervals, settled, settled + window);
  if (!usual) return std::nullopt;
  Throttle out{*usual, std::nullopt, 0};
  const double slow = *usual / (1 - rule.percent / 100), width = rule.hold_seconds / kBinsOfAHold;
  std::optional<double> since;
  const auto end = [&](double at) {
    if (since && at - *since >= rule.hold_seconds && !out.at_seconds) {
      out.at_seconds = since;
      out.lasted_seconds = at - *since;
    }
    since.reset();
  };
  for (const auto& [number, bin] : bins_of(intervals, width)) {
    if (bin.start_seconds < settled) continue;
    if (bin.seconds_per_launch() <= slow)
      end(bin.start_seconds);
    else if (!since)
      since = bin.start_seconds;
  }
  end(soak_seconds);
  return out;
}

}  // namespace assay
