// Which cases a search measures twice.
#include "harness/runner/search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.h"
#include "tests/harness/record/sample_records.h"

namespace assay {
namespace {

using testing::ElementsAre;

Suite searching_suite(int finalists) {
  Suite suite;
  suite.name = "mamf";
  suite.sampling.wall_seconds = 7;
  suite.search = SearchRule{"gemm", finalists, {}};
  suite.search->sampling.wall_seconds = 0.25;
  for (std::int64_t m = 1; m <= 6; ++m) suite.cases.push_back(sample_case(m));
  Case peak = sample_case();
  peak.workload = "peak";
  suite.cases.push_back(peak);
  return suite;
}

Record library(Record record) {
  record.vendor = true;
  return record;
}

std::vector<std::string> names(const std::vector<Case>& cases) {
  std::vector<std::string> out;
  for (const auto& point : cases)
    out.push_back(point.kernel + " " + name(point.dtype) + " " + std::to_string(point.number("m")));
  return out;
}

TEST(Search, TakesTheFastestOfEachOrigin) {
  const Suite suite = searching_suite(2);
  const Result first = sample_result({ok_record(1, "cpu_blocked", 4e-3), library(ok_record(1, "onednn", 1e-3)),
                                      ok_record(2, "cpu_blocked", 2e-3), library(ok_record(2, "onednn", 2e-3)),
                                      ok_record(3, "cpu_blocked", 3e-3), library(ok_record(3, "openblas", 1.5e-3))});
  EXPECT_THAT(names(finalists(*suite.search, first)),
              ElementsAre("cpu_blocked bf16 2", "cpu_blocked bf16 3", "onednn bf16 1", "openblas bf16 3"));
}

TEST(Search, KeepsDtypesAndDevicesApart) {
  const Suite suite = searching_suite(1);
  Record f32 = ok_record(1, "cpu_blocked", 9e-3), gpu = ok_record(1, "mma_sm80", 1e-6);
  f32.point.dtype = DType::f32;
  gpu.point.device = Device::gpu;
  const Result first = sample_result({ok_record(1, "cpu_blocked", 1e-3), f32, gpu});
  EXPECT_THAT(names(finalists(*suite.search, first)),
              ElementsAre("cpu_blocked bf16 1", "cpu_blocked f32 1", "mma_sm80 bf16 1"));
}

TEST(Search, AWrongOrFailedCaseIsNoFinalist) {
  const Suite suite = searching_suite(3);
  Record wrong = wrong_record(1);
  wrong.measurement.seconds.assign(20, 1e-9);  // fast, and wrong
  Record other = ok_record(4, "peak_fma", 1e-9);
  other.point.workload = "peak";
  const Result first = sample_result(
      {wrong, reason_record(OutcomeKind::failed, "no", 2), reason_record(OutcomeKind::skipped, "no", 3), other});
  EXPECT_TRUE(finalists(*suite.search, first).empty());
  EXPECT_THROW(second_round(suite, first), MeasureError);
}

TEST(Search, TheFirstRoundIsBriefAndTheSecondIsFull) {
  const Suite suite = searching_suite(1);
  const Suite first = first_round(suite);
  EXPECT_EQ(first.cases.size(), 6u);
  EXPECT_EQ(first.sampling.wall_seconds, 0.25);
  EXPECT_FALSE(first.search);
  const Suite second = second_round(suite, sample_result({ok_record(5, "cpu_blocked", 1e-3), ok_record(6)}));
  EXPECT_EQ(second.sampling.wall_seconds, 7);
  ASSERT_EQ(second.cases.size(), 2u);
  EXPECT_EQ(second.cases[0].workload, "peak");
  EXPECT_EQ(second.cases[1].id(), sample_case(5).id());
}

TEST(Search, IsTheSameChoiceEveryTime) {
  // A run that resumes must come to the plan its journal holds, equal rates included.
  const Suite suite = searching_suite(2);
  const Result first = sample_result({ok_record(1), ok_record(2), ok_record(3)});
  const auto chosen = names(finalists(*suite.search, first));
  EXPECT_EQ(chosen, names(finalists(*suite.search, parse_result(to_text(first), "again"))));
  EXPECT_THAT(chosen, ElementsAre("cpu_blocked bf16 1", "cpu_blocked bf16 2"));
}

TEST(Search, TheFirstRoundsFileLiesBeside) { EXPECT_EQ(first_round_path("out/mamf.json"), "out/mamf.first.json"); }

}  // namespace
}  // namespace assay
