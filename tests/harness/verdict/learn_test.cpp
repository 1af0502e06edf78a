// Expectations derived from nodes known to be good.
#include "harness/verdict/learn.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.h"
#include "tests/harness/verdict/node_by_hand.h"

namespace assay {
namespace {

using testing::HasSubstr;

NamedResult good(const std::string& file, double share = 1) {
  NamedResult in{file, h200_node(8)};
  for (auto& record : in.result.records)
    for (double& seconds : record.measurement.seconds) seconds /= share;
  return in;
}

std::string refusal(const std::vector<NamedResult>& results, const LearnOptions& options = {}) {
  try {
    learn(results, options);
  } catch (const InputError& error) {
    return error.what();
  }
  return "taken";
}

TEST(Learn, MedianAndRobustTolerance) {
  // One node of five is far off: the median and the tolerance stay those of the others.
  const Expectations learned =
      learn({good("a", 1), good("b", 1.01), good("c", 0.99), good("d", 1), good("e", 0.6)}, {});
  EXPECT_EQ(learned.learned_from, 5);
  ASSERT_EQ(learned.entries.size(), 3u);
  EXPECT_NEAR(learned.entries[0].value / kGemmRate, 1, 0.002);
  EXPECT_NEAR(learned.entries[0].tolerance, 4 * 1.4826 * 0.01, 0.02);
  EXPECT_THAT(learned.entries[0].pattern, HasSubstr("/gpu*/"));
  EXPECT_TRUE(learned.entries[0].per_gpu);
  EXPECT_FALSE(learned.entries[2].per_gpu);  // the collective
  EXPECT_EQ(*learned.entries[0].conditions.normal.clock_mhz, 1755);
  EXPECT_EQ(*learned.entries[0].conditions.normal.power_cap_watts, 700);
}

TEST(Learn, WhatWasLearnedJudges) {
  const Expectations learned = parse_expectations(to_text(learn({good("a"), good("b", 1.01)}, {})), "learned.json");
  const auto code = [&](double share) {
    return Verdict{judge(good("n", share).result, "n", &learned, soon_after())}.code();
  };
  EXPECT_EQ(code(1), ExitCode::ok);
  EXPECT_EQ(code(0.8), ExitCode::verdict_failed);
  EXPECT_EQ(to_text(learned), to_text(parse_expectations(to_text(learned), "again.json")));
}

TEST(Learn, OneResultGetsAWiderTolerance) {
  EXPECT_DOUBLE_EQ(learn({good("a")}, {}).entries[0].tolerance, 0.1);
  LearnOptions wider;
  wider.least_tolerance = 0.25;
  EXPECT_DOUBLE_EQ(learn({good("a")}, wider).entries[0].tolerance, 0.25);
}

TEST(Learn, OnlyFromWhatIsKnownToBeGood) {
  const auto spoiled = [](auto spoil) {
    NamedResult in = good("bad.json");
    spoil(in.result);
    return refusal({good("a"), in});
  };
  EXPECT_THAT(refusal({}), HasSubstr("at least one"));
  EXPECT_THAT(spoiled([](Result& r) { r.complete = false; }), HasSubstr("bad.json: the run is not complete"));
  EXPECT_THAT(spoiled([](Result& r) { r.seal = Seal::none; }), HasSubstr("not sealed"));
  EXPECT_THAT(spoiled([](Result& r) { r.seal = Seal::broken; }), HasSubstr("changed"));
  EXPECT_THAT(spoiled([](Result& r) {
                r.records[0] = [] {
                  Record wrong = wrong_record();
                  wrong.point = gpu_case("gemm", 0, 1).point;
                  return wrong;
                }();
              }),
              HasSubstr("gemm/cublaslt_tuned/gpu0"));
  EXPECT_THAT(spoiled([](Result& r) { r.records[0].measurement.stop = StopReason::timed_out; }), HasSubstr("cut off"));
  EXPECT_THAT(spoiled([](Result& r) { r.provenance["gpus"][0]["name"] = "NVIDIA H100 80GB HBM3"; }),
              HasSubstr("is of NVIDIA H100"));
  LearnOptions none;
  none.filters = {"nothing/*"};
  EXPECT_THAT(refusal({good("a")}, none), HasSubstr("no measured case"));
}

}  // namespace
}  // namespace assay
