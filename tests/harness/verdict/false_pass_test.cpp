// Every way in which an acceptance tool is known to have passed a node that was not healthy, by its public report; what
// else is no measurement; and the causes that a fail is to name.
//
// Reports whose test is not a row of kReports below, nor of those in false_fail_test.cpp:
//
//   false pass                                                        test
//   the reference is the GPU's own first output (gpu-burn, DCGM)      SoakTest.DoesNotTakeAWrongFirstOutputForGolden
//   an output never written, or NaN, compares equal                   RunCase.CallsNaNAndAnOutputNeverWrittenWrong
//   a rate whose output nobody compared (nccl-tests -c 0)             RunCase.NeverPassesWhatWasNotCompared
//   errors counted and then dropped (SuperBench, #wrong)              PlantedKernel.HasItsExitCodeAndNoRateAnywhere
//   exit code 0 or PASS printed after a bad measurement (gpu-burn,    Check.test_slower_than_expected_is_a_fail,
//     SuperBench, imbue, AWS check 5)                                   PlantedKernel.HasItsExitCodeAndNoRateAnywhere
//   an invalid file is success (SuperBench#518)                       Check.test_a_part_of_a_file_never_passes
//   DCGM's H200 memory floor, a thousand times too low                Expectations.AFloorAThousandTimesTooLowIsRefused
//   DCGM's L40 and 64 GB H100 memory floors, ten times too low        Expectations.AFloorTenTimesTooLowIsRefused
//   remapped rows read from a field that is not there (azurehpc)      GpuFindings.CallUnfitWhatItsOwnerCanMend
//   throttle bits compared by equality, at idle (azurehpc)            GpuTelemetry.ShowsAPowerCapByBitAndByTime,
//                                                                       GpuTelemetry.ShowsHeatThatNoLookMet
//   numbers of nodes that leave some untested (Primus#707)            FleetFilesTest.LeavesNoNodeUnjudgedWhatever-
//                                                                       TheirNumber
//   a node that gave no result is forgotten                           FleetFilesTest.NamesWhatCannotBeRead
//   one bad baseline poisons all (SuperBench)                         Learn.OnlyFromWhatIsKnownToBeGood
//   an edited result                                                  Check.test_a_file_that_was_changed_never_passes,
//                                                                       FleetFilesTest.ANodeWhoseResultWas-
//                                                                       EditedIsNotJudged
//   stragglers of 3 to 8 % hide under a tenth (Megatron-LM#4662)      FleetTest.FindsStragglersOfFivePercentAndLeaves-
//                                                                       TheHealthyAlone
//
//   false fail                                                        test
//   floors that no healthy node reaches (AWS check 5, 800 GB/s)       Expectations.AFloorAboveThePeakIsRefused
//   arguments in the wrong order (azurehpc#149)                       Expectations.ContradictionsAreRefused
//   a check of values that healthy GPUs fail (nvbandwidth#19, #34)    AllowedError, OutputDigest (tests/harness/verify)
//   healthy nodes among many are accused                              FleetTest.AccusesNearlyNobodyInAHealthy-
//                                                                       FleetOfAnySize
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "tests/harness/verdict/node_by_hand.h"

