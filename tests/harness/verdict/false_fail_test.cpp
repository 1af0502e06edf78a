// Every way in which an acceptance tool is known to have failed a healthy node, by its public report; and what noise
// and other work on the machine may do to a verdict.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/harness/verdict/node_by_hand.h"

namespace assay {
namespace {

using testing::HasSubstr;

struct Healthy {
  const char* report;
  std::function<void(Result&)> change;
};

const Healthy kReports[] = {
    {"azurehpc-health-checks#164: another program's new output lines; cases that nobody expects",
     [](Result& r) { r.records.push_back(gpu_case("attention", 0, 1e12)); }},
    {"NVIDIA/DCGM#242: thermal violations of 0.0 seconds",
     [](Result& r) {
       on(r, "gemm", 1).telemetry[0].limits = {{"thermal", 0, 0.0}};
     }},
    {"NVIDIA/DCGM#270: warm, and as fast as it should be",
     [](Result& r) {
       on(r, "gemm", 1).telemetry = {telemetry_at("gpu1", 1750, 84)};
       on(r, "gemm", 1).telemetry[0].limits = {{"thermal", 0.1, {}}};
     }},
    {"azurehpc-health-checks: at the power cap, as every large GEMM is",
     [](Result& r) {
       on(r, "gemm", 1).telemetry[0].limits = {{"power_cap", 1, {}}};
     }},
    {"NVIDIA/DCGM#55: a kernel that this GPU does not have",
     [](Result& r) {
       Record other = gpu_case("gemm", 1, 1);
       other.point.kernel = "tcgen05_sm100";
       other.measurement = {};
       other.check.reset();
       other.outcome = {OutcomeKind::skipped, "needs sm_100"};
       r.records.push_back(other);
     }},
    {"scitix/sichek#52: a bandwidth floor for a tiny message",
     [](Result& r) {
       Record small = gpu_case("all_reduce", 0, 1e6);
       small.point.dtype = DType::f32;  // its own case, of which nobody expects a bandwidth
       r.records.push_back(small);
     }},
    {"a slow kernel beside the fast one",
     [](Result& r) {
       Record slow = gpu_case("gemm", 1, 50e12);
       slow.point.kernel = "simt";
       r.records.push_back(slow);
     }},
};

TEST(FalseFail, IsNoneHere) {
  for (const auto& report : kReports) {
    Result node = h200_node(8);
    report.change(node);
    const Verdict verdict = verdict_on(node);
    EXPECT_EQ(verdict.code(), ExitCode::ok) << report.report << "\n" << all_text(verdict);
  }
}

/// azurehpc-health-checks#142, #149: floors of an eight-GPU node for nodes of fewer.
TEST(FalseFail, AnEightGpuFloorIsForEightGpus) {
  for (const int gpus : {1, 2, 4}) {
    Result node = h200_node(gpus);
    EXPECT_EQ(verdict_on(node).code(), ExitCode::ok) << gpus << "\n" << all_text(verdict_on(node));
  }
}

/// A median below the floor whose interval reaches it is no fail, and no pass.
TEST(FalseFail, NoiseIsToldFromSlowness) {
  Result node = h200_node(8);
  auto& seconds = on(node, "gemm", 3).measurement.seconds;
  for (std::size_t i = 0; i < seconds.size(); ++i) seconds[i] = 1e-3 * (i % 2 ? 1.0 : 1.5);
  const Verdict verdict = verdict_on(node);
  EXPECT_EQ(verdict.code(), ExitCode::could_not_measure) << all_text(verdict);
  EXPECT_THAT(all_text(verdict), HasSubstr("too noisy to tell"));
}

/// Slow, and not by the node's fault: never a fail, and the reason is named.
struct Excused {
  const char* report;
  std::function<void(Result&)> change;
  const char* words;
};

void at_half_rate(Record& record) {
  for (double& seconds : record.measurement.seconds) seconds *= 2;
}

const Excused kExcused[] = {
    {"azurehpc-health-checks#142, #143, #152: a stale NCCL_TOPO_FILE is forced on a healthy node",
     [](Result& r) {
       r.provenance["environment"]["NCCL_TOPO_FILE"] = "/opt/ndv4-topo.xml";
       on(r, "all_reduce", 0).point.kernel = "nccl";
       at_half_rate(on(r, "all_reduce", 0));
     },
     "NCCL_TOPO_FILE=/opt/ndv4-topo.xml"},
    {"NVIDIA/DCGM#272: fails right after another test, which still uses the GPU",
     [](Result& r) {
       at_half_rate(on(r, "gemm", 2));
       on(r, "gemm", 2).telemetry[0].others = {{4711, "gpu_burn", {}, 1e9}};
     },
     "gpu_burn (pid 4711)"},
    {"NVIDIA/DCGM#247: a test that hangs",
     [](Result& r) {
       Record& hangs = on(r, "peak", 2);
       hangs.outcome = {OutcomeKind::timed_out, "a launch took longer than 120 s"};
       hangs.measurement = {};
       hangs.check.reset();
     },
     "longer than 120 s"},
};

TEST(FalseFail, WhatIsNotTheNodesFaultIsNamed) {
  for (const auto& excused : kExcused) {
    Result node = h200_node(8);
    excused.change(node);
    const Verdict verdict = verdict_on(node);
    EXPECT_EQ(verdict.code(), ExitCode::could_not_measure) << excused.report << "\n" << all_text(verdict);
    EXPECT_THAT(all_text(verdict), HasSubstr(excused.words)) << excused.report;
  }
  Result forced = h200_node(8);  // and as fast as it should be all the same; nor does it excuse a GEMM
  forced.provenance["environment"]["NCCL_TOPO_FILE"] = "/opt/ndv4-topo.xml";
  EXPECT_EQ(verdict_on(forced).code(), ExitCode::ok);
  at_half_rate(on(forced, "gemm", 2));
  EXPECT_EQ(verdict_on(forced).code(), ExitCode::verdict_failed);
}

Expectations cpu_expectations() {
  return parse_expectations(
      R"({"schema": "assay-expectation/1", "name": "a CPU", "description": "for a test", "suite": "quick",
          "machine": {"cpu_model": "A CPU"}, "expectations": [
          {"name": "gemm", "kind": "floor", "case": "gemm/*/cpu/bf16/*", "of": "each", "per": "node", "unit": "FLOP/s",
           "value": 2e12, "tolerance": 0.1, "source": "by hand", "date": "2026",
           "conditions": {"data": "normal", "cache": "cold", "mode": "burst", "clock_mhz": 2600, "power_cap_watts": "not stated"}}]})",
      "cpu.json");
}

Verdict verdict_of_cpu(double slower, double other_load) {
  Result result = sample_result({cpu_record()});
  result.seal = Seal::intact;
  for (double& seconds : result.records[0].measurement.seconds) seconds *= slower;
  result.records[0].telemetry[0].other_load = other_load;
  result.records[0].telemetry[0].others = {{99, "stress-ng", other_load, {}}};
  const Expectations expectations = cpu_expectations();
  return {judge(result, "r.json", &expectations, soon_after())};
}

TEST(OtherWork, IsNamedWhereItSlowsACase) {
  const Verdict disturbed = verdict_of_cpu(1.8, 1.0);
  EXPECT_EQ(disturbed.code(), ExitCode::could_not_measure);
  EXPECT_THAT(all_text(disturbed), HasSubstr("other work took 1.0 cores: stress-ng (pid 99)"));
  EXPECT_EQ(verdict_of_cpu(1.0, 1.0).code(), ExitCode::ok);              // within expectation all the same
  EXPECT_EQ(verdict_of_cpu(1.8, 0.0).code(), ExitCode::verdict_failed);  // slow, and nobody else to blame
}

}  // namespace
}  // namespace assay
