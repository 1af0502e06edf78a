// A CPU of made-up files: what the telemetry of a window has of it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "harness/measure/processes.h"
#include "harness/measure/telemetry_sources.h"
#include "tests/harness/backends/temporary_folder.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class CpuTelemetryTest : public testing::Test {
 protected:
  void process(std::int64_t pid, std::int64_t parent, const std::string& name, double seconds, int started = 1) {
    const long ticks = long(seconds * double(::sysconf(_SC_CLK_TCK)));
    folder_.write(
        fmt::format("proc/{}/stat", pid),
        fmt::format("{} ({}) S {} 1 1 0 -1 0 0 0 0 0 {} 0 0 0 20 0 1 0 {} 0 0\n", pid, name, parent, ticks, started));
  }
  /// Of all cores together.
  void times(double busy, double idle, double steal) {
    const double tick = double(::sysconf(_SC_CLK_TCK));
    folder_.write("proc/stat", fmt::format("cpu  {} 0 0 {} 0 0 0 {} 0 0\n", long(busy * tick), long(idle * tick),
                                           long(steal * tick)));
  }
  void cpu(int core, const std::string& file, const std::string& text) {
    folder_.write(fmt::format("sys/devices/system/cpu/cpu{}/{}", core, file), text);
  }
  std::unique_ptr<TelemetrySource> source(std::vector<int> cores = {0, 1}) {
    return cpu_telemetry(std::move(cores), folder_.path());
  }

  TemporaryFolder folder_;
  const std::int64_t self_ = ::getpid();
};

TEST_F(CpuTelemetryTest, NamesTheBusiestOfTheOthers) {
  process(1, 0, "init", 5);
  process(self_, 1, "assay", 10);
  process(self_ + 1, self_, "a child", 0);
  process(self_ + 2, 1, "make (j8) x", 100);
  process(self_ + 3, 1, "idle one", 7);
  times(1000, 1000, 10);
  const auto cpu = source();
  cpu->begin();
  process(self_, 1, "assay", 18);
  process(self_ + 1, self_, "a child", 1);
  process(self_ + 2, 1, "make (j8) x", 103);
  process(self_ + 4, 1, "came later", 5, 99);
  times(1018, 1001, 11);  // 18 s of work in 10 s: 9 ours, 8 others', 1 of one that has ended
  const Telemetry t = cpu->end(10);
  EXPECT_EQ(t.device, "cpu");
  ASSERT_EQ(t.others.size(), 2u);
  EXPECT_EQ(t.others[0].name, "came later");
  EXPECT_EQ(t.others[0].cpu_seconds, 5.0);
  EXPECT_EQ(t.others[1].name, "make (j8) x");
  EXPECT_EQ(t.others[1].pid, self_ + 2);
  EXPECT_EQ(t.others[1].cpu_seconds, 3.0);
  EXPECT_NEAR(*t.other_load, 0.9, 1e-9);
  EXPECT_NEAR(*t.steal_share, 1.0 / 20, 1e-9);
}

TEST_F(CpuTelemetryTest, DoesNotBlameALaterProcessOfTheSameNumberForAnEarlierOne) {
  process(self_, 1, "assay", 0);
  process(77, 1, "earlier", 1000, 1);
  const auto cpu = source();
  cpu->begin();
  process(77, 1, "later", 2, 50);
  const Telemetry t = cpu->end(10);
  ASSERT_EQ(t.others.size(), 1u);
  EXPECT_EQ(t.others[0].cpu_seconds, 2.0);
  EXPECT_EQ(t.other_load, std::nullopt);  // there is no /proc/stat
}

TEST_F(CpuTelemetryTest, ReadsTheClockOfItsOwnCores) {
  cpu(0, "cpufreq/scaling_cur_freq", "2000000");
  cpu(1, "cpufreq/scaling_cur_freq", "3000000");
  cpu(2, "cpufreq/scaling_cur_freq", "9000000");
  EXPECT_EQ(source()->look().clock_mhz, 2500.0);
}

