// Soaks, self-tests and devices together, as their users see them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "harness/backends/cores.h"
#include "harness/cli/duration.h"
#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/record/result.h"
#include "tests/harness/cli/program.h"

namespace assay {
namespace {

using testing::HasSubstr;
using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

TEST(Duration, IsAWholeNumberAndAUnit) {
  EXPECT_EQ(parse_duration("90s", "--for"), 90);
  EXPECT_EQ(parse_duration("30m", "--for"), 1800);
  EXPECT_EQ(parse_duration("720h", "--for"), 2592000);
  for (const char* text : {"", "30", "m", "0s", "-1s", "+1s", "1.5h", " 1h", "1h ", "1 h", "1hh", "1h30m", "721h", "1H",
                           "1d", "99999999999s", "0x1s"})
    EXPECT_THROW(parse_duration(text, "--for"), InputError) << text;
}

TEST(Period, IsOffOrAWholeNumberAndAUnit) {
  EXPECT_EQ(parse_period("off", "--telemetry"), 0);
  EXPECT_EQ(parse_period("100ms", "--telemetry"), 0.1);
  EXPECT_EQ(parse_period("60s", "--telemetry"), 60);
  for (const char* text :
       {"", "0", "0s", "9ms", "100", "-1s", "0.1s", "61s", "1m", "on", "ms", "100 ms", "99999999999s"})
    EXPECT_THROW(parse_period(text, "--telemetry"), InputError) << text;
}

class Endurance : public InEmptyFolder {
 protected:
  Ran run(const Json& kind, const std::vector<std::string>& more = {}) {
    Json text = {{"schema", "assay-suite/1"},
                 {"name", "brief"},
                 {"sampling", {{"min_samples", 3}, {"max_samples", 5}, {"wall_seconds", 0.05}, {"warmup_seconds", 0}}},
                 {"cases",
                  {{{"workload", "gemm"},
                    {"kernel", "cpu_blocked"},
                    {"device", "cpu"},
                    {"dtype", "f32"},
                    {"m", 64},
                    {"n", 64},
                    {"k", 64},
                    {"cache", "hot"}}}}};
    text.update(kind);
    std::ofstream("brief.json") << text.dump();
    std::vector<std::string> words = {"run", "brief.json", "--out", "r.json", "--quiet"};
    words.insert(words.end(), more.begin(), more.end());
    return run_program(words, catalog());
  }
};

TEST_F(Endurance, ASoakSaysWhatItSaw) {
  const Ran ran = run({{"soak", {{"seconds", 3000}}}}, {"--for", "1s"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("Soaked for 1 s of 1 s"));
  const Record record = load_result("r.json").records.at(0);
  ASSERT_TRUE(record.soak);
  EXPECT_THAT(ran.out, HasSubstr(record.soak->digest));
  EXPECT_THAT(read_file("r.json.md"), HasSubstr(record.soak->digest));
  EXPECT_EQ(record.soak->asked_seconds, 1);
}

TEST_F(Endurance, OnlyASoakHasALength) {
  const Ran ran = run(Json::object(), {"--for", "1s"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("is no soak"));
  const Ran bad = run({{"soak", Json::object()}}, {"--for", "1.5h"});
  EXPECT_EQ(bad.code, 2);
  EXPECT_THAT(bad.err, HasSubstr("--for 1.5h: expected a whole number"));
  EXPECT_FALSE(fs::exists("r.json"));
}

TEST_F(Endurance, ASuiteIsOfOneKind) {
  const Ran ran = run({{"soak", Json::object()}, {"together", true}});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("brief.json: expected at most one of"));
}

TEST_F(Endurance, NeitherIsResumed) {
  for (const Json& kind :
       {Json{{"soak", Json::object()}}, Json{{"selftest", Json::object()}}, Json{{"together", true}}}) {
    const Ran ran = run(kind, {"--resume"});
    EXPECT_EQ(ran.code, 2);
    EXPECT_THAT(ran.err, HasSubstr("--resume"));
    EXPECT_FALSE(fs::exists("r.json"));
  }
}

TEST_F(Endurance, ASelftestSaysWhatTheMachineResolves) {
  const Ran ran = run({{"selftest", {{"repetitions", 3}}}});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("Each case against itself, 3 times"));
  EXPECT_THAT(ran.out, HasSubstr("| in turns |"));
  EXPECT_THAT(ran.out, HasSubstr("| apart |"));
  EXPECT_TRUE(Json::parse(read_file("r.json"))["records"][0]["selftest"].contains("resolved_percent_in_turns"));
}

TEST_F(Endurance, TogetherSaysWhatEachCoreKeeps) {
  if (process_cores().size() < 2) GTEST_SKIP() << "one core has nobody to be together with";
  const Ran ran = run({{"together", true}}, {"--threads", "2"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("| core1 |"));
  EXPECT_THAT(ran.out, HasSubstr(" kept |"));
  EXPECT_EQ(load_result("r.json").records.size(), 4u);
}

TEST_F(Endurance, TelemetryIsAsOftenAsAskedAndTheResultSaysSo) {
  const Ran ran = run(Json::object(), {"--telemetry", "off"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(load_result("r.json").sampling.telemetry_seconds, 0);
  EXPECT_TRUE(load_result("r.json").records.at(0).telemetry.empty());
  fs::remove("r.json");
  EXPECT_EQ(run(Json::object(), {"--telemetry", "50ms"}).code, 0);
  EXPECT_EQ(load_result("r.json").sampling.telemetry_seconds, 0.05);
  EXPECT_EQ(load_result("r.json").records.at(0).telemetry.at(0).period_seconds, 0.05);
  fs::remove("r.json");
  const Ran bad = run(Json::object(), {"--telemetry", "never"});
  EXPECT_EQ(bad.code, 2);
  EXPECT_THAT(bad.err, HasSubstr("--telemetry never: expected off, or"));
}

/// A result file in which one thing of a soak contradicts another.
TEST_F(Endurance, ADamagedSoakIsRefused) {
  ASSERT_EQ(run({{"soak", {{"seconds", 0.01}}}}).code, 0);
  const Json good = Json::parse(read_file("r.json"));
  const auto refusal = [&](const std::function<void(Json&)>& damage) {
    Json bad = good;
    damage(bad["records"][0]["soak"]);
    try {
      parse_result(bad.dump(), "r.json");
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_EQ(refusal([](Json&) {}), "accepted");
  EXPECT_THAT(refusal([](Json& soak) { soak["corrupted"] = soak["digested"].get<std::int64_t>() + 1; }),
              HasSubstr("/records/0/soak/corrupted"));
  EXPECT_THAT(refusal([](Json& soak) { soak["intervals"]["launches"].push_back(1); }),
              HasSubstr("/soak/intervals/launches"));
  EXPECT_THAT(refusal([](Json& soak) { soak.erase("digest"); }), HasSubstr("digest"));
}

}  // namespace
}  // namespace assay
