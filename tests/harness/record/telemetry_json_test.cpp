#include "harness/record/telemetry_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "harness/core/error.h"
#include "harness/record/result.h"
#include "tests/harness/record/sample_records.h"

namespace assay {
namespace {

using testing::HasSubstr;
using Json = nlohmann::ordered_json;

Telemetry full() {
  Telemetry t;
  t.device = "gpu0";
  t.source = "nvml 580.00";
  t.period_seconds = 0.1;
  t.window_seconds = 0.25;
  Reading first, second;
  first.seconds = 0;
  first.clock_mhz = 1980;
  first.power_watts = 690.125;
  second.seconds = 0.25;
  second.memory_clock_mhz = 2619;
  second.power_average_watts = 650;
  second.temperature_celsius = 71;
  second.memory_temperature_celsius = 80;
  second.limits = {"power_cap", "thermal"};
  t.readings = {first, second};
  t.limits = {{"power_cap", 0.5, 0.125}, {"thermal", 0.5, std::nullopt}};
  t.energy_joules = 172.5;
  t.power_cap_watts = 700;
  t.ecc_corrected = 1;
  t.ecc_uncorrected = 2;
  t.remapped_rows = 3;
  t.pcie_replays = 4;
  t.nvlink_errors = 5;
  t.xids = {79, 94};
  t.pcie_generation = 4;
  t.pcie_width = 8;
  t.pcie_generation_max = 5;
  t.pcie_width_max = 16;
  t.others = {{12, "python", 0.5, std::nullopt}, {13, "train", std::nullopt, 1e9}};
  t.other_load = 1.5;
  t.steal_share = 0.25;
  t.throttled_seconds = 0.75;
  return t;
}

/// Of a machine that shows nothing.
Telemetry nothing() {
  Telemetry t;
  t.device = "cpu";
  t.source = "/proc, /sys";
  return t;
}

Result result_with(std::vector<Telemetry> telemetry) {
  Record record = ok_record();
  record.telemetry = std::move(telemetry);
  return sample_result({record});
}

TEST(TelemetryJson, ComesBackAsItWas) {
  const Result back = parse_result(to_text(result_with({full(), nothing()})), "r.json");
  ASSERT_EQ(back.records[0].telemetry.size(), 2u);
  EXPECT_EQ(to_json(back.records[0].telemetry), to_json(std::vector{full(), nothing()}));
  const Telemetry& t = back.records[0].telemetry[0];
  EXPECT_EQ(t.device, "gpu0");
  EXPECT_EQ(t.readings[0].clock_mhz, 1980.0);
  EXPECT_EQ(t.readings[1].clock_mhz, std::nullopt);
  EXPECT_EQ(t.readings[0].power_watts, 690.125);
  EXPECT_EQ(t.readings[1].memory_temperature_celsius, 80.0);
  EXPECT_EQ(t.readings[1].limits, (std::vector<std::string>{"power_cap", "thermal"}));
  EXPECT_EQ(t.limits[0].seconds, 0.125);
  EXPECT_EQ(t.limits[1].seconds, std::nullopt);
  EXPECT_EQ(t.xids, (std::vector<int>{79, 94}));
  EXPECT_EQ(t.others[0].cpu_seconds, 0.5);
  EXPECT_EQ(t.others[1].memory_bytes, 1e9);
  EXPECT_EQ(t.ecc_uncorrected, 2);
  EXPECT_EQ(t.pcie_width, 8);
  EXPECT_EQ(t.pcie_width_max, 16);
  EXPECT_EQ(t.other_load, 1.5);
  EXPECT_EQ(back.records[0].telemetry[1].other_load, std::nullopt);
}

TEST(TelemetryJson, OfAResultWithoutAnyIsNotThere) {
  const std::string text = to_text(result_with({}));
  EXPECT_EQ(text.find("\"telemetry\""), std::string::npos);
  EXPECT_TRUE(parse_result(text, "r.json").records[0].telemetry.empty());
}

/// What reading says after one change to the telemetry's JSON.
std::string complaint_after(const std::function<void(Json&)>& change) {
  Json json = Json::parse(to_text(result_with({full()})));
  change(json["records"][0]["telemetry"][0]);
  try {
    parse_result(json.dump(), "r.json");
  } catch (const InputError& error) {
    return error.what();
  }
  return "was read";
}

TEST(TelemetryJson, IsReadStrictly) {
  EXPECT_EQ(complaint_after([](Json&) {}), "was read");
  const auto place = HasSubstr("/records/0/telemetry");
  EXPECT_THAT(complaint_after([](Json& t) { t["colour"] = 1; }), place);
  EXPECT_THAT(complaint_after([](Json& t) { t.erase("device"); }), place);
  EXPECT_THAT(complaint_after([](Json& t) { t["readings"]["clock_mhz"] = {1}; }), HasSubstr("one for each"));
  EXPECT_THAT(complaint_after([](Json& t) { t["readings"]["seconds"] = {1, 0.5}; }), HasSubstr("none below"));
  EXPECT_THAT(complaint_after([](Json& t) { t["readings"]["limits"] = {{"x"}}; }), HasSubstr("one for each"));
  EXPECT_THAT(complaint_after([](Json& t) { t["limits"][0]["share"] = 1.5; }), place);
  EXPECT_THAT(complaint_after([](Json& t) { t["energy_joules"] = -1; }), place);
  EXPECT_THAT(complaint_after([](Json& t) { t["ecc_corrected"] = 0.5; }), place);
  EXPECT_THAT(complaint_after([](Json& t) { t["xids"] = {"79"}; }), place);
  EXPECT_THAT(complaint_after([](Json& t) { t["others"][0].erase("name"); }), place);
}

}  // namespace
}  // namespace assay
