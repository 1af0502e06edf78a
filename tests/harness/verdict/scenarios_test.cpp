// Faults of a node from their first sign to the verdict: a script makes NVML show them, the telemetry sees that over
// ten minutes, the samples are as slow as the fault makes them, and judging names the cause and what to do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "harness/measure/telemetry_sources.h"
#include "harness/verdict/digests.h"
#include "tests/harness/backends/fake_nvml.h"
#include "tests/harness/verdict/node_by_hand.h"
#include "tests/harness/verdict/soaked.h"

namespace assay {
namespace {

using testing::HasSubstr;

constexpr int kGpus = 8, kSeconds = 600;
constexpr double kClock = 1755;  // a healthy one's under load

/// What all GPUs show over ten minutes, by the script.
std::vector<Telemetry> watch(const std::string& script) {
  std::string all = "gpus 8\n";
  for (int gpu = 0; gpu < kGpus; ++gpu) all += "at 0 s: gpu" + std::to_string(gpu) + ".sm_clock=1755\n";
  const FakeNvml fake(all + script);
  std::string reason;
  const auto nvml = Nvml::load(reason);
  EXPECT_TRUE(nvml) << reason;
  std::vector<std::unique_ptr<TelemetrySource>> sources;
  std::vector<Readings> readings(kGpus);
  for (int gpu = 0; gpu < kGpus; ++gpu) {
    const char digits[] = "789abcde";  // 0000:17:00.0 and on
    sources.push_back(gpu_telemetry(*nvml, "gpu" + std::to_string(gpu),
                                    std::string("0000:1") + char(std::toupper(digits[gpu])) + ":00.0"));
    sources.back()->begin();
  }
  for (int second = 0; second <= kSeconds; ++second) {
    fake.at(second);
    for (int gpu = 0; gpu < kGpus; ++gpu) {
      if (!readings[std::size_t(gpu)].wants(std::size_t(second))) continue;
      Reading reading = sources[std::size_t(gpu)]->look();
      reading.seconds = second;
      readings[std::size_t(gpu)].add(std::move(reading));
    }
  }
  std::vector<Telemetry> out;
  for (int gpu = 0; gpu < kGpus; ++gpu) {
    Telemetry t = sources[std::size_t(gpu)]->end(kSeconds);
    t.window_seconds = kSeconds;
    t.readings = readings[std::size_t(gpu)].take();
    t.limits = limit_times(t.readings, std::move(t.limits));
    out.push_back(std::move(t));
  }
  return out;
}

/// Samples follow the clock, as a GEMM's do.
void follow_clock(Record& record) {
  const auto& readings = record.telemetry.front().readings;
  auto& seconds = record.measurement.seconds;
  for (std::size_t i = 0; i < seconds.size(); ++i)
    seconds[i] *= kClock / *readings[i * readings.size() / seconds.size()].clock_mhz;
}

void slow_down(Record& record, double factor) {
  for (double& seconds : record.measurement.seconds) seconds *= factor;
}

/// Every case of every GPU, and GEMM once more on all at once.
Result node_watched(const std::string& script) {
  const auto seen = watch(script);
  Result node = h200_node(kGpus);
  for (Record& record : node.records) {
    record.telemetry = {seen[std::size_t(record.point.device_index)]};
    if (record.point.workload == "all_reduce") record.telemetry = seen;
    if (record.point.workload == "gemm") follow_clock(record);
  }
  for (int gpu = 0; gpu < kGpus; ++gpu) {
    Record together = gpu_case("gemm", gpu, 0.98 * kGemmRate);
    together.point.together = kGpus;
    together.telemetry = {telemetry_at("gpu" + std::to_string(gpu), kClock, 60)};
    node.records.push_back(together);
  }
  return node;
}

/// GPU 3's, while all run.
Record& together_on_3(Result& node) { return node.records[node.records.size() - std::size_t(kGpus) + 3]; }

struct Scenario {
  const char* what;
  const char* script;
  std::function<void(Result&)> spoil;
  ExitCode exit;
  std::optional<std::pair<CauseCode, Action>> cause;  // of the worst judgement
  const char* words;
};

const std::vector<Scenario>& scenarios() {
  const auto slow = [](const char* workload, double factor) {
    return [=](Result& node) { slow_down(on(node, workload, 3), factor); };
  };
  const auto nothing = [](Result&) {};
  const auto slow_bus = [](Result& node) { slow_down(on(node, "all_reduce", 0), 1.7); };
  using Code = CauseCode;
  static const std::vector<Scenario> table = {
      {"healthy", "grow: gpu0.energy=690000\n", nothing, ExitCode::ok, {}, ""},
      {"power cap lowered",
       "at 0 s: gpu3.power_limit=450000 gpu3.limits=power_cap gpu3.sm_clock=1400\n",
       nothing,
       ExitCode::verdict_failed,
       {{Code::power_cap_lowered, Action::recheck}},
       "power cap 450 W instead of 700 W: nvidia-smi -pl 700"},
      {"thermal throttle from minute 3",
       "at 180 s: gpu3.limits=thermal gpu3.sm_clock=1400 gpu3.temperature=88\n",
       nothing,
       ExitCode::verdict_failed,
       {{Code::thermal, Action::drain}},
       "thermal limit 70 % of the time, from minute 3 on, 88 C: check cooling"},
      {"fell off CUDA, still on the bus",
       "",
       [](Result& node) {
         node.provenance["gpus"].erase(7);
         std::erase_if(node.records, [](const Record& r) { return r.point.device_index == 7; });
       },
       ExitCode::could_not_measure,
       {},
       "GPU 7: was not measured"},
      {"fell off the bus",
       "",
       [](Result& node) {
         node.provenance["gpus"].erase(7);
         node.provenance["system"]["nvidia_gpus_on_bus"] = 7;
         std::erase_if(node.records, [](const Record& r) { return r.point.device_index == 7; });
       },
       ExitCode::could_not_measure,
       {},
       "shows 7 GPUs"},
      {"corrected ECC errors grow, and slow it down",
       "grow: gpu3.ecc_corrected=2\n",
       slow("gemm", 1.2),
       ExitCode::verdict_failed,
       {{Code::ecc_corrected, Action::reset}},
       "GPU 3: 17.7 % slower, 1200 corrected"},
      {"corrected ECC errors grow",
       "grow: gpu3.ecc_corrected=2\n",
       nothing,
       ExitCode::ok,
       {},
       "memory errors were corrected meanwhile"},
      {"an uncorrected error at full speed",
       "at 100 s: gpu3.ecc_uncorrected=1\n",
       nothing,
       ExitCode::verdict_failed,
       {{Code::ecc_uncorrected, Action::drain}},
       "1 uncorrected memory errors"},
      {"Xid 79 at full speed",
       "at 100 s: gpu3.xid=79\n",
       nothing,
       ExitCode::verdict_failed,
       {{Code::xid, Action::drain}},
       "XID 79"},
      {"PCIe at half width",
       "at 0 s: gpu3.pcie_width=8\n",
       slow_bus,
       ExitCode::verdict_failed,
       {{Code::pcie, Action::drain}},
       "GPU 3: 40.9 % slower, PCIe x8 instead of x16: reseat"},
      {"another process",
       "at 50 s: gpu3.process=1\n",
       slow("gemm", 1.4),
       ExitCode::could_not_measure,
       {{Code::other_process, Action::recheck}},
       "(pid 1) on the device: stop it and measure again"},
      {"memory slow at full clock",
       "",
       slow("peak", 1.3),
       ExitCode::verdict_failed,
       {{Code::memory, Action::return_part}},
       "same clock, still slower, and bound by memory: suspect the memory"},
      {"memory clock low",
       "at 0 s: gpu3.memory_clock=1600\n",
       slow("peak", 1.6),
       ExitCode::verdict_failed,
       {{Code::memory_clock, Action::reset}},
       "memory clock 38.9 % lower"},
      {"slow only when all run",
       "",
       [](Result& node) { slow_down(together_on_3(node), 1.12); },
       ExitCode::verdict_failed,
       {{Code::only_together, Action::drain}},
       "GPU 3: 10.7 % slower only while all 8 run, alone it is as fast as expected"},
      {"hot only when all run",
       "",
       [](Result& node) {
         Record& record = together_on_3(node);
         slow_down(record, 1.12);
         record.telemetry = {telemetry_at("gpu3", 1560, 90)};
         record.telemetry[0].limits = {{"thermal", 0.8, {}}};
       },
       ExitCode::verdict_failed,
       {{Code::thermal, Action::drain}},
       "only while all 8 run, clock 11.1 % lower, thermal"},
  };
  return table;
}

TEST(Scenarios, EachHasItsCauseAndItsAction) {
  for (const Scenario& scenario : scenarios()) {
    SCOPED_TRACE(scenario.what);
    Result node = node_watched(scenario.script);
    scenario.spoil(node);
    const Verdict verdict = verdict_on(node);
    EXPECT_EQ(verdict.code(), scenario.exit) << all_text(verdict);
    EXPECT_NE(all_text(verdict).find(scenario.words), std::string::npos) << verdict.judgements.front().text;
    const auto& cause = verdict.judgements.front().cause;
    if (!scenario.cause) continue;
    if (!cause) {
      ADD_FAILURE() << "no cause: " << all_text(verdict);
      continue;
    }
    EXPECT_STREQ(name(cause->code), name(scenario.cause->first)) << cause->text;
    EXPECT_STREQ(name(cause->action), name(scenario.cause->second)) << cause->text;
  }
}

/// A median over twenty minutes does not see the last five.
TEST(Scenarios, ASoakIsHeldToItsEnd) {
  Result node = node_watched("at 500 s: gpu3.limits=thermal gpu3.sm_clock=1400 gpu3.temperature=88\n");
  EXPECT_EQ(verdict_on(node).code(), ExitCode::ok) << all_text(verdict_on(node));
  Record& record = on(node, "gemm", 3);
  record.soak = soaked("c0ffee").soak;
  for (std::size_t i = 0; i < record.measurement.seconds.size(); ++i)
    record.soak->intervals[i] = {30.0 * double(i), record.measurement.seconds[i], 1, record.measurement.seconds[i], {}};
  record.soak->throttle = Throttle{1e-3, 500, 100};
  const Verdict verdict = verdict_on(node);
  EXPECT_EQ(verdict.code(), ExitCode::verdict_failed) << all_text(verdict);
  EXPECT_THAT(verdict.judgements.front().text, HasSubstr("from 500 s into the soak on"));
  EXPECT_EQ(verdict.judgements.front().cause->code, CauseCode::thermal);
}

/// Without expectations: bits need none.
Verdict bits_of(const std::vector<Result>& results) {
  Verdict verdict;
  DigestComparison digests;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const std::string file = std::to_string(i) + ".json";
    const auto judgements = judge(results[i], file, nullptr, soon_after());
    verdict.judgements.insert(verdict.judgements.end(), judgements.begin(), judgements.end());
    digests.add(file, results[i]);
  }
  digests.judge(verdict.judgements);
  verdict.sort_worst_first();
  return verdict;
}

TEST(Scenarios, OfThreeNodesTheOneWithOtherBitsIsReturned) {
  const Verdict verdict = bits_of({soaked_node("a", {soaked("c0ffee")}), soaked_node("b", {soaked("bad")}),
                                   soaked_node("c", {soaked("c0ffee")}), soaked_node("d", {ok_record()})});
  EXPECT_EQ(verdict.code(), ExitCode::wrong_numbers);
  EXPECT_EQ(verdict.count(Standing::fail), 1) << all_text(verdict);
  const Judgement& worst = verdict.judgements.front();
  EXPECT_EQ(worst.result, "1.json");
  ASSERT_TRUE(worst.cause);
  EXPECT_EQ(worst.cause->code, CauseCode::other_bits);
  EXPECT_EQ(worst.cause->action, Action::return_part);
  EXPECT_THAT(worst.text,
              HasSubstr("b CPU: silent data corruption: its output's digest is bad, that of a CPU and 1 more"));
  EXPECT_THAT(all_text(verdict), HasSubstr("no soak's digest in 1 of the results, which are not judged by it: 3.json"));
}

TEST(Scenarios, OfTwoNodesWithOtherBitsEitherMayBeWrong) {
  const Verdict verdict = bits_of({soaked_node("a", {soaked("c0ffee")}), soaked_node("b", {soaked("bad")})});
  EXPECT_EQ(verdict.code(), ExitCode::wrong_numbers);
  EXPECT_EQ(verdict.count(Standing::fail), 2) << all_text(verdict);
  EXPECT_THAT(verdict.judgements.front().text, HasSubstr("one of the two is wrong"));
}

TEST(Scenarios, EqualBitsAccuseNobody) {
  Result other = soaked_node("b", {soaked("bad")});
  other.records[0].soak->computed_by = "cpu, 64 threads";
  EXPECT_EQ(bits_of({soaked_node("a", {soaked("c0ffee")}), other}).count(Standing::fail), 0);
  // The same file twice is one voice, and no majority.
  const Result a = soaked_node("a", {soaked("c0ffee")});
  EXPECT_EQ(bits_of({a, a, soaked_node("b", {soaked("bad")})}).count(Standing::fail), 3);
}

/// A neighbour on the cores says nothing of the CPU, unless it is fast enough all the same.
TEST(Scenarios, AHogOnTheCpu) {
  Record record = cpu_record();
  record.telemetry.front().other_load = 1.2;
  record.telemetry.front().others = {{99, "stress", 1.2, {}}};
  Result node = sample_result({record});
  node.seal = Seal::intact;
  const double rate = *rates(record)->flops_per_second;
  const auto expecting = [&](double floor) {
    Expectations out;
    out.machine.cpu_model = "A CPU";
    Expectation e;
    e.pattern = "gemm/*";
    e.value = floor;
    e.tolerance = 0.1;
    e.best = true;
    out.entries = {e};
    return Verdict{judge(node, "r.json", &out, soon_after())};
  };
  EXPECT_EQ(expecting(rate).code(), ExitCode::ok) << all_text(expecting(rate));
  const Verdict slow = expecting(1.5 * rate);
  EXPECT_EQ(slow.code(), ExitCode::could_not_measure);
  EXPECT_EQ(slow.count(Standing::fail), 0);
  EXPECT_THAT(all_text(slow), HasSubstr("other work took 1.2 cores: stress (pid 99): stop it"));
}

}  // namespace
}  // namespace assay
