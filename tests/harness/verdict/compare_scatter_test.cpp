// How much runs differ among themselves: the prior, what other cases and a history tell of it, and what the verdicts of
// one run a side are worth on machines whose runs scatter.
#include "harness/verdict/compare_scatter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "tests/harness/verdict/compared_records.h"

namespace assay {
namespace {

using testing::HasSubstr;

TEST(PriorScatter, GoesByDeviceAndByWhatBoundsTheCase) {
  Record compute = noisy_record(64, 1e-3, 1), memory = compute, gpu = compute, collective = compute;
  memory.work.bytes = memory.work.flops;
  gpu.point.device = Device::gpu;
  collective.work.bus_factor = 1;
  const auto of = [](const Record& record) { return prior_scatter(record, record, false); };
  EXPECT_EQ(of(compute).class_name, "CPU, compute-bound");
  EXPECT_EQ(of(memory).class_name, "CPU, memory-bound");
  EXPECT_EQ(of(collective).class_name, "CPU, memory-bound");
  EXPECT_EQ(of(gpu).class_name, "GPU");
  EXPECT_GT(of(memory).runs.deviation, 5 * of(compute).runs.deviation) << "a virtual machine's memory is shared";
  EXPECT_EQ(of(compute).disturbed, "");
}

TEST(PriorScatter, IsWiderWhereARunWasDisturbed) {
  const Record calm = noisy_record(64, 1e-3, 1);
  const auto with = [&](auto disturb) {
    Record other = calm;
    disturb(other);
    const CaseScatter base = prior_scatter(other, calm, false), next = prior_scatter(calm, other, false);
    EXPECT_EQ(base.disturbed_deviation, next.disturbed_deviation);
    EXPECT_THAT(base.disturbed, HasSubstr("BASE: "));
    EXPECT_THAT(next.disturbed, HasSubstr("NEW: "));
    return base;
  };
  const auto load = with([](Record& r) { r.telemetry[0].other_load = 1.0; });
  EXPECT_THAT(load.disturbed, HasSubstr("other work took 1.0 cores"));
  EXPECT_GE(load.disturbed_deviation, std::log(2.0) / 2) << "beside a core's work a run may take twice as long";
  EXPECT_THAT(with([](Record& r) { r.telemetry[0].steal_share = 0.1; }).disturbed, HasSubstr("hypervisor took 10 %"));
  const auto unseen = with([](Record& r) { r.telemetry.clear(); });
  EXPECT_THAT(unseen.disturbed, HasSubstr("no telemetry"));
  EXPECT_GE(unseen.disturbed_deviation, 0.1) << "who looks at nothing knows nothing";
  // Half of the samples take 1.5 times as long: the quartiles are 1 and 1.5, and so may be two runs' medians.
  const auto wide = with([](Record& r) {
    for (std::size_t i = 0; i < r.measurement.seconds.size(); ++i) r.measurement.seconds[i] = i % 2 ? 1e-3 : 1.5e-3;
  });
  EXPECT_THAT(wide.disturbed, HasSubstr("quartiles are 50 % apart"));
  EXPECT_NEAR(2 * wide.disturbed_deviation, std::log(1.5), 1e-12);
}

// Neighbours on the other hardware threads of its cores make a virtual machine's half as fast, and nothing in it shows
// that.
TEST(PriorScatter, OfAVirtualMachineCoversWhatNeighboursTake) {
  const Record calm = noisy_record(64, 1e-3, 1);
  EXPECT_EQ(prior_scatter(calm, calm, true).class_name, "CPU, compute-bound of a virtual machine");
  Record gpu = calm;
  gpu.point.device = Device::gpu;
  EXPECT_EQ(prior_scatter(gpu, gpu, true).disturbed_deviation, 0);
  const auto change = [](double times, bool virtual_machine) {
    ComparedRuns runs{{{"base", sample_result({noisy_record(64, 1e-3, 1)})}},
                      {{"new", sample_result({noisy_record(64, times * 1e-3, 2)})}},
                      false,
                      {}};
    runs.next[0].result.provenance["cpu"]["hypervisor"] = virtual_machine;
    return compare(runs, {}).cases[0].change;
  };
  EXPECT_EQ(change(1.95, false), Change::slower);
  EXPECT_EQ(change(1.95, true), Change::inconclusive);
  EXPECT_EQ(change(0.52, true), Change::inconclusive);
  EXPECT_EQ(change(2.5, true), Change::slower);
  EXPECT_EQ(change(0.4, true), Change::faster);
}

/// `n` cases that moved by as many prior deviations of a ratio as `move` says.
std::vector<CaseShift> moved(int n, const std::function<double(int)>& move) {
  std::vector<CaseShift> out;
  for (int i = 0; i < n; ++i) out.push_back({move(i) * std::sqrt(2.0) * 0.01, 0, 0.01});
  return out;
}

constexpr double kThreeOfFour = 1.344398;  // tables: t(0.125, 4)

TEST(ScatterFactor, WeighsTheOtherCasesAgainstThePrior) {
  EXPECT_EQ(scatter_factor({}), 1);
  // |t| of 4 degrees is below 1.3444 in three cases of four: 100 cases that moved so far confirm the prior.
  EXPECT_NEAR(scatter_factor(moved(100, [](int) { return kThreeOfFour; })), 1, 1e-4);
  // By hand: the prior weighs 4, 100 cases 42, and at twice that distance the variance they saw is 4 times the prior's.
  EXPECT_NEAR(scatter_factor(moved(100, [](int i) { return i % 2 ? 2 * kThreeOfFour : -2 * kThreeOfFour; })),
              std::sqrt((4 + 42 * 4) / 46.0), 1e-4);
  EXPECT_NEAR(scatter_factor(moved(100, [](int) { return 0; })), std::sqrt(4 / 46.0), 1e-12);
  EXPECT_GT(scatter_factor(moved(1, [](int) { return 0; })), 0.95) << "one case tells next to nothing";
}

TEST(ScatterFactor, IsBlindToAQuarterThatChangedAndWidensBeyond) {
  const auto changed = [](int share) {
    return scatter_factor(moved(60, [=](int i) { return i % 10 < share ? 50 : 1; }));
  };
  EXPECT_LT(changed(2), 1);
  EXPECT_EQ(changed(3), 6) << "then it is not known which of them the machine moved";
}

TEST(ScatterFactor, DoesNotCountWhatTheSamplesExplain) {
  auto cases = moved(100, [](int) { return kThreeOfFour; });
  for (auto& one : cases) one.within = std::sqrt(2.0) * 0.01;
  EXPECT_NEAR(scatter_factor(cases), std::sqrt(4 / 46.0), 1e-2);
}

TEST(LearnedScatter, IsTheHistorysOwn) {
  std::vector<Record> runs;
  for (const double seconds : {1.00e-3, 1.01e-3, 1.03e-3}) runs.push_back(noisy_record(64, seconds, 1, 0));
  std::vector<const Record*> history;
  for (const Record& run : runs) history.push_back(&run);
  const auto learned = learned_scatter(runs[0], history);
  ASSERT_TRUE(learned);
  // By hand: log 1, 1.01, 1.03 are 0, 0.00995033, 0.02955880; their mean is 0.01316971.
  EXPECT_NEAR(learned->runs.deviation, 0.015040, 1e-6);
  EXPECT_EQ(learned->runs.degrees, 2);
  EXPECT_EQ(learned->source, ScatterSource::history);
  runs[2].measurement.placement.assign(runs[2].measurement.seconds.size(), Placement::far);
  EXPECT_FALSE(learned_scatter(runs[0], history)) << "another placement is another machine, and two runs are too few";
}

// One of the ways in which runs scatter; deviation 1.
using Scatter = std::function<double(Noise&)>;
double gaussian(Noise& noise) { return noise.normal(); }
double heavy(Noise& noise) {  // Student's t of 3 degrees, whose variance is 3
  const double a = noise.normal(), b = noise.normal(), c = noise.normal();
  return noise.normal() / std::sqrt((a * a + b * b + c * c) / 3) / std::sqrt(3.0);
}
double two_states(Noise& noise) { return noise.uniform() < 0.5 ? -1 : 1; }

/// A machine whose runs scatter by `deviation`, and together by `common`.
struct Runs {
  Scatter scatter;
  double deviation = 0, common = 0;
};

std::vector<Record> one_run(const Runs& runs, int cases, Noise& noise, std::uint64_t seed, double shift = 0) {
  std::vector<Record> out;
  const double together = runs.common * noise.normal();
  for (int i = 0; i < cases; ++i) {
    const double log_seconds = together + runs.deviation * runs.scatter(noise) + (i == 0 ? std::log1p(shift) : 0);
    out.push_back(noisy_record(i + 1, 1e-3, seed, 0));
    Autoregressive wander(0.5, seed * 1000 + std::uint64_t(i));
    for (double& x : out.back().measurement.seconds) x *= std::exp(log_seconds + 0.01 * wander.next());
  }
  return out;
}

struct Rates {
  double alarms = 0, found = 0;  // of trials: a case that is not shifted was called faster or slower; the shifted was
};

/// NEW's first case is `shift` slower; with a history of that many runs.
Rates rates_of(int trials, int cases, const Scatter& scatter, double deviation, double shift, double common = 0,
               int history_runs = 0) {
  const Runs runs = {scatter, deviation, common};
  Rates out;
  for (int trial = 0; trial < trials; ++trial) {
    Noise noise{std::uint64_t(trial)};
    const std::uint64_t seed = 100 * std::uint64_t(trial);
    std::vector<NamedResult> history;
    for (int i = 0; i < history_runs; ++i)
      history.push_back({"history", sample_result(one_run(runs, cases, noise, seed + 2 + std::uint64_t(i)))});
    const auto comparison = compare_records(one_run(runs, cases, noise, seed),
                                            one_run(runs, cases, noise, seed + 1, shift), {}, std::move(history));
    const auto changed = [](const CaseChange& one) {
      return one.change == Change::slower || one.change == Change::faster;
    };
    const std::ptrdiff_t shifted = shift > 0;
    out.alarms += std::any_of(comparison.cases.begin() + shifted, comparison.cases.end(), changed) / double(trials);
    out.found += (shifted && changed(comparison.cases[0])) / double(trials);
  }
  return out;
}

struct Machine {
  const char* name;
  Scatter scatter;
};
const Machine kMachines[] = {{"normal", gaussian}, {"t of 3 degrees", heavy}, {"one of two states", two_states}};

// The prior is 0.7 % a run, and its t of 4 degrees, with a margin of 2 %, covers twice that; where other cases say so,
// more.  The numbers are the same on every machine.
TEST(FalseAlarmsOfSingleRuns, AreRareUpToTwiceThePrior) {
  for (const auto& [name, scatter] : kMachines)
    for (const double deviation : {0.0, 0.007, 0.014})
      for (const auto& [cases, trials] : {std::pair(1, 400), std::pair(2, 100), std::pair(20, 20)})
        EXPECT_LE(rates_of(trials, cases, scatter, deviation, 0).alarms, 0.05)
            << name << ", " << deviation << ", " << cases << " cases";
}

TEST(FalseAlarmsOfSingleRuns, AreRareWhereManyCasesTellThatRunsScatterMore) {
  for (const auto& scatter : {gaussian, two_states}) EXPECT_LE(rates_of(40, 20, scatter, 0.04, 0).alarms, 0.05);
  EXPECT_EQ(rates_of(3, 200, gaussian, 0.04, 0).alarms, 0);
  EXPECT_EQ(rates_of(3, 200, heavy, 0.007, 0).alarms, 0);
}

// What the prior does not cover, and nothing else tells: one case of runs that scatter by 4 %.  A history covers it.
TEST(FalseAlarmsOfSingleRuns, AreWhatAHistoryIsFor) {
  EXPECT_GT(rates_of(100, 1, gaussian, 0.04, 0).alarms, 0.2);
  EXPECT_LE(rates_of(100, 1, gaussian, 0.04, 0, 0, 6).alarms, 0.05);
}

// A machine that is 5 % slower or faster for a whole run moves all cases alike: one run cannot tell it from the
// program.
TEST(FalseAlarmsOfSingleRuns, AreRareWhereTheMachineMovesAllCases) {
  EXPECT_LE(rates_of(40, 20, gaussian, 0.004, 0, 0.05).alarms, 0.05);
}

// Of a change that all cases have the machine is suspected, but not of any.
TEST(PowerOfSingleRuns, FindsWhatNoMachineDoes) {
  const auto changes = [](double seconds, Change change) {
    std::vector<Record> base, next;
    for (int i = 1; i <= 20; ++i) {
      base.push_back(noisy_record(i, 1e-3, std::uint64_t(i)));
      next.push_back(noisy_record(i, seconds, std::uint64_t(100 + i)));
    }
    const auto out = compare_records(base, next);
    EXPECT_THAT(out.cases[0].remarks, testing::Contains(HasSubstr("other cases moved too")));
    return out.count(change);
  };
  EXPECT_EQ(changes(0.5e-3, Change::faster), 20u);
  EXPECT_EQ(changes(0.9e-3, Change::inconclusive), 20u);
}

// Runs that scatter by 0.4 % each, as calm runs of compute-bound cases do in a virtual machine.
TEST(PowerOfSingleRuns, FindsTenPercentAndOftenFive) {
  for (const auto& [cases, trials] : {std::pair(1, 100), std::pair(2, 100), std::pair(20, 20)}) {
    const Rates ten = rates_of(trials, cases, gaussian, 0.004, 0.10);
    EXPECT_GE(ten.found, 0.99) << cases << " cases";
    EXPECT_LE(ten.alarms, 0.05) << cases << " cases";
  }
  EXPECT_EQ(rates_of(2, 200, gaussian, 0.004, 0.10).found, 1) << "200 cases";
  EXPECT_GE(rates_of(100, 1, gaussian, 0.004, 0.05).found, 0.4);
  EXPECT_GE(rates_of(100, 1, gaussian, 0.004, 0.05, 0, 8).found, 0.9) << "with a history";
  EXPECT_GE(rates_of(100, 2, gaussian, 0.014, 0.20).found, 0.99) << "even where runs scatter by twice the prior";
}

}  // namespace
}  // namespace assay