namespace assay {
namespace {

using testing::HasSubstr;

TEST(Verdict, AHealthyNodePasses) {
  const Verdict verdict = verdict_on(h200_node(8));
  EXPECT_EQ(verdict.code(), ExitCode::ok) << all_text(verdict);
  EXPECT_EQ(verdict.count(Standing::pass), 8 * 3 + 1);  // GEMM, memory and spread of each GPU, the bus once
  EXPECT_EQ(verdict.line(), "PASS: 0 fail, 0 could not be measured, 25 pass, 0 not judged");
}

struct Spoiled {
  const char* report;  // where another tool passed it
  std::function<void(Result&)> spoil;
  ExitCode code;
  const char* words;
};

void becomes(Record& record, OutcomeKind kind, const std::string& reason) {
  record.outcome = {kind, reason};
  if (kind == OutcomeKind::wrong) {
    record.check = sample_check(7);
    return;
  }
  record.measurement = {};
  record.check.reset();
}

void at_rate(Record& record, double share) {
  for (double& seconds : record.measurement.seconds) seconds /= share;
}

constexpr ExitCode kFail = ExitCode::verdict_failed, kWrong = ExitCode::wrong_numbers,
                   kCould = ExitCode::could_not_measure;

const Spoiled kReports[] = {
    {"wilicc/gpu-burn#12: exit code 0 with all GPUs faulty",
     [](Result& r) {
       for (auto& record : r.records) becomes(record, OutcomeKind::wrong, "d[1, 2] is 3, expected 4");
     },
     kWrong, "wrong numbers"},
    {"wilicc/gpu-burn#14, #123: OK after an error at the start",
     [](Result& r) { becomes(on(r, "gemm", 3), OutcomeKind::failed, "cuInit: no device"); }, kCould,
     "cuInit: no device"},
    {"wilicc/gpu-burn#124: OK after no iteration", [](Result& r) { on(r, "gemm", 3).measurement.seconds.clear(); },
     kCould, "it holds no rate"},
    {"wilicc/gpu-burn#60: no driver",
     [](Result& r) {
       r.records.clear();
       r.provenance["gpus"] = nlohmann::ordered_json::array();
     },
     kCould, "expected NVIDIA H200"},
    {"wilicc/gpu-burn#69: died", [](Result& r) { becomes(on(r, "gemm", 3), OutcomeKind::timed_out, "120 s"); }, kCould,
     "timed_out: 120 s"},
    {"gpu-burn: NaN equals NaN",
     [](Result& r) {
       becomes(on(r, "gemm", 3), OutcomeKind::wrong, "d[0, 0] is nan");
       on(r, "gemm", 3).check->error_over_allowed = std::numeric_limits<double>::infinity();
       on(r, "gemm", 3).check->got = std::nan("");
     },
     kWrong, "d[0, 0] is nan"},
    {"NVIDIA/DCGM#122: passed at a third of the rate", [](Result& r) { at_rate(on(r, "gemm", 5), 0.35); }, kFail,
     "GPU 5"},
    {"NVIDIA/DCGM#284: an allocation error, and PASS",
     [](Result& r) { becomes(on(r, "peak", 2), OutcomeKind::failed, "out of memory"); }, kCould, "out of memory"},
    {"DCGM's nvbandwidth plugin does not look at the bandwidth", [](Result& r) { at_rate(on(r, "peak", 2), 0.5); },
     kFail, "suspect the memory"},
    {"NVIDIA/DCGM#55, #139: skipped, and no fail",
     [](Result& r) { becomes(on(r, "peak", 2), OutcomeKind::skipped, "not this SKU"); }, kCould,
     "skipped: not this SKU"},
    {"IBM/autopilot#68: healthy though one test failed", [](Result& r) { at_rate(on(r, "all_reduce", 0), 0.8); }, kFail,
     "all_reduce"},
    {"NVIDIA/cluster-readiness-engine#6: passed where the measurement is missing",
     [](Result& r) {
       std::erase_if(r.records, [](const Record& record) { return record.point.workload == "all_reduce"; });
     },
     kCould, "was not measured"},
    {"azurehpc-health-checks: throttling is logged, never a fail",
     [](Result& r) {
       at_rate(on(r, "gemm", 1), 0.85);
       on(r, "gemm", 1).telemetry = {telemetry_at("gpu1", 1490, 88)};
       on(r, "gemm", 1).telemetry[0].limits = {{"hardware_thermal", 0.7, {}}, {"power_cap", 0.9, {}}};
     },
     kFail, "thermal limit 70 % of the time, 88 C: check cooling"},
    {"AMD-AGI/Primus#707: nodes left out of the last group are never tested",
     [](Result& r) { std::erase_if(r.records, [](const Record& record) { return record.point.device_index == 7; }); },
     kCould, "GPU 7: was not measured"},
    {"NVIDIA/aicr#1858: seven of eight GPUs",
     [](Result& r) {
       std::erase_if(r.records, [](const Record& record) { return record.point.device_index == 7; });
       r.provenance["gpus"].erase(7);
     },
     kCould, "GPU 7: was not measured"},
    {"DCGM's targeted_stress: one good second passes",
     [](Result& r) {
       at_rate(on(r, "gemm", 4), 0.8);
       on(r, "gemm", 4).measurement.seconds[0] *= 0.8;
     },
     kFail, "GPU 4"},
    {"gpu-fryer: a whole node that is slow alike",
     [](Result& r) {
       for (auto& record : r.records) at_rate(record, 0.8);
     },
     kFail, "GPU 7"},
    {"Megatron-LM#4662: 8 % below its peers hides under a tenth", [](Result& r) { at_rate(on(r, "gemm", 6), 0.92); },
     kFail, "/gpu6/"},
    {"ml-engineering#115-#118: above the datasheet because the work was removed",
     [](Result& r) { at_rate(on(r, "gemm", 0), 3); }, kCould, "times too good"},
    {"thonking.ai: zeros are faster than data",
     [](Result& r) {
       for (auto& record : r.records) record.point.data = Fill::zeros;
     },
     kCould, "was not measured"},
};

TEST(FalsePass, IsNoneHere) {
  for (const auto& report : kReports) {
    Result node = h200_node(8);
    report.spoil(node);
    const Verdict verdict = verdict_on(node);
    EXPECT_EQ(int(verdict.code()), int(report.code)) << report.report << "\n" << all_text(verdict);
    EXPECT_THAT(all_text(verdict), HasSubstr(report.words)) << report.report;
  }
}

const Spoiled kNoMeasurement[] = {
    {"not complete", [](Result& r) { r.complete = false; }, kCould, "not complete"},
    {"not sealed", [](Result& r) { r.seal = Seal::none; }, kCould, "is not sealed"},
    {"changed", [](Result& r) { r.seal = Seal::broken; }, kCould, "was changed after it was written"},
    {"stale", [](Result& r) { on(r, "gemm", 3).started_utc = "2026-01-01T00:00:00Z"; }, kCould, "measured 31 days ago"},
    {"of the future", [](Result& r) { on(r, "gemm", 3).started_utc = "2027-01-01T00:00:00Z"; }, kCould,
     "in the future"},
    {"without a time", [](Result& r) { on(r, "gemm", 3).started_utc = "yesterday"; }, kCould, "when it was measured"},
    {"interrupted", [](Result& r) { on(r, "gemm", 3).measurement.stop = StopReason::interrupted; }, kCould, "cut off"},
    {"two samples", [](Result& r) { on(r, "gemm", 3).measurement.seconds.resize(2); }, kCould, "2 samples"},
    {"another GPU", [](Result& r) { r.provenance["gpus"][3]["name"] = "NVIDIA A100-SXM4-80GB"; }, kCould,
     "GPU 3 is an NVIDIA A100"},
    {"another node",
     [](Result& r) {
       for (auto& gpu : r.provenance["gpus"]) gpu["name"] = "NVIDIA H100 80GB HBM3";
     },
     kCould, "is of NVIDIA H100"},
    {"unfit",
     [](Result& r) {
       r.provenance["findings"].push_back({{"severity", "unfit"}, {"what", "this build of assay is Debug"}});
     },
     kCould, "this build of assay is Debug"},
    {"no record at all", [](Result& r) { r.records.clear(); }, kCould, "was not measured"},
    {"another process on the GPU",
     [](Result& r) {
       at_rate(on(r, "gemm", 3), 0.5);
       on(r, "gemm", 3).telemetry[0].others = {{4711, "python", {}, 1e9}};
     },
     kCould, "python (pid 4711)"},
    {"a case that crashed, of which nobody expected anything",
     [](Result& r) {
       r.records.push_back(gpu_case("attention", 0, 1e12));
       becomes(r.records.back(), OutcomeKind::failed, "illegal address");
     },
     kCould, "illegal address"},
    {"a case that was wrong, of which nobody expected anything",
     [](Result& r) {
       r.records.push_back(gpu_case("attention", 0, 1e12));
       becomes(r.records.back(), OutcomeKind::wrong, "o[0] is 7");
     },
     kWrong, "o[0] is 7"},
};

TEST(NoMeasurement, NeverPasses) {
  for (const auto& spoiled : kNoMeasurement) {
    Result node = h200_node(8);
    spoiled.spoil(node);
    const Verdict verdict = verdict_on(node);
    EXPECT_EQ(int(verdict.code()), int(spoiled.code)) << spoiled.report << "\n" << all_text(verdict);
    EXPECT_THAT(all_text(verdict), HasSubstr(spoiled.words)) << spoiled.report;
  }
}

/// What is wrong with a whole result leaves no single pass either, for those who read JUnit alone.
TEST(NoMeasurement, OfAWholeResultLeavesNoPass) {
  Result node = h200_node(8);
  node.seal = Seal::none;
  EXPECT_EQ(verdict_on(node).count(Standing::pass), 0);
  CheckOptions taken = soon_after();
  taken.unsealed = true;
  EXPECT_EQ(verdict_on(node, taken).code(), ExitCode::ok);
}

TEST(NoMeasurement, NothingExpectedIsNoPass) {
  const Verdict verdict{judge(h200_node(8), "r.json", nullptr, soon_after())};
  EXPECT_EQ(verdict.code(), ExitCode::could_not_measure);
  EXPECT_EQ(verdict.count(Standing::pass), 0);
  EXPECT_EQ(verdict.count(Standing::not_judged), 17);
  EXPECT_EQ(Verdict{}.code(), ExitCode::could_not_measure);
}

TEST(Verdict, AFailWinsOverWhatCouldNotBeMeasured) {
  Result node = h200_node(8);
  at_rate(on(node, "gemm", 2), 0.5);
  becomes(on(node, "peak", 2), OutcomeKind::failed, "out of memory");
  const Verdict verdict = verdict_on(node);
  EXPECT_EQ(verdict.code(), ExitCode::verdict_failed);
  EXPECT_EQ(verdict.judgements.front().standing, Standing::fail);
}

TEST(Verdict, TheNodeShouldHaveAsManyGpusAsIsSaid) {
  CheckOptions eight = soon_after();
  eight.gpus = 8;
  EXPECT_EQ(verdict_on(h200_node(4)).code(), ExitCode::ok) << all_text(verdict_on(h200_node(4)));
  EXPECT_EQ(verdict_on(h200_node(4), eight).code(), ExitCode::could_not_measure);
}

}  // namespace
}  // namespace assay
