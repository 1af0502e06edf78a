// A node whose GPUs suffer by the fake NVML's script: what its provenance finds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/record/provenance.h"
#include "tests/harness/backends/fake_nvml.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;
using Json = nlohmann::ordered_json;

/// A machine on which CUDA shows the first `shown` of the GPUs that the script makes.
Json node(const std::string& script, int shown) {
  const FakeNvml fake(script);
  Json out = {{"build", {{"type", "Release"}, {"capabilities", {{"cuda", true}}}}},
              {"libraries", {{"cuda_runtime", "13.0"}}},
              {"cpu", {{"affinity", "0-31"}}},
              {"gpus", Json::array()},
              {"gpu_reason", shown == 0 ? "the driver is too old" : ""},
              {"nvml", nvml_provenance()}};
  for (int i = 0; i < shown; ++i)
    out["gpus"].push_back(
        {{"index", i}, {"name", "NVIDIA Fake"}, {"pci_bus_id", out["nvml"]["devices"][i]["pci_bus_id"]}});
  return out;
}

std::vector<std::string> found_on(const Json& provenance, std::optional<int> expected = std::nullopt) {
  std::vector<std::string> out;
  for (const auto& one : findings(provenance, expected)) {
    EXPECT_FALSE(one["meaning"].get<std::string>().empty());
    EXPECT_FALSE(one["action"].get<std::string>().empty());
    EXPECT_EQ(one["concerns"], "gpu");
    out.push_back(one["severity"].get<std::string>() + ": " + one["what"].get<std::string>());
  }
  return out;
}

std::vector<std::string> found(const std::string& script) { return found_on(node("gpus 4\n" + script, 4)); }

TEST(GpuFindings, AreNoneOfAHealthyNode) {
  EXPECT_THAT(found(""), IsEmpty());
  EXPECT_THAT(found_on(node("gpus 4\n", 4), 4), IsEmpty());
  EXPECT_THAT(found_on(node("gpus 1\n", 1), 1), IsEmpty());
}

TEST(GpuFindings, CallUnfitWhatItsOwnerCanMend) {
  EXPECT_THAT(found("at 0 s: gpu0.power_limit=500000 gpu2.power_limit=500000 gpu3.power_limit=400000\n"),
              ElementsAre("unfit: GPU 0, 2 may draw 500 W of its default 700 W",
                          "unfit: GPU 3 may draw 400 W of its default 700 W"));
  EXPECT_THAT(found("at 0 s: gpu1.ecc_pending=0\n"), ElementsAre("unfit: GPU 1 waits for a reset to turn ECC off"));
  EXPECT_THAT(found("at 0 s: gpu1.remap_pending=1\n"),
              ElementsAre("unfit: GPU 1 has faulty memory rows that wait for a reset to be replaced"));
  EXPECT_THAT(found("at 0 s: gpu1.pages_pending=1\n"),
              ElementsAre("unfit: GPU 1 has faulty memory rows that wait for a reset to be replaced"));
  EXPECT_THAT(found("at 0 s: gpu1.remap_failed=1\n"), ElementsAre(HasSubstr("could not replace")));
  EXPECT_THAT(found("at 0 s: gpu1.mig=1\n"), ElementsAre("unfit: GPU 1 is in MIG mode"));
  EXPECT_THAT(found("at 0 s: gpu1.process=1\n"), ElementsAre(StartsWith("unfit: GPU 1 is used by others: ")));
}

TEST(GpuFindings, OnlyWarnOfTheRest) {
  EXPECT_THAT(found("at 0 s: gpu1.ecc_uncorrected=3\n"),
              ElementsAre("warning: GPU 1 has had 3 uncorrected ECC errors since its driver was loaded"));
  EXPECT_THAT(found("at 0 s: gpu1.pcie_width=8 gpu1.pcie_generation=1\n"),
              ElementsAre("warning: GPU 1 uses 8 of 16 PCIe lanes"));
  EXPECT_THAT(found("at 0 s: gpu1.nvlinks_active=17\n"), ElementsAre("warning: GPU 1 has 17 of 18 NVLinks up"));
  EXPECT_THAT(found("at 0 s: gpu1.nvlinks_active=0\n"), ElementsAre("warning: GPU 1 has 0 of 18 NVLinks up"));
  EXPECT_THAT(found("at 0 s: gpu1.limits=idle,hardware_thermal\n"),
              ElementsAre("warning: GPU 1 has its clock held down before any work: hardware_thermal"));
  EXPECT_THAT(found("at 0 s: gpu1.persistence=0\n"), ElementsAre("info: GPU 1 is not in persistence mode"));
  EXPECT_THAT(found("at 0 s: gpu1.ecc=0 gpu1.ecc_pending=0\n"), ElementsAre("info: GPU 1 runs without ECC"));
  EXPECT_THAT(found("at 0 s: gpu1.limits=idle gpu1.sm_clock=210 gpu1.pcie_generation=1\n"), IsEmpty());
}

