#include "harness/record/provenance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#include "harness/backends/cores.h"

namespace assay {
namespace {

using testing::HasSubstr;
using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

TEST(Provenance, RecordsNoVariableThatIsNotOnTheList) {
  ::setenv("SECRET_TOKEN", "hunter2", 1);
  ::setenv("NCCL_API_TOKEN", "hunter2", 1);
  ::setenv("OMP_NUM_THREADS", "2", 1);
  const Json provenance = collect_provenance({"assay", "run"});
  EXPECT_EQ(provenance["environment"]["OMP_NUM_THREADS"], "2");
  EXPECT_EQ(provenance.dump().find("hunter2"), std::string::npos);
  EXPECT_EQ(provenance.dump().find("SECRET_TOKEN"), std::string::npos);
}

TEST(Provenance, TakesExactlyTheAllowedNames) {
  const char* environment[] = {
      "NCCL_ALGO=Ring", "CUDA_VISIBLE_DEVICES=", "PATH=/bin", "NCCL_HOSTID=x", "XOMP_PROC_BIND=1",
      "broken",         "HF_TOKEN=NCCL_ALGO=1",  nullptr};
  EXPECT_EQ(environment_provenance(environment), (Json{{"NCCL_ALGO", "Ring"}, {"CUDA_VISIBLE_DEVICES", ""}}));
}

TEST(Provenance, HasItsKeysOnThisMachine) {
  const Json provenance = collect_provenance({"assay", "run", "quick"});
  for (const char* key :
       {"build", "libraries", "cpu", "gpus", "system", "environment", "command", "started_utc", "findings"})
    EXPECT_TRUE(provenance.contains(key)) << key;
  EXPECT_TRUE(provenance["cpu"]["model"].is_string());
  EXPECT_GE(provenance["cpu"]["cores"].get<int>(), 1);
  EXPECT_GE(provenance["cpu"]["allowed_threads"].get<int>(), 1);
  EXPECT_FALSE(provenance["build"]["revision"].get<std::string>().empty());
  EXPECT_THAT(provenance["libraries"]["benchmark_build_type"], testing::AnyOf("debug", "release"));
  EXPECT_THAT(provenance["started_utc"].get<std::string>(), testing::MatchesRegex("....-..-..T..:..:..Z"));
  if (provenance["gpus"].empty()) {
    EXPECT_FALSE(provenance["gpu_reason"].get<std::string>().empty());
  }
}

class FakeRoot : public testing::Test {
 protected:
  void SetUp() override { root_ = fs::temp_directory_path() / ("provenance_test_" + std::to_string(::getpid())); }
  void TearDown() override { fs::remove_all(root_); }
  void put(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text << "\n";
  }
  fs::path root_;
};

TEST_F(FakeRoot, ReadsTheCpu) {
  put("proc/cpuinfo",
      "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t\t: fpu avx2 hypervisor\nmicrocode\t: 0x1\n");
  put("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave");
  put("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "3500000");
  put("sys/devices/system/cpu/intel_pstate/no_turbo", "1");
  put("proc/self/cgroup", "0::/jobs/7");
  put("sys/fs/cgroup/jobs/cpu.max", "150000 100000");
  put("sys/fs/cgroup/jobs/7/cpu.max", "max 100000");
  const Json cpu = cpu_provenance(root_);
  EXPECT_EQ(cpu["model"], "Some CPU @ 2 GHz");
  EXPECT_EQ(cpu["governor"], "powersave");
  EXPECT_EQ(cpu["max_mhz"], 3500.0);
  EXPECT_EQ(cpu["boost"], false);
  EXPECT_EQ(cpu["hypervisor"], true);
  EXPECT_EQ(cpu["cgroup_cores"], 1.5);
  EXPECT_EQ(cpu["features"], Json({"avx2"}));
  EXPECT_TRUE(cpu["smt"].is_null());
}

TEST_F(FakeRoot, ReadsALimitOfAnOldControlGroup) {
  put("proc/self/cgroup", "1:cpu:/docker/abc");
  put("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "50000");
  put("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us", "100000");
  EXPECT_EQ(cpu_provenance(root_)["cgroup_cores"], 0.5);
}

TEST_F(FakeRoot, ReadsALimitOfAGroupWithColonsInItsName) {
  put("proc/self/cgroup", "0::/system.slice/kubepods-pod1.slice:cri-containerd:2f");
  put("sys/fs/cgroup/system.slice/kubepods-pod1.slice:cri-containerd:2f/cpu.max", "400000 100000");
  EXPECT_EQ(cpu_provenance(root_)["cgroup_cores"], 4.0);
}

TEST_F(FakeRoot, AffinityIsTheProcesssNotThatOfAThreadThatComputes) {
  const Json before = cpu_provenance(root_)["affinity"];
  std::thread([&] {
    ASSERT_TRUE(settle_on(process_cores().front()));
    EXPECT_EQ(cpu_provenance(root_)["affinity"], before);
  }).join();
}

TEST_F(FakeRoot, ASizeThatIsNoneIsAbsent) {
  for (const char* text : {"-5 kB", "inf kB", "nan kB", "1e300 kB", "much"}) {
    put("proc/meminfo", std::string("MemTotal: ") + text);
    EXPECT_TRUE(system_provenance(root_)["memory_bytes"].is_null()) << text;
  }
  put("proc/meminfo", "MemTotal: 16 kB");
  EXPECT_EQ(system_provenance(root_)["memory_bytes"], 16384);
}

TEST_F(FakeRoot, ReadsTheSystem) {
  put("etc/os-release", "NAME=x\nPRETTY_NAME=\"Some Linux 12\"");
  put("proc/loadavg", "3.50 1.0 0.5 1/100 42");
  put("sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]");
  put("sys/bus/pci/devices/0000:17:00.0/vendor", "0x10de");
  put("sys/bus/pci/devices/0000:17:00.0/class", "0x030200");
  put("sys/bus/pci/devices/0000:18:00.0/vendor", "0x10de");
  put("sys/bus/pci/devices/0000:18:00.0/class", "0x068000");  // an NVSwitch
  put("run/.containerenv", "");
  const Json system = system_provenance(root_);
  EXPECT_EQ(system["os"], "Some Linux 12");
  EXPECT_EQ(system["load_average"], Json({3.5, 1.0, 0.5}));
  EXPECT_EQ(system["transparent_huge_pages"], "never");
  EXPECT_EQ(system["nvidia_gpus_on_bus"], 1);
  EXPECT_EQ(system["nvidia_driver_loaded"], false);
  EXPECT_EQ(system["container"], "podman");
}

TEST_F(FakeRoot, AnswersNothingWhereThereIsNothing) {
  const Json cpu = cpu_provenance(root_ / "nowhere"), system = system_provenance(root_ / "nowhere");
  EXPECT_TRUE(cpu["model"].is_null());
  EXPECT_TRUE(cpu["cgroup_cores"].is_null());
  EXPECT_TRUE(system["os"].is_null());
  EXPECT_EQ(system["nvidia_gpus_on_bus"], 0);
}

Json quiet_machine() {
  return {{"build", {{"type", "Release"}, {"capabilities", {{"cuda", true}}}}},
          {"cpu", {{"allowed_threads", 8}, {"threads", 8}, {"governor", "performance"}, {"hypervisor", false}}},
          {"gpus", Json::array()},
          {"system",
           {{"load_average", {0.1, 0.1, 0.1}},
            {"transparent_huge_pages", "madvise"},
            {"nvidia_gpus_on_bus", 0},
            {"nvidia_driver_loaded", false}}}};
}

/// The only finding after one change, as "severity: what".
std::string finding_after(const char* pointer, Json value) {
  Json provenance = quiet_machine();
  provenance[Json::json_pointer(pointer)] = std::move(value);
  const Json found = findings(provenance);
  if (found.size() != 1) return std::to_string(found.size()) + " findings";
  for (const char* key : {"meaning", "action"}) EXPECT_FALSE(found[0][key].get<std::string>().empty());
  return found[0]["severity"].get<std::string>() + ": " + found[0]["what"].get<std::string>();
}

TEST(Findings, AreNoneOnAQuietMachine) { EXPECT_EQ(findings(quiet_machine()), Json::array()); }

TEST(Findings, NameEachProblem) {
  EXPECT_EQ(finding_after("/build/type", "Debug"), "unfit: this build of assay is Debug");
  EXPECT_EQ(finding_after("/cpu/allowed_threads", 2), "warning: 2 of 8 hardware threads are ours");
  EXPECT_EQ(finding_after("/cpu/governor", "powersave"), "warning: the CPU frequency governor is 'powersave'");
  EXPECT_EQ(finding_after("/cpu/hypervisor", true), "info: this is a virtual machine");
  EXPECT_EQ(finding_after("/system/load_average", {4.0, 1, 1}), "warning: the load average is 4.0 on 8 threads");
  EXPECT_EQ(finding_after("/environment/OPENBLAS_CORETYPE", "Haswell"),
            "warning: OPENBLAS_CORETYPE is set: OpenBLAS runs the kernels of 'Haswell'");
  EXPECT_EQ(finding_after("/system/transparent_huge_pages", "never"), "info: transparent huge pages are off");
  EXPECT_EQ(finding_after("/system/nvidia_gpus_on_bus", 8),
            "unfit: 8 NVIDIA GPU(s) on the PCI bus, and CUDA shows none");
}

TEST(Findings, NameACappedGpuAndMissingOnes) {
  const Json gpu = {
      {"index", 0}, {"name", "NVIDIA Fake"}, {"power_limit_watts", 500.0}, {"power_default_watts", 700.0}};
  EXPECT_EQ(finding_after("/gpus", {gpu}), "unfit: GPU 0 may draw 500 W of its default 700 W");
  Json provenance = quiet_machine();
  provenance["gpus"].push_back({{"index", 0}});
  provenance["system"]["nvidia_gpus_on_bus"] = 8;
  EXPECT_EQ(findings(provenance)[0]["what"], "CUDA shows 1 of 8 NVIDIA GPUs on the PCI bus");
}

TEST(Findings, SurviveAForeignProvenance) {
  EXPECT_EQ(findings(Json::object()), Json::array());
  EXPECT_EQ(findings({{"cpu", 1}, {"gpus", "x"}, {"build", Json::array()}, {"system", nullptr}}), Json::array());
}

}  // namespace
}  // namespace assay
