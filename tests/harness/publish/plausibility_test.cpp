// Whether a contributed result can be true: what an honest one may be, and what forgers would try.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>

#include "harness/core/file.h"
#include "harness/core/sha256.h"
#include "harness/publish/plausibility.h"
#include "harness/workloads/workload.h"
#include "tests/harness/record/sample_records.h"

namespace assay {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using Json = nlohmann::ordered_json;

constexpr const char* kNow = "2026-12-01T00:00:00Z";

/// A product of the catalog at `share` of the H200's peak in bf16, or of a CPU's 1 TFLOP/s.
Record product(std::int64_t m, Device device, double share = 0.5) {
  const double peak = device == Device::gpu ? 989.5e12 : 1e12;
  Record record = ok_record(m, device == Device::gpu ? "wgmma_sm90" : "cpu_blocked");
  for (auto& axis : record.point.axes)
    if (axis.name != "layout") axis.value = m;
  record.point.device = device;
  record.work = find_workload(catalog(), "gemm")->work(record.point, 1);
  const double seconds = record.work.flops / peak / share;
  for (std::size_t i = 0; i < record.measurement.seconds.size(); ++i)
    record.measurement.seconds[i] = seconds * (1 + 0.0005 * double((7 * i) % 19) + 1e-7 * double(m));
  record.measurement.batch = 1;
  record.measurement.in_turns = 1;
  record.measurement.wall_seconds = 30 * seconds;
  record.measurement.floor_seconds = 1e-9;
  return record;
}

Result good_result(std::vector<Record> records = {product(4096, Device::gpu)}) {
  Result result = sample_result(std::move(records));
  result.sampling.min_samples = 20;
  result.provenance["gpus"] = {{{"index", 0}, {"name", "NVIDIA H200"}, {"driver_version", "580"}}};
  result.provenance["build"] = {{"revision", "0123abc"}, {"type", "Release"}, {"compiler", "GNU"}, {"dirty", false}};
  result.provenance["system"]["kernel"] = "Linux";
  return result;
}

std::vector<std::string> problems_of(const Result& result) {
  const auto found = examine(to_text(result), "file", kNow);
  EXPECT_EQ(found.broken, "");
  return found.problems;
}

/// Of a result that something was changed in before it was sealed: a forger who seals again.
template <class Change>
std::vector<std::string> after(Change change, Result result = good_result()) {
  change(result);
  return problems_of(result);
}

void faster(Record& record, double times) {
  for (double& seconds : record.measurement.seconds) seconds /= times;
}

TEST(Plausibility, FindsNothingInAGoodResult) {
  const std::string text = to_text(good_result());
  const auto found = examine(text, "file", kNow);
  EXPECT_EQ(found.broken, "");
  EXPECT_THAT(found.problems, IsEmpty());
  EXPECT_EQ(found.digest, sha256_hex(text));
  EXPECT_EQ(found.cases, 1u);
}

/// What was measured is believed, however the rules of today were not yet those of then.
TEST(Plausibility, BelievesTheResultsThatAreHere) {
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(ASSAY_RESULTS)) {
    constexpr std::uintmax_t kLargest = 200'000;  // bytes: the others take a minute
    if (entry.path().extension() != ".json" || entry.file_size() > kLargest) continue;
    ++files;
    EXPECT_THAT(examine(read_file(entry.path()), entry.path().filename(), "2100-01-01T00:00:00Z", true).problems,
                IsEmpty());
  }
  EXPECT_GT(files, 5);
}

TEST(Plausibility, FindsWhatCannotBe) {
  EXPECT_THAT(after([](Result& r) { faster(r.records[0], 2.3); }), Contains(HasSubstr("at 114 % of the peak")));
  EXPECT_THAT(after([](Result& r) { faster(r.records[0], 2.1); }), IsEmpty()) << "a cool GPU may";
  EXPECT_THAT(after([](Result& r) { r.records[0].started_utc = "2026-13-01T00:00:00Z"; }),
              Contains(HasSubstr("is no date")));
  EXPECT_THAT(after([](Result& r) { r.records[0].started_utc = "yesterday"; }), Contains(HasSubstr("is no date")));
  EXPECT_THAT(after([](Result& r) { r.complete = false; }), Contains(HasSubstr("interrupted")));
  EXPECT_THAT(after([](Result& r) { r.records[0].measurement.wall_seconds /= 100; }),
              Contains(HasSubstr("of wall time")));
  EXPECT_THAT(after([](Result& r) { r.records[0].measurement.wall_seconds = 0; }), Contains(HasSubstr("took no time")));
  EXPECT_THAT(after([](Result& r) { r.records[0].measurement.floor_seconds = 1; }),
              Contains(HasSubstr("below the floor")));
}

