// Rates from a result of ours: exact shapes where they were measured, else a model whose error is stated.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.h"
#include "harness/project/projection_text.h"
#include "harness/suite/json_schema.h"
#include "tests/harness/project/plans.h"
#include "tests/harness/record/sample_records.h"

namespace assay {
namespace {

using testing::HasSubstr;

/// A machine of 100 GFLOP/s with 10 us for a launch.
double time_of(std::int64_t m) { return 2.0 * double(m) * 128 * 256 / 100e9; }

NamedResult machine(std::vector<Record> extra = {}) {
  std::vector<Record> records;
  for (const std::int64_t m : {64, 128, 256, 512, 1024}) records.push_back(ok_record(m, "cpu_blocked", time_of(m)));
  for (auto& each : extra) records.push_back(each);
  return {"machine.json", sample_result(records)};
}

GemmCall call(double m) { return {{m, 128, 256}, Precision::bf16, GemmPass::forward, 1}; }

TEST(FromAResult, ModelIsFittedAndItsErrorStated) {
  const Hardware hw = hardware_of(std::vector{machine()});
  EXPECT_EQ(hw.gemms.size(), 5u);
  EXPECT_EQ(hw.fitted_on, 5u);
  EXPECT_LT(hw.kernel_model_error, 0.01);
  EXPECT_NEAR(gemm_seconds(call(2048), hw) / time_of(2048), 1, 0.01);  // never measured
}

TEST(FromAResult, MeasuredShapesCountAsMeasured) {
  const Hardware hw = hardware_of(std::vector{machine({ok_record(96, "cpu_blocked", 7.0)})});  // as no model would say
  Coverage coverage;
  EXPECT_NEAR(gemm_seconds(call(96), hw, &coverage), 7.0, 0.05);
  gemm_seconds(call(97), hw, &coverage);
  EXPECT_EQ(coverage.measured, 1);
  EXPECT_EQ(coverage.modelled, 1);
  EXPECT_GT(hw.kernel_model_error, 0.1);  // the odd shape is in the error
}

/// 4 experts of 512 rows each, features 128 out of 256.
NamedResult experts_of(const std::string& pass, double seconds) {
  Record record = ok_record(64, "cpu_grouped", seconds);
  record.point.workload = "grouped_gemm";
  record.point.axes = {{"pass", pass},
                       {"routing", std::string("balanced")},
                       {"groups", std::int64_t(4)},
                       {"rows", std::int64_t(2048)},
                       {"n", std::int64_t(128)},
                       {"k", std::int64_t(256)}};
  return {pass + ".json", sample_result({record})};
}

TEST(FromAResult, ExpertsCountAsTheyWereMeasuredTogether) {
  const Hardware hw =
      hardware_of(std::vector{machine(), experts_of("forward", 3), experts_of("dgrad", 5), experts_of("wgrad", 7)});
  EXPECT_EQ(hw.groups.size(), 3u);
  Coverage coverage;
  const auto seconds = [&](double m, double n, double k, GemmPass pass, double groups = 4) {
    return gemm_seconds({{m, n, k}, Precision::bf16, pass, 1, groups}, hw, &coverage);
  };
  EXPECT_NEAR(seconds(512, 128, 256, GemmPass::forward), 3, 0.01);
  EXPECT_NEAR(seconds(512, 256, 128, GemmPass::dgrad), 5, 0.01);
  EXPECT_NEAR(seconds(128, 256, 512, GemmPass::wgrad), 7, 0.01);
  EXPECT_EQ(coverage.measured, 3);
  EXPECT_LT(seconds(500, 128, 256, GemmPass::forward), 1);  // other rows: a model's
  EXPECT_EQ(coverage.modelled, 1);
}

TEST(FromAResult, TheFastestThatEndedWellCounts) {
  const Hardware hw =
      hardware_of(std::vector{machine({ok_record(64, "onednn", time_of(64) / 2), wrong_record(64, "other")})});
  EXPECT_NEAR(gemm_seconds(call(64), hw), time_of(64) / 2, 0.01 * time_of(64));
}

TEST(FromAResult, RefusesWhatTellsNothing) {
  const auto refusal = [](NamedResult result) {
    try {
      hardware_of(std::vector{result});
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(refusal({"bad.json", sample_result({wrong_record()})}),
              HasSubstr("bad.json: holds nothing that ended well"));
  NamedResult changed = machine();
  changed.result.seal = Seal::broken;
  EXPECT_THAT(refusal(changed), HasSubstr("was changed after it was written"));
}

TEST(Json, SatisfiesItsSchema) {
  ProjectionPage page;
  page.input.plan = plan_405b();
  page.input.hardware = h100();
  page.input.cluster = cluster_named("dgx-h100");
  page.input.tokens = 1e12;
  page.projection = project(page.input);
  page.sensitivity = sensitivity(page.input);
  page.search = search(page.input, 2);
  const auto json = parse_json(projection_json(page), "projection", "projection.schema.json");
  double parts = 0;
  for (const auto& part : json["step_parts"]) parts += part.get<double>();
  EXPECT_NEAR(parts, json["step_seconds"]["value"].get<double>(), 1e-9 * parts);
  EXPECT_LT(json["step_seconds"]["low"], json["step_seconds"]["value"]);
  EXPECT_GT(json["bill"]["dollars"]["high"], json["bill"]["dollars"]["value"]);
  EXPECT_THAT(projection_text(page), HasSubstr("llama3-405b on 512 x h100"));
}

}  // namespace
}  // namespace assay
