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
