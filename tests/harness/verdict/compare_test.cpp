#include "harness/verdict/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "harness/publish/comparison_text.h"
#include "tests/harness/verdict/compared_records.h"

namespace assay {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

/// Five runs of one program, the cases of which scatter by 0.1 %: on such a machine 6 % and sameness can be told.
std::vector<NamedResult> calm_history(std::vector<std::int64_t> cases) {
  std::vector<NamedResult> out;
  for (int run = -2; run <= 2; ++run) {
    std::vector<Record> records;
    for (const auto m : cases) records.push_back(noisy_record(m, 1e-3 * (1 + 0.0006 * run), 1, 0));
    out.push_back({"history", sample_result(std::move(records))});
  }
  return out;
}

TEST(Compare, SaysSlowerFasterAndSame) {
  const auto out = compare_records({noisy_record(1, 1e-3, 1), noisy_record(2, 1e-3, 2), noisy_record(3, 1e-3, 3)},
                                   {noisy_record(1, 1.06e-3, 4), noisy_record(2, 0.94e-3, 5), noisy_record(3, 1e-3, 6)},
                                   {}, calm_history({1, 2, 3}));
  ASSERT_EQ(out.cases.size(), 3u);
  EXPECT_EQ(out.cases[0].change, Change::slower);
  EXPECT_NEAR(out.cases[0].test->ratio, 1.06, 0.005);
  EXPECT_EQ(out.cases[1].change, Change::faster);
  EXPECT_EQ(out.cases[2].change, Change::same);
  EXPECT_EQ(exit_code_of(out), ExitCode::verdict_failed);
  EXPECT_THAT(to_console(out), HasSubstr("1 slower, 1 faster, 1 same"));
  const auto json = nlohmann::json::parse(to_comparison_json(out));
  EXPECT_EQ(json["cases"][0]["change"], "slower");
  EXPECT_TRUE(json["cases"][0]["clock_ratio"].is_null());
  EXPECT_EQ(json["counts"]["slower"], 1);
}

// Without a history the prior alone says how runs differ.
TEST(Compare, OneRunASideIsNotEnoughForFourPercent) {
  const auto out = compare_records({noisy_record(1, 1e-3, 1)}, {noisy_record(1, 1.04e-3, 4)});
  EXPECT_EQ(out.cases[0].change, Change::inconclusive);
  EXPECT_THAT(out.cases[0].reason, testing::MatchesRegex(".*; --ab with --rounds [0-9]+ would tell.*"));
  EXPECT_EQ(out.cases[0].scatter->source, ScatterSource::prior);
  EXPECT_THAT(to_console(out), HasSubstr("runs scatter by 0.7 % (prior: CPU, compute-bound; 4 degrees)"));
  const auto json = nlohmann::json::parse(to_comparison_json(out))["cases"][0]["run_scatter"];
  EXPECT_EQ(json["source"], "prior");
  EXPECT_EQ(json["degrees"], 4);
  EXPECT_EQ(json["deviation"], 0.007);
  EXPECT_TRUE(json["disturbed"].is_null());
}

TEST(Compare, TakesTheScatterOfAHistory) {
  const Record base = noisy_record(1, 1e-3, 1), next = noisy_record(1, 1.04e-3, 4);
  const auto out = compare_records({base}, {next}, {}, calm_history({1}));
  EXPECT_EQ(out.cases[0].change, Change::slower);
  EXPECT_THAT(to_console(out), HasSubstr("runs scatter by 0.095 % (5 runs of the history; 4 degrees)"));
  EXPECT_EQ(nlohmann::json::parse(to_comparison_json(out))["cases"][0]["run_scatter"]["source"], "history");
  const auto without = compare_records({base}, {next}, {}, calm_history({2}));
  EXPECT_EQ(without.cases[0].change, Change::inconclusive);
  EXPECT_THAT(without.cases[0].remarks, testing::Contains(HasSubstr("fewer than 3 runs of it")));
}

TEST(Compare, RefusesAHistoryThatShowsNothing) {
  const Record one = noisy_record(1, 1e-3, 1);
  auto history = calm_history({1});
  history[1].result.provenance["cpu"]["model"] = "Another CPU";
  EXPECT_THROW(compare_records({one}, {one}, {}, history), InputError);
  history.resize(1);
  EXPECT_THROW(compare_records({one}, {one}, {}, history), InputError) << "one run has no spread";
  ComparedRuns runs;
  runs.base = runs.next = {{"a", sample_result({one})}, {"b", sample_result({one})}};
  runs.history = calm_history({1});
  EXPECT_THROW(compare(runs, {}), InputError) << "several runs a side show it themselves";
}

TEST(Compare, SaysWhatDisturbedARun) {
  Record busy = noisy_record(1, 1e-3, 1);
  busy.telemetry[0].other_load = 0.9;
  const auto out = compare_records({noisy_record(1, 1e-3, 2)}, {busy});
  EXPECT_THAT(out.cases[0].remarks, testing::Contains("disturbed in NEW: other work took 0.9 cores"));
  EXPECT_GT(out.cases[0].scatter->runs.deviation, 0.3);
}

TEST(Compare, SaysWhyItCannotTell) {
  const auto out = compare_records({noisy_record(1, 1e-3, 1, 0.08)}, {noisy_record(1, 1.01e-3, 2, 0.08)});
  EXPECT_EQ(out.cases[0].change, Change::inconclusive);
  EXPECT_THAT(out.cases[0].reason, HasSubstr("crosses the margin of 2 %"));
  EXPECT_EQ(exit_code_of(out), ExitCode::ok) << "it was compared, and is not slower";
  Record few = noisy_record(1, 2e-3, 3);
  few.measurement.seconds.resize(4);
  EXPECT_THAT(compare_records({noisy_record(1, 1e-3, 1)}, {few}).cases[0].reason, HasSubstr("too few"));
}

// One case in forty that is 4 % slower by p = 0.01 alone is what chance brings.
TEST(Compare, CorrectsForManyCases) {
  const auto doubtful = [](double shift) {
    return std::pair(noisy_record(1000, 1e-3, 11, 0.05), noisy_record(1000, shift * 1e-3, 12, 0.05));
  };
  double shift = 1.0;
  const auto p = [&] {
    const auto [base, next] = doubtful(shift);
    return compare_records({base}, {next}).cases[0].test->p_changed;
  };
  while (p() > 0.02) shift += 0.001;
  const auto [base, next] = doubtful(shift);
  EXPECT_EQ(compare_records({base}, {next}).cases[0].change, Change::slower);
  std::vector<Record> bases = {base}, nexts = {next};
  for (int m = 1; m < 40; ++m) {
    bases.push_back(noisy_record(m, 1e-3, std::uint64_t(m)));
    nexts.push_back(noisy_record(m, 1e-3, std::uint64_t(100 + m)));
  }
  const auto out = compare_records(bases, nexts);
  EXPECT_EQ(out.cases[0].change, Change::inconclusive);
  EXPECT_THAT(out.cases[0].reason, HasSubstr("slower if it were the only case"));
  EXPECT_THAT(out.cases[0].reason, HasSubstr("not as one of 40"));
}

TEST(Compare, NeverCallsTheSameWhatIsNotRight) {
  const Record ok = noisy_record(64, 1e-3, 1);
  const auto wrong = compare_records({ok}, {wrong_record()});
  EXPECT_EQ(wrong.cases[0].change, Change::broken);
  EXPECT_THAT(wrong.cases[0].reason, HasSubstr("wrong in NEW"));
  EXPECT_EQ(exit_code_of(wrong), ExitCode::wrong_numbers);
  const auto both = compare_records({wrong_record()}, {wrong_record()});
  EXPECT_EQ(both.cases[0].change, Change::broken);
  const auto failed = compare_records({ok}, {reason_record(OutcomeKind::failed, "no memory")});
  EXPECT_EQ(failed.cases[0].change, Change::broken);
  EXPECT_EQ(exit_code_of(failed), ExitCode::verdict_failed);
  const auto mended = compare_records({reason_record(OutcomeKind::timed_out, "120 s")}, {ok});
  EXPECT_EQ(mended.cases[0].change, Change::broken);
  EXPECT_EQ(exit_code_of(mended), ExitCode::could_not_measure) << "NEW is not to blame, and nothing was compared";
  const auto skipped = compare_records({ok}, {reason_record(OutcomeKind::skipped, "no sm_90")});
  EXPECT_EQ(skipped.cases[0].change, Change::not_measured);
  EXPECT_EQ(exit_code_of(skipped), ExitCode::could_not_measure);
}

TEST(Compare, RefusesOtherConditions) {
  const auto reason = [](auto change) {
    Record base = noisy_record(64, 1e-3, 1), next = base;
    change(base, next);
    const auto out = compare_records({base}, {next});
    EXPECT_EQ(out.cases.size(), 1u);
    EXPECT_EQ(out.cases[0].change, Change::refused);
    EXPECT_FALSE(out.cases[0].test) << "nothing may be read from it";
    EXPECT_EQ(exit_code_of(out), ExitCode::could_not_measure);
    return out.cases[0].reason;
  };
  EXPECT_THAT(reason([](Record&, Record& next) { next.point.cache = Cache::hot; }), HasSubstr("cache cold and hot"));
  EXPECT_THAT(reason([](Record&, Record& next) { next.point.mode = Mode::sustained; }),
              HasSubstr("mode burst and sustained"));
  EXPECT_THAT(reason([](Record&, Record& next) { next.point.data = Fill::zeros; }), HasSubstr("data normal and zeros"));
  EXPECT_THAT(reason([](Record&, Record& next) { next.point.seed = 2; }), HasSubstr("seed"));
  EXPECT_THAT(reason([](Record& base, Record& next) {
                base.point.axes.push_back({"ranks", std::int64_t(2)});
                next.point.axes.push_back({"ranks", std::int64_t(4)});
              }),
              HasSubstr("ranks 2 and 4"));
  EXPECT_THAT(reason([](Record& base, Record& next) {
                base.measurement.placement.assign(base.measurement.seconds.size(), Placement::near);
                next.measurement.placement.assign(next.measurement.seconds.size(), Placement::far);
              }),
              HasSubstr("near and far"));
}

TEST(Compare, RefusesAnotherNumberOfThreadsOnACpu) {
  Result base = sample_result({noisy_record(64, 1e-3, 1)}), next = base;
  base.provenance["run"] = {{"threads", 2}, {"ranks", 1}};
  next.provenance["run"] = {{"threads", 4}, {"ranks", 1}};
  const auto out = compare({{{"base", base}}, {{"new", next}}, false}, {});
  EXPECT_EQ(out.cases[0].change, Change::refused);
  EXPECT_THAT(out.cases[0].reason, HasSubstr("2 and 4 threads"));
}

TEST(Compare, ListsWhatOneSideAloneHas) {
  const auto out = compare_records({noisy_record(1, 1e-3, 1), noisy_record(2, 1e-3, 2)},
                                   {noisy_record(2, 1e-3, 3), noisy_record(3, 1e-3, 4)});
  ASSERT_EQ(out.cases.size(), 3u);
  EXPECT_EQ(out.cases[0].change, Change::only_base);
  EXPECT_EQ(out.cases[2].change, Change::only_new);
  EXPECT_THAT(to_console(out), HasSubstr("1 inconclusive, 1 only in BASE, 1 only in NEW"));
}

TEST(Compare, PutsTheClockBesideTheTime) {
  Record base = noisy_record(64, 1e-3, 1), next = noisy_record(64, 1.10e-3, 2);
  Telemetry telemetry = base.telemetry[0];
  telemetry.readings.resize(3);
  for (auto& reading : telemetry.readings) reading.clock_mhz = 1980;
  base.telemetry = {telemetry};
  for (auto& reading : telemetry.readings) reading.clock_mhz = 1800;
  next.telemetry = {telemetry};
  const auto out = compare_records({base}, {next});
  EXPECT_EQ(out.cases[0].change, Change::slower) << "a user waits for seconds, not for cycles";
  EXPECT_NEAR(*out.cases[0].clock_ratio, 1800.0 / 1980, 1e-12);
  EXPECT_NEAR(*out.cases[0].cycles_ratio, 1.0, 0.005);
  EXPECT_THAT(to_console(out), HasSubstr("at the same clock"));
}

NamedResult run_of(double seconds, std::uint64_t seed, Placement placement = Placement::none) {
  Record record = noisy_record(64, seconds, seed);
  if (placement != Placement::none) record.measurement.placement.assign(record.measurement.seconds.size(), placement);
  return {"run", sample_result({record})};
}

TEST(Compare, TakesRunsAsUnits) {
  ComparedRuns runs;
  for (int i = 0; i < 4; ++i) {
    runs.base.push_back(run_of(1e-3 * (1 + 0.01 * i), std::uint64_t(i)));
    runs.next.push_back(run_of(1.1e-3 * (1 + 0.01 * i), std::uint64_t(10 + i)));
  }
  const auto independent = compare(runs, {});
  EXPECT_EQ(independent.unit, ComparedUnit::run);
  EXPECT_EQ(independent.cases[0].change, Change::slower);
  EXPECT_EQ(independent.cases[0].base_units, 4u);
  runs.paired = true;
  const auto paired = compare(runs, {});
  EXPECT_EQ(paired.unit, ComparedUnit::pair);
  EXPECT_LT(paired.cases[0].test->ratio_95.high - paired.cases[0].test->ratio_95.low,
            independent.cases[0].test->ratio_95.high - independent.cases[0].test->ratio_95.low)
      << "what slows both runs of a pair cancels";
  runs.paired = false;
  runs.next.resize(1);
  EXPECT_THROW(compare(runs, {}), InputError);
}

TEST(Compare, LeavesOutRunsOfAnotherPlacementWithTheirPairs) {
  ComparedRuns runs;
  runs.paired = true;
  for (int i = 0; i < 4; ++i) {
    runs.base.push_back(run_of(1e-3, std::uint64_t(i), Placement::near));
    runs.next.push_back(run_of(1e-3, std::uint64_t(10 + i), i == 2 ? Placement::far : Placement::near));
  }
  const auto out = compare(runs, {});
  EXPECT_EQ(out.cases[0].base_units, 3u);
  EXPECT_EQ(out.cases[0].new_units, 3u);
  EXPECT_THAT(out.cases[0].remarks, testing::Contains(HasSubstr("2 of 8 runs left out")));
}

TEST(Compare, NamesWhatTheMachinesDifferIn) {
  Result base = sample_result({noisy_record(64, 1e-3, 1)}), next = base;
  EXPECT_THAT(compare({{{"base", base}}, {{"new", next}}, false}, {}).differences, IsEmpty());
  next.provenance["cpu"]["model"] = "Another CPU";
  const auto out = compare({{{"base", base}}, {{"new", next}}, false}, {});
  ASSERT_EQ(out.differences.size(), 1u);
  EXPECT_THAT(to_console(out), HasSubstr("CPU differs: A CPU and Another CPU"));
}

}  // namespace
}  // namespace assay