TEST(Plausibility, AsksWhoMeasuredWhat) {
  EXPECT_THAT(after([](Result& r) { r.provenance["build"].erase("revision"); }),
              Contains(HasSubstr("/build/revision: is missing")));
  EXPECT_THAT(after([](Result& r) { r.provenance["build"]["revision"] = "hello"; }),
              Contains(HasSubstr("\"hello\" is no revision")));
  EXPECT_THAT(after([](Result& r) { r.provenance["build"]["dirty"] = true; }), Contains(HasSubstr("uncommitted")));
  EXPECT_THAT(after([](Result& r) { r.provenance["build"].erase("dirty"); }), Contains(HasSubstr("/build/dirty")));
  EXPECT_THAT(after([](Result& r) { r.provenance["cpu"]["model"] = nullptr; }), Contains(HasSubstr("/cpu/model")));
  EXPECT_THAT(after([](Result& r) { r.provenance["cpu"]["threads"] = 0; }), Contains(HasSubstr("/cpu/threads")));
  EXPECT_THAT(after([](Result& r) { r.provenance["gpus"] = Json::array(); }), Contains(HasSubstr("ran on gpu0")));
  EXPECT_THAT(after([](Result& r) { r.provenance["started_utc"] = "2027-01-01T00:00:00Z"; }),
              Contains(HasSubstr("and now")));
}

/// Its work is not even counted: the products of such numbers overflow, and a list of the rows of no group has no end.
TEST(Plausibility, FindsCasesThatNoSuiteCanAskFor) {
  const auto problems = [](const std::string& workload, std::vector<CaseAxis> axes) {
    return after([&](Result& r) {
      r.records[0].point.workload = workload;
      r.records[0].point.axes = std::move(axes);
    });
  };
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const auto number = [](std::int64_t value) { return AxisValue(value); };
  const auto word = [](const char* text) { return AxisValue(std::string(text)); };
  EXPECT_THAT(problems("gemm", {{"layout", word("tn")}, {"m", number(kMost)}, {"n", number(3)}, {"k", number(5)}}),
              Contains(HasSubstr("impossible: m=9223372036854775807")));
  for (const std::int64_t groups : {std::int64_t(0), kMost})
    EXPECT_THAT(problems("grouped_gemm", {{"pass", word("forward")},
                                          {"routing", word("balanced")},
                                          {"groups", number(groups)},
                                          {"rows", number(8)},
                                          {"n", number(8)},
                                          {"k", number(8)}}),
                Contains(HasSubstr("impossible: groups=")));
  constexpr std::int64_t kLarge = std::int64_t(1) << 40;  // each is within its bounds, and their product is not
  EXPECT_THAT(
      problems("gemm", {{"layout", word("tn")}, {"m", number(kLarge)}, {"n", number(kLarge)}, {"k", number(8)}}),
      Contains(HasSubstr("is impossible: ")));
}

TEST(Plausibility, CountsTheWorkItself) {
  EXPECT_THAT(after([](Result& r) { r.records[0].work.flops *= 1.1; }), Contains(HasSubstr("/records/0/work/flops")));
  EXPECT_THAT(after([](Result& r) { r.records[0].work.bytes *= 2; }), Contains(HasSubstr("/records/0/work/bytes")));
  EXPECT_THAT(after([](Result& r) { r.records[0].work.bus_factor = 1; }), Contains(HasSubstr("work/bus_factor")));
  EXPECT_THAT(after([](Result& r) { r.records[0].vendor = true; }, good_result({product(512, Device::cpu)})),
              Contains(HasSubstr("cpu_blocked is one of ours")));
}

TEST(Plausibility, ComparesSamplesWithHowTheyStoppedAndWithRanks) {
  EXPECT_THAT(after([](Result& r) { r.records[0].measurement.seconds.resize(5); }),
              Contains(HasSubstr("stopped by its interval after 5 samples")));
  EXPECT_THAT(after([](Result& r) { r.records[0].measurement.stop = StopReason::max_samples; }),
              Contains(HasSubstr("stopped by the number of samples after 20")));
  EXPECT_THAT(after([](Result& r) {
                r.records[0].measurement.seconds.resize(5);
                r.records[0].measurement.stop = StopReason::wall_budget;
                r.records[0].measurement.wall_seconds = 0.1 * r.sampling.wall_seconds;
              }),
              Contains(HasSubstr("stopped by its time after")));
  const auto ranks = [](double scale) {
    return after([&](Result& r) {
      Measurement& m = r.records[0].measurement;
      m.rank_seconds = {m.seconds, m.seconds};
      for (double& seconds : m.rank_seconds[0]) seconds *= 0.9;
      for (double& seconds : m.rank_seconds[1]) seconds *= scale;
    });
  };
  EXPECT_THAT(ranks(1), IsEmpty());
  EXPECT_THAT(ranks(1.1), Contains(HasSubstr("and its slowest rank")));
}

