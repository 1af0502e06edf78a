// A GPU that suffers by script: what the telemetry of a window has of it.
#include <gmock/gmock.h>
#include <unistd.h>

#include "harness/measure/kernel_log.h"
#include "harness/measure/processes.h"
#include "harness/measure/telemetry_sources.h"
#include "tests/harness/backends/fake_nvml.h"
#include "tests/harness/backends/temporary_folder.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// The window from 0 s to 10 s with a look each second, as the sampler takes them.
Telemetry watch(const std::string& script) {
  const FakeNvml fake(script);
  std::string reason;
  const auto nvml = Nvml::load(reason);
  EXPECT_TRUE(nvml) << reason;
  const auto source = gpu_telemetry(*nvml, "gpu3", "0000:17:00.0");
  source->begin();
  std::vector<Reading> readings;
  for (int second = 0; second <= 10; ++second) {
    fake.at(second);
    readings.push_back(source->look());
  }
  Telemetry out = source->end(10);
  out.readings = std::move(readings);
  out.limits = limit_times(out.readings, std::move(out.limits));
  return out;
}

const LimitTime* limit(const Telemetry& telemetry, const std::string& reason) {
  for (const LimitTime& one : telemetry.limits)
    if (one.reason == reason) return &one;
  return nullptr;
}

TEST(GpuTelemetry, OfAHealthyGpuHasNothingToTell) {
  const Telemetry t = watch("grow: gpu0.energy=690000\n");
  EXPECT_EQ(t.device, "gpu3");
  EXPECT_EQ(t.source, "nvml 580.00");
  EXPECT_EQ(t.readings.front().clock_mhz, 1980.0);
  EXPECT_EQ(t.readings.front().memory_clock_mhz, 2619.0);
  EXPECT_EQ(t.readings.front().power_watts, 690.0);
  EXPECT_EQ(t.readings.front().power_average_watts, 680.0);
  EXPECT_EQ(t.readings.front().temperature_celsius, 45.0);
  EXPECT_EQ(t.readings.front().memory_temperature_celsius, 50.0);
  EXPECT_NEAR(*t.energy_joules, 6900, 1e-6);
  EXPECT_EQ(t.power_cap_watts, 700.0);
  EXPECT_THAT(t.limits, IsEmpty());
  EXPECT_THAT(t.xids, IsEmpty());
  EXPECT_THAT(t.others, IsEmpty());
  EXPECT_EQ(t.ecc_corrected, 0);
  EXPECT_EQ(t.nvlink_errors, 0);
  EXPECT_EQ(t.pcie_width, 16);
}

TEST(GpuTelemetry, ShowsAPowerCapByBitAndByTime) {
  // Between two looks the bit may be off; the counter has the time.
  const Telemetry t = watch(
      "at 5 s: gpu0.power_limit=500000 gpu0.limits=power_cap gpu0.sm_clock=1500 gpu0.power_violation=4000000000\n");
  EXPECT_EQ(t.power_cap_watts, 500.0);
  ASSERT_NE(limit(t, "power_cap"), nullptr);
  EXPECT_NEAR(limit(t, "power_cap")->share, 6.0 / 11, 1e-9);
  EXPECT_EQ(limit(t, "power_cap")->seconds, 4.0);
  EXPECT_EQ(t.readings[4].clock_mhz, 1980.0);
  EXPECT_EQ(t.readings[5].clock_mhz, 1500.0);
  EXPECT_THAT(t.readings[5].limits, ElementsAre("power_cap"));
}

TEST(GpuTelemetry, ShowsHeatThatNoLookMet) {
  const Telemetry t = watch("at 3 s: gpu0.temperature=91\nat 4 s: gpu0.thermal_violation=100000000\n");
  ASSERT_NE(limit(t, "thermal"), nullptr);
  EXPECT_EQ(limit(t, "thermal")->share, 0);
  EXPECT_NEAR(*limit(t, "thermal")->seconds, 0.1, 1e-12);
  EXPECT_EQ(t.readings[3].temperature_celsius, 91.0);
}

