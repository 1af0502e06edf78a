#include "harness/verdict/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "harness/core/names.h"
#include "harness/measure/hypothesis.h"
#include "harness/verdict/comparable.h"
#include "harness/verdict/compare_single_runs.h"
#include "harness/verdict/compare_units.h"
#include "harness/verify/normal_quantile.h"

namespace assay {
namespace {

constexpr Named<Change> kChanges[] = {{Change::faster, "faster"},       {Change::slower, "slower"},
                                      {Change::same, "same"},           {Change::inconclusive, "inconclusive"},
                                      {Change::broken, "broken"},       {Change::not_measured, "not measured"},
                                      {Change::refused, "refused"},     {Change::only_base, "only in BASE"},
                                      {Change::only_new, "only in NEW"}};

ComparedUnit unit_of(const ComparedRuns& runs) {
  const std::size_t base = runs.base.size(), next = runs.next.size();
  if (base == 0 || next == 0) throw InputError("a comparison needs a result on both sides");
  if (runs.paired) {
    if (base != next) throw InputError(fmt::format("{} and {} results are no pairs", base, next));
    return base == 1 ? ComparedUnit::sample : ComparedUnit::pair;
  }
  if (base == 1 && next == 1) return ComparedUnit::sample;
  if (base == 1 || next == 1)
    throw InputError(fmt::format(
        "{} and {} results: how runs differ can be told only where each side has several; give one a side, or at least "
        "two a side",
        base, next));
  return ComparedUnit::run;
}

/// A history shows how much runs differ only where they are this machine's, and enough.
void check_history(const ComparedRuns& runs, ComparedUnit unit) {
  if (runs.history.empty()) return;
  if (unit != ComparedUnit::sample)
    throw InputError("a history is for one result a side: several show how runs differ");
  if (runs.history.size() < kLeastHistory)
    throw InputError(fmt::format("a history of {} result{}, expected at least {}", runs.history.size(),
                                 runs.history.size() == 1 ? "" : "s", kLeastHistory));
  for (const auto& [file, result] : runs.history)
    if (const auto other = another_machine(runs.base.front().result, result); !other.empty())
      throw InputError(fmt::format("{}: a history is of the machine that is compared, but {}", file, other));
}

/// Cases by id, in the order in which they first appear, BASE's before what only NEW has.
class CasesById {
 public:
  explicit CasesById(const ComparedRuns& runs) {
    for (const bool is_new : {false, true}) {
      const auto& results = is_new ? runs.next : runs.base;
      for (std::size_t i = 0; i < results.size(); ++i)
        for (const auto& record : results[i].result.records) add(runs, record, is_new, i);
    }
  }
  const std::vector<CaseSides>& all() const { return all_; }

 private:
  void add(const ComparedRuns& runs, const Record& record, bool is_new, std::size_t run) {
    const auto [found, fresh] = index_.try_emplace(record.point.id(), all_.size());
    if (fresh) all_.push_back({{runs.base.size(), nullptr}, {runs.next.size(), nullptr}});
    CaseSides& sides = all_[found->second];
    (is_new ? sides.next : sides.base)[run] = &record;
  }

