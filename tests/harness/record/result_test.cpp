#include "harness/record/result.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "harness/core/error.h"
#include "tests/harness/record/sample_records.h"

namespace assay {
namespace {

using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::ordered_json;

std::string refusal(const std::string& text) {
  try {
    parse_result(text, "r.json");
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Result, RoundTripsEveryBit) {
  const Result before =
      sample_result({ok_record(), wrong_record(65), reason_record(OutcomeKind::failed, "a | \"b\"\n", 66),
                     reason_record(OutcomeKind::skipped, "no such device", 67)});
  const std::string text = to_text(before);
  const Result after = parse_result(text, "r.json");
  EXPECT_EQ(to_text(after), text);
  ASSERT_EQ(after.records.size(), 4u);
  EXPECT_EQ(after.records[0].measurement.seconds, before.records[0].measurement.seconds);
  EXPECT_EQ(after.records[0].check->expected, 0.1 + 0.2);
  EXPECT_EQ(after.records[0].check->allowed, 1e-300);
  EXPECT_EQ(after.records[0].point.seed, 0xffffffffffffffffu);
  EXPECT_EQ(after.records[2].outcome, before.records[2].outcome);
  EXPECT_EQ(after.sampling, before.sampling);
}

TEST(Result, KeepsPlacementOfEachSample) {
  Record record = ok_record();
  record.measurement.placement.assign(20, Placement::near);
  record.measurement.placement[3] = Placement::moved;
  const Result after = parse_result(to_text(sample_result({record})), "r.json");
  EXPECT_EQ(after.records[0].measurement.placement, record.measurement.placement);
}

TEST(Result, KeepsWhatRanksAndLibrariesSay) {
  Record record = ok_record();
  record.measurement.first_seconds = 0.125;
  record.measurement.rank_seconds = {std::vector<double>(10, 1e-3), std::vector<double>(10, 3e-3)};
  record.measurement.rank_stride = 2;
  record.details = {{"algorithm", std::string("RING"), {}},
                    {"protocol", {}, "its log says nothing"},
                    {"predicted_seconds", 0.1 + 0.2, {}}};
  const std::string text = to_text(sample_result({record}));
  const Json json = Json::parse(text)["records"][0];
  EXPECT_NEAR(json["summary"]["rank_mean_seconds"], 2e-3, 1e-12);
  EXPECT_NEAR(json["summary"]["rank_skew_seconds"], 2e-3, 1e-12);
  EXPECT_EQ(json["summary"]["slowest_rank"], 1);
  EXPECT_TRUE(json["details"]["protocol"]["value"].is_null());
  const Record after = parse_result(text, "r.json").records[0];
  EXPECT_EQ(to_text(sample_result({after})), text);
  EXPECT_EQ(after.measurement.first_seconds, 0.125);
  EXPECT_EQ(after.measurement.rank_seconds, record.measurement.rank_seconds);
  EXPECT_EQ(detail_word(after, "algorithm"), "RING");
  EXPECT_EQ(detail_number(after, "predicted_seconds"), 0.1 + 0.2);
  EXPECT_FALSE(detail_word(after, "protocol"));
  EXPECT_EQ(after.details[1].why, "its log says nothing");
  Record torn = record;
  torn.measurement.rank_seconds[1].pop_back();
  EXPECT_THAT(refusal(to_text(sample_result({torn}))), HasSubstr("rank_seconds"));
}

TEST(Result, KeepsALossCurve) {
  Record record = ok_record();
  record.losses = LossCurve{{1, 2, 9}, {5.5, 0.1 + 0.2, std::nan("")}, {5.5, 0.25}};
  const std::string text = to_text(sample_result({record}));
  const Record after = parse_result(text, "r.json").records[0];
  ASSERT_TRUE(after.losses);
  EXPECT_EQ(after.losses->steps, record.losses->steps);
  EXPECT_EQ(after.losses->losses[1], 0.1 + 0.2);
  EXPECT_TRUE(std::isnan(after.losses->losses[2]));
  EXPECT_EQ(after.losses->cpu_losses, record.losses->cpu_losses);
  EXPECT_EQ(to_text(sample_result({after})), text);
}

// A page joins intervals and adds up their launches.
TEST(Result, RefusesASoakOfMoreLaunchesThanThereCanBe) {
  Record record = ok_record();
  record.soak.emplace();
  for (const double seconds : record.measurement.seconds)
    record.soak->intervals.push_back({0, seconds, 1, seconds, Placement::none});
  EXPECT_EQ(parse_result(to_text(sample_result({record})), "r.json").records[0].soak->intervals[0].launches, 1);
  record.soak->intervals[0].launches = std::numeric_limits<std::int64_t>::max();
  EXPECT_THAT(refusal(to_text(sample_result({record}))), HasSubstr("intervals/launches"));
}

// Results of before there were such members hold none of them.
TEST(Result, OlderResultsLoad) {
  const std::string text = to_text(sample_result({ok_record()}));
  for (const char* added : {"first_seconds", "rank_seconds", "rank_stride", "details", "losses"})
    EXPECT_THAT(text, Not(HasSubstr(added)));
  EXPECT_TRUE(parse_result(text, "r.json").records[0].measurement.rank_seconds.empty());
  auto older = nlohmann::ordered_json::parse(text);
  EXPECT_EQ(older["sampling"].erase("telemetry_seconds"), 1u);
  EXPECT_EQ(parse_result(older.dump(), "r.json").sampling.telemetry_seconds, 0.1);
}

TEST(Result, WritesNullWhereANumberIsNotFinite) {
  Record record = wrong_record();
  record.check->got = std::nan("");
  record.check->error_over_allowed = std::numeric_limits<double>::infinity();
  const std::string text = to_text(sample_result({record}));
  const Json json = Json::parse(text);
  EXPECT_TRUE(json["records"][0]["check"]["got"].is_null());
  const Result after = parse_result(text, "r.json");
  EXPECT_TRUE(std::isnan(after.records[0].check->got));
  EXPECT_TRUE(std::isinf(after.records[0].check->error_over_allowed));
  EXPECT_EQ(after.records[0].outcome.kind, OutcomeKind::wrong);
}

TEST(Result, GivesARateOnlyToWhatIsRight) {
  EXPECT_TRUE(rates(ok_record()));
  EXPECT_NEAR(*rates(ok_record())->flops_per_second, 2e12, 1e9);
  EXPECT_FALSE(rates(wrong_record()));
  EXPECT_FALSE(rates(reason_record(OutcomeKind::timed_out, "slow")));
  Record unchecked = ok_record();
  unchecked.check.reset();
  EXPECT_FALSE(rates(unchecked));
  Record never = ok_record();
  never.measurement.seconds.clear();
  EXPECT_FALSE(rates(never));
  const Json json = Json::parse(to_text(sample_result({wrong_record()})));
  EXPECT_TRUE(json["records"][0]["summary"].is_null());
}

TEST(Result, SurvivesTextThatIsNotUtf8) {
  Result result = sample_result({ok_record()});
  result.provenance["command"].push_back("caf\xe9");
  EXPECT_NO_THROW(parse_result(to_text(result), "r.json"));
}

TEST(Result, RefusesEveryTruncation) {
  const std::string text = to_text(sample_result({ok_record(), wrong_record(65)}));
  for (std::size_t length = 0; length + 2 < text.size(); length += 7)
    EXPECT_THAT(refusal(text.substr(0, length)), HasSubstr("r.json")) << length;
}

struct Damage {
  const char* name;
  const char* patch;     // RFC 6902
  const char* expected;  // in the message
};

class ResultDamage : public testing::TestWithParam<Damage> {};

TEST_P(ResultDamage, IsRefusedWithItsPlace) {
  const Json good = Json::parse(to_text(sample_result({ok_record(), wrong_record(65)})));
  const std::string message = refusal(good.patch(Json::parse(GetParam().patch)).dump());
  EXPECT_THAT(message, HasSubstr("r.json"));
  EXPECT_THAT(message, HasSubstr(GetParam().expected));
}

constexpr Damage kDamages[] = {
    {"OtherSchema", R"([{"op":"replace","path":"/schema","value":"assay-result/9"}])", "schema"},
    {"UnknownKey", R"([{"op":"add","path":"/records/0/speed","value":1}])", "speed"},
    {"MissingKey", R"([{"op":"remove","path":"/records/0/outcome"}])", "outcome"},
    {"NoProvenance", R"([{"op":"remove","path":"/provenance/build"}])", "build"},
    {"UnknownOutcome", R"([{"op":"replace","path":"/records/0/outcome","value":"fine"}])", "outcome"},
    {"SampleOfZero", R"([{"op":"replace","path":"/records/0/measurement/seconds/3","value":0}])", "seconds"},
    {"NegativeSample", R"([{"op":"replace","path":"/records/0/measurement/seconds/3","value":-1}])", "seconds"},
    {"NullSample", R"([{"op":"replace","path":"/records/0/measurement/seconds/3","value":null}])", "seconds"},
    {"OkWithoutSamples", R"([{"op":"replace","path":"/records/0/measurement/seconds","value":[]}])",
     "without a sample"},
    {"OkWithoutMeasurement", R"([{"op":"replace","path":"/records/0/measurement","value":null}])", "without a sample"},
    {"OkWithoutCheck", R"([{"op":"replace","path":"/records/0/check","value":null}])", "without a check"},
    {"OkThatIsWrong", R"([{"op":"replace","path":"/records/0/check/wrong","value":1}])", "/records/0/check"},
    {"OkWithAReason", R"([{"op":"replace","path":"/records/0/reason","value":"but"}])", "reason"},
    {"WrongCalledOk",
     R"([{"op":"replace","path":"/records/1/outcome","value":"ok"},{"op":"replace","path":"/records/1/reason","value":""}])",
     "check failed"},
    {"WrongWithoutReason", R"([{"op":"replace","path":"/records/1/reason","value":""}])", "without a reason"},
    {"WrongWithARate", R"([{"op":"copy","from":"/records/0/summary","path":"/records/1/summary"}])", "no rate"},
    {"MoreWrongThanChecked", R"([{"op":"replace","path":"/records/1/check/wrong","value":1000}])", "wrong"},
    {"IntervalReversed", R"([{"op":"replace","path":"/records/0/summary/median_95_seconds","value":[2,1]}])",
     "median_95_seconds"},
    {"IntervalBesideTheMedian", R"([{"op":"replace","path":"/records/0/summary/median_95_seconds","value":[1,2]}])",
     "median_95_seconds"},
    {"PlacementOfSome", R"([{"op":"replace","path":"/records/0/measurement/placement","value":["near"]}])",
     "placement"},
    {"OtherId", R"([{"op":"replace","path":"/records/0/id","value":"gemm/x"}])", "/records/0/id"},
    {"Duplicate", R"([{"op":"copy","from":"/records/0","path":"/records/1"}])", "once"},
    {"TextForANumber", R"([{"op":"replace","path":"/records/0/work/flops","value":"many"}])", "flops"},
    {"NegativeWork", R"([{"op":"replace","path":"/records/0/work/flops","value":-1}])", "flops"},
    {"UnknownDtype", R"([{"op":"replace","path":"/records/0/case/dtype","value":"f8"}])", "dtype"},
    {"AxisOfFractions", R"([{"op":"replace","path":"/records/0/case/axes/m","value":1.5}])", "axes"},
    {"LineBreakInAName", R"([{"op":"replace","path":"/records/0/case/kernel","value":"a\nPASS: all"},
                            {"op":"replace","path":"/records/0/id","value":"gemm/a\nPASS: all"}])",
     "control character"},
    {"SamplingOfZero", R"([{"op":"replace","path":"/sampling/max_samples","value":0}])", "max_samples"},
    {"LossOfNoStep", R"([{"op":"add","path":"/records/0/losses","value":{"steps":[1,2],"losses":[5]}}])",
     "/records/0/losses/steps"},
    {"LossesBackwards", R"([{"op":"add","path":"/records/0/losses","value":{"steps":[2,2],"losses":[5,4]}}])",
     "/records/0/losses/steps"},
    {"LossAfterTheLastStepThereIs",
     R"([{"op":"add","path":"/records/0/losses","value":{"steps":[9223372036854775807,1],"losses":[5,4]}}])",
     "/records/0/losses/steps"},
    {"LossOfWords", R"([{"op":"add","path":"/records/1/losses","value":{"steps":[1],"losses":["low"]}}])",
     "/records/1/losses/losses"},
    {"GpuWithoutName", R"([{"op":"add","path":"/provenance/gpus/-","value":{"index":0}}])", "name"},
};

INSTANTIATE_TEST_SUITE_P(Damages, ResultDamage, testing::ValuesIn(kDamages),
                         [](const auto& damage) { return damage.param.name; });

TEST(Result, RefusesADuplicateKey) {
  const std::string text = to_text(sample_result({ok_record()}));
  EXPECT_THAT(refusal("{\"suite\": \"a\"," + text.substr(1)), HasSubstr("suite"));
}

TEST(GoogleBenchmark, HasOneRowPerSampleOfWhatIsRight) {
  const Json json = Json::parse(to_google_benchmark(sample_result({ok_record(), wrong_record(65)})));
  ASSERT_EQ(json["benchmarks"].size(), 20u);
  const Json& row = json["benchmarks"][19];
  EXPECT_EQ(row["name"], ok_record().point.id());
  EXPECT_EQ(row["repetition_index"], 19);
  EXPECT_EQ(row["time_unit"], "ns");
  EXPECT_NEAR(row["real_time"].get<double>(), 1e6, 1e4);
  EXPECT_THAT(json["context"]["assay_not_ok"].get<std::string>(), HasSubstr(wrong_record(65).point.id() + ": wrong"));
}

}  // namespace
}  // namespace assay