TEST(Plausibility, ComparesRecords) {
  const auto two = [](Device device) { return good_result({product(512, device), product(1024, device)}); };
  EXPECT_THAT(problems_of(two(Device::cpu)), IsEmpty());
  EXPECT_THAT(
      after([](Result& r) { r.records[1].measurement.seconds = r.records[0].measurement.seconds; }, two(Device::gpu)),
      Contains(HasSubstr("its samples are those of /records/0")));
  EXPECT_THAT(after([](Result& r) { r.records[1].started_utc = "2026-01-30T12:34:56Z"; }, two(Device::cpu)),
              Contains(HasSubstr("is before the run")));
  const auto long_first = [](Result& r) {
    r.records[0].measurement.wall_seconds = 100;
    r.records[1].started_utc = "2026-01-31T12:35:56Z";  // a minute later
  };
  EXPECT_THAT(after(long_first, two(Device::cpu)), Contains(HasSubstr("cases that took 100 s began within 60 s")));
  EXPECT_THAT(after(long_first, two(Device::gpu)), IsEmpty()) << "GPUs are measured at once";
}

TEST(Plausibility, ComparesStreamsOfOneMemory) {
  const auto stream = [](const char* unit, double rate) {
    Record record = product(512, Device::cpu);
    record.point.workload = "peak";
    record.point.kernel = "peak_cpu_stream";
    record.point.dtype = DType::f32;
    record.point.axes = {{"unit", std::string(unit)}, {"size", std::int64_t(4096)}};
    record.work = find_workload(catalog(), "peak")->work(record.point, 1);
    const double bytes = record.work.bytes;
    for (double& seconds : record.measurement.seconds)
      seconds *= bytes / rate / product(512, Device::cpu).measurement.seconds[0];
    record.measurement.wall_seconds = 1;
    return record;
  };
  EXPECT_THAT(problems_of(good_result({stream("copy", 50e9), stream("read", 90e9)})), IsEmpty());
  EXPECT_THAT(problems_of(good_result({stream("copy", 950e9), stream("read", 90e9)})),
              Contains(HasSubstr("streams of one memory")));
}

TEST(Plausibility, SaysWhatAPageLeftOut) {
  const auto problems = after([](Result& r) {
    r.provenance["thinned"] = {{"sha256_of_whole", "abc"}};
    r.records[0].measurement.seconds.resize(5);
  });
  EXPECT_THAT(problems, testing::ElementsAre(HasSubstr("the whole result's SHA-256 is abc")));
}

TEST(Plausibility, LeavesToOtherBuildsWhatOnlyTheyCount) {
  EXPECT_THAT(after([](Result& r) {
                r.records[0].point.workload = "peak";
                r.records[0].point.axes = {{"unit", std::string("of_tomorrow")}, {"size", std::int64_t(4096)}};
              }),
              IsEmpty());
}

TEST(Plausibility, FindsMorePowerThanTheCap) {
  const auto watts = [](double joules) {
    return after([&](Result& r) {
      Telemetry telemetry;
      telemetry.device = "gpu0";
      telemetry.window_seconds = 2;
      telemetry.energy_joules = joules;
      telemetry.power_cap_watts = 700;
      r.records[0].telemetry = {telemetry};
    });
  };
  EXPECT_THAT(watts(1400), IsEmpty());
  EXPECT_THAT(watts(4000), Contains(HasSubstr("gpu0 took 2000 W under a cap of 700 W")));
}

TEST(Plausibility, FindsAnEditedSummary) {
  const std::string text = to_text(good_result()), low_end = "\"median_95_seconds\":[";
  const auto low = text.find(low_end) + low_end.size();
  for (const std::string& key :
       {low_end + text.substr(low, text.find(',', low) + 1 - low), std::string("\"p5_seconds\":"),
        std::string("\"effective_samples\":"), std::string("\"samples\":"), std::string("\"flops_per_second\":")}) {
    std::string edited = text;
    edited.insert(edited.find(key, edited.find("\"summary\":")) + key.size(), 1, '1');  // a digit before the others
    const auto problems = examine(edited, "file", kNow).problems;
    EXPECT_THAT(problems, Contains(HasSubstr("the samples and the work make it"))) << key;
    EXPECT_THAT(problems, Contains(HasSubstr("/seal"))) << key;
  }
}

TEST(Plausibility, AsksForASeal) {
  std::string text = to_text(good_result());
  const auto at = text.find(",\n \"seal\"");
  text.replace(at, std::string::npos, "\n}\n");
  EXPECT_THAT(examine(text, "file", kNow).problems, Contains(HasSubstr("/seal: there is none")));
  EXPECT_THAT(examine(text, "file", kNow, true).problems, IsEmpty());
  std::string edited = to_text(good_result());
  edited[edited.find("A CPU")] = 'B';
  EXPECT_THAT(examine(edited, "file", kNow, true).problems, Contains(HasSubstr("/seal: does not match")));
}

TEST(Plausibility, SaysWhatIsNoResult) {
  EXPECT_THAT(examine("{", "file", kNow).broken, HasSubstr("file:1"));
  Result twice = good_result();
  twice.records.push_back(twice.records[0]);
  EXPECT_THAT(examine(to_text(twice), "file", kNow).broken, HasSubstr("each case once"));
}

}  // namespace
}  // namespace assay