TEST(GpuFindings, TakeUnconnectedLinksForNone) {
  EXPECT_THAT(found_on(node("gpus 2\nat 0 s: gpu0.nvlinks_active=0 gpu1.nvlinks_active=0\n", 2)), IsEmpty());
}

TEST(GpuFindings, CountTheGpusFirst) {
  EXPECT_THAT(found_on(node("gpus 7\nat 0 s: gpu0.mig=1\n", 7), 8),
              ElementsAre("unfit: 8 GPUs are expected: CUDA shows 7, NVML sees 7", "unfit: GPU 0 is in MIG mode"));
  EXPECT_THAT(found_on(node("gpus 8\n", 6), 8), ElementsAre("unfit: 8 GPUs are expected: CUDA shows 6, NVML sees 8"));
  EXPECT_THAT(found_on(node("gpus 8\n", 8), 4), ElementsAre("unfit: 4 GPUs are expected: CUDA shows 8, NVML sees 8"));
  EXPECT_THAT(found_on(node("gpus 8\n", 0), 8),
              ElementsAre("unfit: 8 GPUs are expected: CUDA shows 0, NVML sees 8 (the driver is too old)",
                          "unfit: 8 GPU(s) seen by NVML, and CUDA shows none"));
}

TEST(GpuFindings, LeaveHiddenGpusAlone) { EXPECT_THAT(found_on(node("gpus 2\nat 0 s: gpu1.mig=1\n", 1)), IsEmpty()); }

TEST(GpuFindings, LookAtNvmlsListWhereCudaShowsNone) {
  EXPECT_THAT(found_on(node("gpus 2\nat 0 s: gpu1.mig=1\n", 0)),
              ElementsAre("unfit: 2 GPU(s) seen by NVML, and CUDA shows none", "unfit: GPU 1 is in MIG mode"));
}

TEST(GpuFindings, CompareVersions) {
  Json provenance = node("gpus 1\n", 1);
  provenance["nvml"]["cuda_driver"] = "12.8";
  EXPECT_THAT(found_on(provenance), ElementsAre("unfit: the driver serves CUDA 12.8 and this build needs 13.0"));
  provenance["libraries"]["cuda_runtime"] = "12.9";  // within a major version they go together
  EXPECT_THAT(found_on(provenance), IsEmpty());
  provenance["libraries"]["nccl_header"] = 22809;
  provenance["libraries"]["nccl"] = 22807;
  EXPECT_THAT(found_on(provenance), IsEmpty());
  provenance["libraries"]["nccl"] = 22105;
  EXPECT_THAT(found_on(provenance), ElementsAre("warning: NCCL 22105 is loaded, and this build knows 22809"));
}

TEST(GpuFindings, SeeHowFarTheProcessIs) {
  Json provenance = node("gpus 1\n", 1);
  provenance["nvml"]["devices"][0]["near_cpus"] = "32-63,96-127";
  EXPECT_THAT(found_on(provenance),
              ElementsAre("warning: GPU 0 is near CPUs 32-63,96-127, of which this process may use none"));
  provenance["cpu"]["affinity"] = "0-3,100";
  EXPECT_THAT(found_on(provenance), IsEmpty());
}

TEST(GpuFindings, AreUnfitForWhatTheyConcern) {
  const Json found = findings(node("gpus 2\nat 0 s: gpu1.mig=1 gpu1.pcie_width=8\n", 2));
  EXPECT_THAT(unfit_for(found, "gpu"), StartsWith("GPU 1 is in MIG mode ("));
  EXPECT_EQ(unfit_for(found, "gpu").find("lanes"), std::string::npos);
  EXPECT_EQ(unfit_for(found, "cpu"), "");
}

}  // namespace
}  // namespace assay