TEST_F(CpuTelemetryTest, ReadsTheClockFromCpuinfoNowAndThen) {
  folder_.write("proc/cpuinfo",
                "processor\t: 0\ncpu MHz\t\t: 2100.5\n\nprocessor\t: 1\ncpu MHz\t\t: 2300.5\n\nprocessor\t: 2\ncpu "
                "MHz\t\t: 9000\n");
  const auto cpu = source();
  EXPECT_EQ(cpu->look().clock_mhz, 2200.5);
  EXPECT_EQ(cpu->look().clock_mhz, std::nullopt);
}

TEST_F(CpuTelemetryTest, ShowsHeatAndQuotaWhenTheyStrike) {
  cpu(0, "thermal_throttle/package_throttle_count", "40");
  cpu(0, "thermal_throttle/package_throttle_total_time_ms", "1000");
  folder_.write("sys/class/thermal/thermal_zone3/type", "x86_pkg_temp\n");
  folder_.write("sys/class/thermal/thermal_zone3/temp", "97000\n");
  folder_.write("proc/self/cgroup", "0::/job\n");
  folder_.write("sys/fs/cgroup/job/cpu.stat", "nr_periods 10\nnr_throttled 3\nthrottled_usec 500000\n");
  const auto cpu = source();
  cpu->begin();
  EXPECT_THAT(cpu->look().limits, IsEmpty());
  EXPECT_EQ(cpu->look().temperature_celsius, 97.0);
  this->cpu(0, "thermal_throttle/package_throttle_count", "41");
  this->cpu(0, "thermal_throttle/package_throttle_total_time_ms", "1250");
  EXPECT_THAT(cpu->look().limits, ElementsAre("thermal"));
  folder_.write("sys/fs/cgroup/job/cpu.stat", "nr_periods 20\nnr_throttled 4\nthrottled_usec 900000\n");
  EXPECT_THAT(cpu->look().limits, ElementsAre("quota"));
  EXPECT_THAT(cpu->look().limits, IsEmpty());
  const Telemetry t = cpu->end(1);
  EXPECT_NEAR(*t.throttled_seconds, 0.4, 1e-9);
  ASSERT_EQ(t.limits.size(), 2u);
  EXPECT_EQ(t.limits[0].reason, "thermal");
  EXPECT_NEAR(*t.limits[0].seconds, 0.25, 1e-9);
  EXPECT_EQ(t.limits[1].reason, "quota");
  EXPECT_NEAR(*t.limits[1].seconds, 0.4, 1e-9);
}

TEST_F(CpuTelemetryTest, AnswersNothingWhereThereIsNothing) {
  const auto cpu = source();
  cpu->begin();
  const Reading reading = cpu->look();
  EXPECT_EQ(reading.clock_mhz, std::nullopt);
  EXPECT_EQ(reading.temperature_celsius, std::nullopt);
  const Telemetry t = cpu->end(1);
  EXPECT_EQ(t.other_load, std::nullopt);
  EXPECT_EQ(t.steal_share, std::nullopt);
  EXPECT_EQ(t.throttled_seconds, std::nullopt);
  EXPECT_THAT(t.others, IsEmpty());
}

TEST(Processes, OfAnMpiLauncherAreOurs) {
  const ProcessTable table = {{1, {0, "init", 1, 0}},      {10, {1, "mpirun", 1, 0}}, {11, {10, "assay", 1, 0}},
                              {12, {10, "assay", 1, 0}},   {13, {12, "child", 1, 0}}, {20, {1, "make", 1, 0}},
                              {21, {20, "compiler", 1, 0}}};
  EXPECT_THAT(our_processes(table, 11, true), ElementsAre(10, 11, 12, 13));
  EXPECT_THAT(our_processes(table, 11, false), ElementsAre(11));
  EXPECT_THAT(our_processes(table, 12, false), ElementsAre(12, 13));
}

}  // namespace
}  // namespace assay
