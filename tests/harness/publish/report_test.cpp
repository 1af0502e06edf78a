// The report page's parts: what is escaped, what is kept, and that it comes back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>

#include "harness/core/sha256.h"
#include "harness/publish/report/report.h"
#include "harness/publish/table/table.h"
#include "tests/harness/record/sample_records.h"

namespace assay {
namespace {

using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::ordered_json;

std::string inflated(const std::string& bytes, std::size_t size) {
  std::string out(size + 1, '\0');
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = uInt(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = uInt(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

ReportedResult reported(std::vector<Record> records) {
  ReportedResult out{"folder/r.json", to_text(sample_result(std::move(records))), {}, {}};
  out.result = parse_result(out.text, out.file);
  out.sha256 = sha256_hex(out.text);
  return out;
}

Record long_record(std::size_t samples) {
  Record record = ok_record();
  record.measurement.seconds.clear();
  for (std::size_t i = 0; i < samples; ++i) {
    record.measurement.seconds.push_back(1e-3 + 1e-7 * double(i * 7919 % samples));
    record.measurement.placement.push_back(i % 3 ? Placement::near : Placement::far);
  }
  return record;
}

// RFC 4648, section 10.
TEST(Base64, IsTheStandardOne) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xff\xfe\xfd"), "//79");
}

TEST(Gzip, ComesBack) {
  for (const std::string& text : {std::string(), std::string("a"), std::string(100'000, 'x') + "y"})
    EXPECT_EQ(inflated(gzip(text), text.size()), text);
}

TEST(Packed, HoldsNothingThatEndsAScript) {
  const Json hostile = {{"</script>", "<!-- & \u2028\u2029 -->"}};
  const std::string text = packed(hostile);
  EXPECT_EQ(text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="), text.npos);
  EXPECT_EQ(text, base64(gzip(hostile.dump())));
}

TEST(ReportData, HasWhatSpecialSuitesFound) {
  Report report;
  report.results = {reported({ok_record(64)})};
  for (const char* key : {"stragglers", "train_steps", "overlaps", "selftests"})
    EXPECT_EQ(report_data(report)[key], Json::array()) << key;
  StragglerReport search;
  search.operations = 100;
  search.members = {{0, "a", "gpu0", 1e-3, {}, {}, {}, 0}, {1, "b", "gpu0", 2e-3, {}, {}, 1e-4, 99}};
  search.found = {{StragglerCause::compute, search.members[1], {}, 1.0, {"slow"}, "rank 1 (b, gpu0): slow"}};
  report.results[0].result.stragglers = search;
  Record& record = report.results[0].result.records[0];
  record.selftest = Selftest{{1, 1, 1}, {1, 1.03, 1}, 1e-7, 1e-9};
  const Json data = report_data(report);
  EXPECT_EQ(data["stragglers"][0]["found"][0]["verdict"], "rank 1 (b, gpu0): slow");
  EXPECT_EQ(data["stragglers"][0]["result"], 0);
  EXPECT_EQ(data["selftests"][0]["id"], record.point.id());
  EXPECT_EQ(data["selftests"][0]["compared"][0]["alarms"][0], false_alarms_in_turns(*record.selftest, 1));
}

TEST(Archive, KeepsAResultByteForByteWhereItFits) {
  const ReportedResult one = reported({ok_record(64), ok_record(128)});
  const Archives whole = archive({one}, 1'000'000);
  EXPECT_TRUE(whole.thinning.whole());
  EXPECT_EQ(whole.base64[0], base64(gzip(one.text)));
  EXPECT_EQ(inflated(gzip(one.text), one.text.size()), one.text);
}

TEST(Archive, ThinsOnlyAsMuchAsItMust) {
  const std::vector<ReportedResult> results = {reported({long_record(2000)})};
  const std::size_t all_rounded = base64(gzip(to_text(thinned(results[0], {1, true, true})))).size();
  const Archives few = archive(results, 0);
  const std::size_t limit = (all_rounded + few.bytes()) / 2;
  const Archives some = archive(results, limit);
  EXPECT_GT(some.thinning.every, 1);
  EXPECT_LE(some.bytes(), limit);
  EXPECT_LT(some.thinning.every, few.thinning.every);
}

TEST(Archive, RoundsAllSamplesBeforeItLeavesSomeOut) {
  Record record = ok_record();
  record.measurement.seconds.clear();
  for (int i = 1; i <= 500; ++i) record.measurement.seconds.push_back(1e-3 * (1 + std::sqrt(i)));  // 17 digits each
  record.measurement.rank_seconds = {record.measurement.seconds, record.measurement.seconds};
  Telemetry telemetry;
  telemetry.device = "gpu0", telemetry.source = "by hand";
  for (int i = 0; i < 15; ++i)
    telemetry.readings.push_back({0.1 * i, 1834.567, {}, 695.432, {}, 44.321, std::nullopt, {}});
  record.telemetry = {telemetry};
  const ReportedResult one = reported({record});
  const Archives some = archive({one}, base64(gzip(one.text)).size() * 3 / 4);
  EXPECT_TRUE(some.thinning.rounded);
  EXPECT_FALSE(some.thinning.without_ranks);
  EXPECT_EQ(some.thinning.every, 1);
  const Record read = parse_result(to_text(thinned(one, some.thinning)), "thinned").records[0];
  ASSERT_EQ(read.measurement.seconds.size(), 500u);
  for (int i = 0; i < 500; ++i) {
    EXPECT_NEAR(read.measurement.seconds[i] / record.measurement.seconds[i], 1, 5e-5);
    EXPECT_EQ(read.measurement.rank_seconds[0][i], read.measurement.seconds[i]);
  }
  EXPECT_EQ(read.measurement.seconds[1], 0.0024142);
  const Reading& reading = read.telemetry[0].readings[3];
  EXPECT_EQ(reading.seconds, 0.3);
  EXPECT_EQ(reading.clock_mhz, 1835);
  EXPECT_EQ(reading.power_watts, 695.4);
  EXPECT_EQ(reading.temperature_celsius, 44.32);
  EXPECT_FALSE(reading.memory_clock_mhz);
}

TEST(Thinned, IsAValidResultThatSaysWhatItLost) {
  const ReportedResult whole = reported({long_record(1000), ok_record(128), wrong_record(256)});
  const std::string text = to_text(thinned(whole, {10, true}));
  const Result read = parse_result(text, "thinned");
  EXPECT_EQ(read.seal, Seal::intact);
  EXPECT_EQ(read.provenance["thinned"]["sha256_of_whole"], whole.sha256);
  EXPECT_EQ(read.provenance["thinned"]["every"], 10);
  EXPECT_TRUE(read.provenance["thinned"]["digits"].is_null()) << "as long as they were";
  const Measurement &before = whole.result.records[0].measurement, &after = read.records[0].measurement;
  ASSERT_EQ(after.seconds.size(), 100u);
  ASSERT_EQ(after.placement.size(), 100u);
  for (std::size_t i = 0; i < after.seconds.size(); ++i) {
    EXPECT_EQ(after.seconds[i], before.seconds[10 * i]);
    EXPECT_EQ(after.placement[i], before.placement[10 * i]);
  }
  EXPECT_EQ(read.records[1].measurement.seconds.size(), kLeastSamplesKept) << "few samples are all kept";
}

TEST(Thinned, JoinsTheIntervalsOfASoak) {
  Record record = ok_record();
  Soak soak;
  soak.lasted_seconds = 100;
  record.measurement.seconds.clear();
  for (int i = 0; i < 100; ++i) {
    SoakInterval one;
    one.start_seconds = i;
    one.launches = 10 + i % 2;
    one.busy_seconds = 1;
    one.slowest_seconds = 0.1 + 0.001 * i;
    soak.intervals.push_back(one);
    record.measurement.seconds.push_back(one.seconds_per_launch());
  }
  record.soak = soak;
  const Result read = parse_result(to_text(thinned(reported({record}), {5, true})), "thinned");
  const Soak& joined = *read.records[0].soak;
  ASSERT_EQ(joined.intervals.size(), 20u);
  EXPECT_EQ(joined.intervals[1].start_seconds, 5);
  EXPECT_EQ(joined.intervals[0].launches, 10 + 11 + 10 + 11 + 10);
  EXPECT_NEAR(joined.intervals[0].busy_seconds, 5, 1e-9);
  EXPECT_NEAR(joined.intervals[0].slowest_seconds, 0.104, 1e-12);
  EXPECT_NEAR(read.records[0].measurement.seconds[0], 5.0 / 52, 1e-12);
}

TEST(ReportData, HasTheTablesRowsAndNoPathOfThisMachine) {
  Report report;
  report.results = {reported({ok_record(64), wrong_record(128)})};
  report.results_given = 1;
  const Json data = report_data(report);
  EXPECT_EQ(data["results"][0]["file"], "r.json");
  const Json& columns = data["cases"]["columns"];
  EXPECT_EQ(data["cases"]["count"], 2);
  const TableRow row = table_rows({report.results[0].result})[0];
  EXPECT_EQ(columns["seconds"][0], *row.seconds);
  EXPECT_EQ(columns["flops_per_second"][0], *row.flops_per_second);
  EXPECT_TRUE(columns["seconds"][1].is_null()) << "what is wrong has no time";
  EXPECT_THAT(to_report(report, 1'000'000).html, Not(HasSubstr("folder/")));
}

}  // namespace
}  // namespace assay