  std::map<std::string, std::size_t> index_;
  std::vector<CaseSides> all_;
};

const Record& first_of(const CaseSides& sides) {
  for (const auto* records : {&sides.base, &sides.next})
    for (const Record* record : *records)
      if (record) return *record;
  throw std::logic_error("a case without a record");
}

/// A case that one side alone has, where the other has the same work under other conditions, becomes one refused case.
void refuse_other_conditions(const std::vector<CaseSides>& sides, std::vector<CaseChange>& cases) {
  std::vector<char> gone(cases.size(), false);
  for (std::size_t b = 0; b < cases.size(); ++b) {
    if (cases[b].change != Change::only_base) continue;
    const Case& base = first_of(sides[b]).point;
    for (std::size_t n = 0; n < cases.size(); ++n) {
      if (cases[n].change != Change::only_new || gone[n]) continue;
      const Case& next = first_of(sides[n]).point;
      if (work_id(base) != work_id(next)) continue;
      cases[b].change = Change::refused;
      cases[b].reason = "measured with " + differing_conditions(base, next);
      gone[n] = true;
      break;
    }
  }
  std::size_t at = 0;
  std::erase_if(cases, [&](const CaseChange&) { return gone[at++] != 0; });
}

/// Threads and processes change what a CPU case measures, and are not part of its id.
void refuse_other_crew(const ComparedRuns& runs, const std::vector<CaseSides>& sides, std::vector<CaseChange>& cases) {
  std::string crew;
  for (const auto* results : {&runs.base, &runs.next})
    for (const auto& one : *results)
      if (crew.empty()) crew = differing_crew(runs.base.front().result, one.result);
  if (crew.empty()) return;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (first_of(sides[i]).point.device != Device::cpu || !cases[i].test) continue;
    cases[i].test.reset();
    cases[i].change = Change::refused;
    cases[i].reason = "measured with " + crew;
  }
}

std::string percent(double ratio) { return fmt::format("{:+.2f} %", 100 * (ratio - 1)); }

/// The ratio lies within this of the margin, or its interval is too wide, for any number of runs that one would wait
/// for.
constexpr const char* kHopeless = "the ratio lies at the margin itself";

/// How many times the runs or rounds would bring the interval inside the margin, or clear of it.
std::string more_units(const RatioTest& test, ComparedUnit unit, double room) {
  constexpr double kTooMany = 100;
  const double half = std::log(test.ratio_95.high / test.ratio_95.low) / 2;
  const double times = room > 0 ? (half / room) * (half / room) : kTooMany + 1;
  if (!(times <= kTooMany)) return kHopeless;
  return fmt::format("about {:.0f} times as many {} would tell", std::max(2.0, std::ceil(times)),
                     unit == ComparedUnit::run ? "runs" : "rounds");
}

/// Rounds of --ab, or runs a side, that find out in four cases of five, if runs scatter as assumed: Student's t of
/// level and power together, on the mean of that many differences.
std::string rounds(const CaseChange& one, double room, double level) {
  constexpr int kLeast = 4, kMost = 100;
  constexpr double kMissed = 0.2;
  const RatioTest& test = *one.test;
  const double half = std::log(test.ratio_95.high / test.ratio_95.low) / 2;
  const double deviation = half / student_quantile(0.025, one.scatter->runs.degrees);
  const double normal = -(normal_quantile(level / 2) + normal_quantile(kMissed)) * deviation / room;
  if (!(normal * normal <= kMost)) return kHopeless;  // and t needs more than that
  for (int n = std::max(kLeast, int(normal * normal) / 2 * 2); n <= kMost; n += 2) {
    const double t = student_quantile(level / 2, n - 1) + student_quantile(kMissed, n - 1);
    if (t * deviation <= room * std::sqrt(double(n)))
      return fmt::format("--ab with --rounds {} would tell, or {} runs a side", n, n);
  }
  return kHopeless;
}

std::string why_inconclusive(const CaseChange& one, const CompareRule& rule, ComparedUnit unit, std::size_t family) {
  constexpr std::size_t kLeastSamples = 6;  // fewer leave the median outside their range more often than once in 20
  if (unit == ComparedUnit::sample && std::min(one.base_units, one.new_units) < kLeastSamples)
    return fmt::format("{} and {} independent samples are too few", one.base_units, one.new_units);
  const RatioTest& test = *one.test;
  const char* alone = test.p_changed <= rule.level    ? (test.ratio > 1 ? "slower" : "faster")
                      : test.p_not_same <= rule.level ? "the same"
                                                      : nullptr;
  const double room = std::abs(std::log1p(rule.margin) - std::abs(std::log(test.ratio)));
  const std::string remedy =
      one.scatter ? rounds(one, room, rule.level / double(family)) : more_units(test, unit, room);
  if (alone)
    return fmt::format("{} if it were the only case (p = {:.2g}), not as one of {}; {}", alone,
                       std::min(test.p_changed, test.p_not_same), family, remedy);
  return fmt::format("the interval {} .. {} crosses the margin of {:.3g} %; {}", percent(test.ratio_95.low),
                     percent(test.ratio_95.high), 100 * rule.margin, remedy);
}

/// Verdicts of all cases together.  Holm's correction rather than a false discovery rate: one slower case ends in exit
/// code 1 and stops somebody, so the chance of a single false one is what must be held, and cases of one machine depend
/// on each other in ways nobody knows.
void judge(Comparison& comparison) {
  std::vector<CaseChange*> tested;
  std::vector<double> changed, not_same;
  for (auto& one : comparison.cases)
    if (one.test) {
      tested.push_back(&one);
      changed.push_back(one.test->p_changed);
      not_same.push_back(one.test->p_not_same);
    }
  changed = holm(changed);
  not_same = holm(not_same);
  for (std::size_t i = 0; i < tested.size(); ++i) {
    CaseChange& one = *tested[i];
    one.p_changed = changed[i];
    one.p_not_same = not_same[i];
    if (changed[i] <= comparison.rule.level)
      one.change = one.test->ratio > 1 ? Change::slower : Change::faster;
    else if (not_same[i] <= comparison.rule.level)
      one.change = Change::same;
    else
      one.reason = why_inconclusive(one, comparison.rule, comparison.unit, tested.size());
  }
}

}  // namespace

const char* name(Change change) { return find_name(kChanges, change); }

std::size_t Comparison::count(Change change) const {
  return std::size_t(
      std::count_if(cases.begin(), cases.end(), [&](const CaseChange& one) { return one.change == change; }));
}

Comparison compare(const ComparedRuns& runs, const CompareRule& rule) {
  Comparison out;
  out.rule = rule;
  out.unit = unit_of(runs);
  check_history(runs, out.unit);
  out.differences = differences_of(runs.base.front().result, runs.next.front().result);
  const CasesById by_id(runs);
  for (const auto& sides : by_id.all()) out.cases.push_back(measure_change(sides, out.unit, rule.margin));
  refuse_other_crew(runs, by_id.all(), out.cases);
  if (out.unit == ComparedUnit::sample) add_scatter(by_id.all(), runs, rule.margin, out.cases);
  refuse_other_conditions(by_id.all(), out.cases);
  judge(out);
  return out;
}

ExitCode exit_code_of(const Comparison& comparison) {
  const auto any = [&](auto holds) { return std::any_of(comparison.cases.begin(), comparison.cases.end(), holds); };
  if (any([](const CaseChange& one) { return one.ended_in_new == OutcomeKind::wrong; })) return ExitCode::wrong_numbers;
  if (any([](const CaseChange& one) { return one.change == Change::slower || one.ended_in_new; }))
    return ExitCode::verdict_failed;
  return any([](const CaseChange& one) { return one.test.has_value(); }) ? ExitCode::ok : ExitCode::could_not_measure;
}

}  // namespace assay