TEST(GpuTelemetry, CountsErrorsOfThisWindowAlone) {
  const Telemetry t = watch(
      "at 0 s: gpu0.ecc_corrected=100 gpu0.ecc_uncorrected=7 gpu0.remapped_rows=2 gpu0.pcie_replays=5 "
      "gpu0.nvlink_errors=11\n"
      "at 6 s: gpu0.ecc_corrected=103 gpu0.ecc_uncorrected=8 gpu0.remapped_rows=3 gpu0.pcie_replays=9 "
      "gpu0.nvlink_errors=13\n");
  EXPECT_EQ(t.ecc_corrected, 3);
  EXPECT_EQ(t.ecc_uncorrected, 1);
  EXPECT_EQ(t.remapped_rows, 1);
  EXPECT_EQ(t.pcie_replays, 4);
  EXPECT_EQ(t.nvlink_errors, 2);
}

TEST(GpuTelemetry, DoesNotTakeAResetCounterForGrowth) {
  EXPECT_EQ(watch("at 0 s: gpu0.ecc_corrected=100\nat 6 s: gpu0.ecc_corrected=1\n").ecc_corrected, std::nullopt);
  EXPECT_EQ(watch("lack nvmlDeviceGetTotalEccErrors\n").ecc_corrected, std::nullopt);
}

TEST(GpuTelemetry, ShowsHalfTheLanes) {
  const Telemetry t = watch("at 2 s: gpu0.pcie_width=8 gpu0.pcie_generation=4\nat 3 s: gpu0.pcie_width=16\n");
  EXPECT_EQ(t.pcie_width, 8);
  EXPECT_EQ(t.pcie_width_max, 16);
  EXPECT_EQ(t.pcie_generation, 4);
  EXPECT_EQ(t.pcie_generation_max, 5);
}

TEST(GpuTelemetry, ShowsSlowMemoryAtFullClock) {
  const Telemetry t = watch("at 1 s: gpu0.memory_clock=1593\n");
  EXPECT_EQ(t.readings.back().memory_clock_mhz, 1593.0);
  EXPECT_EQ(t.readings.back().clock_mhz, 1980.0);
}

TEST(GpuTelemetry, HasTheXidsOfItsWindow) {
  EXPECT_THAT(watch("at 0 s: gpu0.xid=31\nat 4 s: gpu0.xid=79\nat 5 s: gpu0.xid=94\nat 11 s: gpu0.xid=48\n").xids,
              ElementsAre(79, 94));
}

TEST(GpuTelemetry, NamesAnotherProcessOnTheGpuAndNotOurs) {
  const Telemetry t = watch("at 0 s: gpu0.process=1\n");  // init, or what a container began with
  ASSERT_EQ(t.others.size(), 1u);
  EXPECT_EQ(t.others[0].pid, 1);
  EXPECT_FALSE(t.others[0].name.empty());
  EXPECT_EQ(t.others[0].memory_bytes, double(1 << 30));
  EXPECT_THAT(watch("at 0 s: gpu0.process=" + std::to_string(::getpid()) + "\n").others, IsEmpty());
}

TEST(GpuTelemetry, IsNoneOfAGpuThatNvmlDoesNotKnow) {
  const FakeNvml fake("");
  std::string reason;
  const auto nvml = Nvml::load(reason);
  EXPECT_EQ(gpu_telemetry(*nvml, "gpu0", "0000:99:00.0"), nullptr);
  EXPECT_EQ(gpu_telemetry(*nvml, "gpu0", ""), nullptr);
}

TEST(KernelLog, TellsAGpusXids) {
  const std::string line = "4,1,2,-;NVRM: Xid (PCI:0000:17:00): 79, pid=12, GPU has fallen off the bus.";
  EXPECT_EQ(xid_in(line, "0000:17:00.0"), 79);
  EXPECT_EQ(xid_in(line, "0000:18:00.0"), 0);
  EXPECT_EQ(xid_in("usb 1-1: new device (PCI:0000:17:00): 79", "0000:17:00.0"), 0);
  EXPECT_EQ(xid_in(line, ""), 0);
}

TEST(KernelLog, BeginsAtItsEnd) {
  const TemporaryFolder folder;
  folder.write("kmsg", "old\n");
  KernelLog log((folder.path() / "kmsg").c_str());
  ASSERT_TRUE(log.readable());
  EXPECT_THAT(log.lines(), IsEmpty());
  std::ofstream(folder.path() / "kmsg", std::ios::app) << "new\nnewer\n";
  EXPECT_THAT(log.lines(), ElementsAre("new", "newer"));
  KernelLog absent((folder.path() / "nowhere").c_str());
  EXPECT_FALSE(absent.readable());
  EXPECT_THAT(absent.lines(), IsEmpty());
}

}  // namespace
}  // namespace assay
