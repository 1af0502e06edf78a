#include "harness/verdict/compare_units.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace assay {
namespace {

using Records = std::vector<const Record*>;

std::size_t present(const Records& records) {
  return std::size_t(std::count_if(records.begin(), records.end(), [](const Record* r) { return r != nullptr; }));
}

/// The first record that ended so; null where none did.
const Record* ended(const Records& records, OutcomeKind kind) {
  for (const Record* record : records)
    if (record && record->outcome.kind == kind) return record;
  return nullptr;
}

/// Whether an outcome forbids to compare: the worst first, and NEW's before BASE's.
bool settle_by_outcome(const CaseSides& sides, CaseChange& out) {
  for (const auto kind : {OutcomeKind::wrong, OutcomeKind::failed, OutcomeKind::timed_out, OutcomeKind::skipped})
    for (const bool is_new : {true, false}) {
      const Record* record = ended(is_new ? sides.next : sides.base, kind);
      if (!record) continue;
      out.change = kind == OutcomeKind::skipped ? Change::not_measured : Change::broken;
      if (is_new && out.change == Change::broken) out.ended_in_new = kind;
      out.reason = fmt::format("{} in {}: {}", name(kind), is_new ? "NEW" : "BASE", record->outcome.reason);
      return true;
    }
  return false;
}

Placement placement_of(const Record& record) { return dominant_placement(record.measurement.placement); }

/// Leaves the runs of one placement class, that of which both sides have most; false where they share none.  Pairs stay
/// pairs.
bool keep_one_placement(CaseSides& sides, ComparedUnit unit, CaseChange& out) {
  const auto count = [](const Records& records, Placement placement) {
    return std::count_if(records.begin(), records.end(),
                         [&](const Record* record) { return record && placement_of(*record) == placement; });
  };
  Placement best = Placement::none;
  std::ptrdiff_t most = 0;
  for (const auto placement : {Placement::none, Placement::near, Placement::far, Placement::moved}) {
    const auto both = std::min(count(sides.base, placement), count(sides.next, placement));
    if (both > most) best = placement, most = both;
  }
  if (most == 0) {
    const auto first = [](const Records& records) {
      return *std::find_if(records.begin(), records.end(), [](auto* r) { return r; });
    };
    out.change = Change::refused;
    out.reason = fmt::format("placement of cores {} and {}: another machine in effect",
                             name(placement_of(*first(sides.base))), name(placement_of(*first(sides.next))));
    return false;
  }
  const std::size_t before = present(sides.base) + present(sides.next);
  for (Records* records : {&sides.base, &sides.next})
    for (auto& record : *records)
      if (record && placement_of(*record) != best) record = nullptr;
  if (unit == ComparedUnit::pair)
    for (std::size_t i = 0; i < sides.base.size(); ++i)
      if (!sides.base[i] || !sides.next[i]) sides.base[i] = sides.next[i] = nullptr;
  for (Records* records : {&sides.base, &sides.next}) std::erase(*records, nullptr);
  const std::size_t left = sides.base.size() + sides.next.size();
  if (left < before)
    out.remarks.push_back(fmt::format("{} of {} runs left out: their cores' placement was not {}, or their pair's",
                                      before - left, before, name(best)));
  return true;
}

std::vector<double> medians_of(const Records& records) {
  std::vector<double> out;
  for (const Record* record : records) out.push_back(summarise(record->measurement).median);
  return out;
}

double geometric_mean(const std::vector<double>& values) {
  double logarithms = 0;
  for (const double value : values) logarithms += std::log(value);
  return std::exp(logarithms / double(values.size()));
}

/// Of all readings of all the case's devices in these runs.
std::optional<double> median_clock(const Records& records) {
  std::vector<double> clocks;
  for (const Record* record : records)
    for (const auto& telemetry : record->telemetry)
      for (const auto& reading : telemetry.readings)
        if (reading.clock_mhz && *reading.clock_mhz > 0) clocks.push_back(*reading.clock_mhz);
  if (clocks.empty()) return std::nullopt;
  std::sort(clocks.begin(), clocks.end());
  return quantile(clocks, 0.5);
}

void add_clock(const CaseSides& sides, CaseChange& out) {
  const auto base = median_clock(sides.base), next = median_clock(sides.next);
  if (!base || !next) return;
  out.clock_ratio = *next / *base;
  out.cycles_ratio = out.test->ratio * *out.clock_ratio;
}

void add_remarks(const CaseSides& sides, CaseChange& out) {
  const Measurement &base = sides.base.front()->measurement, &next = sides.next.front()->measurement;
  if (base.in_turns != next.in_turns)
    out.remarks.push_back(fmt::format("sampled in turns of {} kernels and of {}: their clock and caches differ",
                                      base.in_turns, next.in_turns));
  if (base.batch != next.batch)
    out.remarks.push_back(fmt::format("{} and {} launches timed together", base.batch, next.batch));
}

void compare_samples(const CaseSides& sides, double margin, CaseChange& out) {
  const Record &base = *sides.base.front(), &next = *sides.next.front();
  const Summary b = summarise(base.measurement), n = summarise(next.measurement);
  out.base_units = std::size_t(b.n_effective);
  out.new_units = std::size_t(n.n_effective);
  out.base_seconds = b.median;
  out.new_seconds = n.median;
  out.test = ratio_of_samples(samples_of(base), samples_of(next), {}, margin);
  if (b.modes > 1 || n.modes > 1)
    out.remarks.push_back(fmt::format("times have {} and {} modes: a median may be in either", b.modes, n.modes));
}

void compare_runs(const CaseSides& sides, ComparedUnit unit, double margin, CaseChange& out) {
  const auto base = medians_of(sides.base), next = medians_of(sides.next);
  out.base_units = base.size();
  out.new_units = next.size();
  out.base_seconds = geometric_mean(base);
  out.new_seconds = geometric_mean(next);
  if (base.size() < 2 || next.size() < 2) {
    out.change = Change::inconclusive;
    out.reason =
        fmt::format("{} and {} runs that may be compared, and a spread needs 2 on each side", base.size(), next.size());
    return;
  }
  out.test = unit == ComparedUnit::pair ? ratio_of_pairs(base, next, margin) : ratio_of_runs(base, next, margin);
}

}  // namespace

CaseChange measure_change(const CaseSides& all, ComparedUnit unit, double margin) {
  CaseSides sides = all;
  CaseChange out;
  const bool in_base = present(sides.base) > 0, in_new = present(sides.next) > 0;
  const Record* any = nullptr;
  for (const Records* records : {&sides.base, &sides.next})
    for (const Record* record : *records)
      if (!any) any = record;
  if (any) out.id = any->point.id();
  if (!in_base || !in_new) {
    out.change = in_base ? Change::only_base : Change::only_new;
    return out;
  }
  if (settle_by_outcome(sides, out) || !keep_one_placement(sides, unit, out)) return out;
  if (unit == ComparedUnit::sample)
    compare_samples(sides, margin, out);
  else
    compare_runs(sides, unit, margin, out);
  if (out.test) add_clock(sides, out);
  add_remarks(sides, out);
  return out;
}

}  // namespace assay
