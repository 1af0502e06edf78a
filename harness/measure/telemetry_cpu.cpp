#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "harness/backends/cgroup.h"
#include "harness/backends/cores.h"
#include "harness/core/system_files.h"
#include "harness/measure/processes.h"
#include "harness/measure/telemetry_sources.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

/// The first line of /proc/stat: all cores' time since boot.
struct CpuTimes {
  double total = 0, busy = 0, steal = 0;  // seconds
};

CpuTimes read_times(const fs::path& root) {
  std::istringstream line(first_line(root / "proc/stat").value_or(""));
  std::string label;
  double user = 0, nice = 0, system = 0, idle = 0, io = 0, interrupts = 0, soft = 0, steal = 0;
  if (!(line >> label >> user >> nice >> system >> idle >> io >> interrupts >> soft >> steal)) return {};
  const double busy = user + nice + system + interrupts + soft;  // guests' time is within user's and nice's
  const double tick = 1.0 / double(::sysconf(_SC_CLK_TCK));
  return {(busy + idle + io + steal) * tick, busy * tick, steal * tick};
}

/// A frequency as the kernel says it; none where it is no frequency.
std::optional<double> frequency(const std::optional<std::string>& text) {
  const auto value = to_number(text);
  return value && *value > 0 ? value : std::nullopt;
}

/// How often the processor has throttled these cores for heat, and how long (milliseconds, newer kernels alone).
struct Throttling {
  double count = 0;
  std::optional<double> milliseconds;
};

class CpuTelemetry final : public TelemetrySource {
 public:
  CpuTelemetry(std::vector<int> cores, fs::path root) : root_(std::move(root)) {
    // A read of a frequency may wake or interrupt its core: a few tell what the others do.
    constexpr std::size_t kMostCores = 8;
    cores.resize(std::min(cores.size(), kMostCores));
    cores_ = std::move(cores);
    find_thermal_zone();
  }

  void begin() override {
    processes_ = read_processes(root_ / "proc");
    times_ = read_times(root_);
    throttling_ = last_throttling_ = throttling();
    quota_ = last_quota_ = quota();
  }

  Reading look() override {
    Reading out;
    out.clock_mhz = clock_mhz();
    if (!thermal_zone_.empty())
      if (const auto thousandths = to_number(first_line(thermal_zone_))) out.temperature_celsius = *thousandths * 1e-3;
    if (const Throttling now = throttling(); now.count > last_throttling_.count) {
      out.limits.push_back("thermal");
      last_throttling_ = now;
    }
    if (const auto now = quota(); now && last_quota_ && now->periods > last_quota_->periods) {
      out.limits.push_back("quota");
      last_quota_ = now;
    }
    ++looks_;
    return out;
  }

  Telemetry end(double window_seconds) override {
    Telemetry out;
    out.device = "cpu";
    out.source = "/proc, /sys";
    const CpuTimes now = read_times(root_);
    const ProcessTable processes = read_processes(root_ / "proc");
    add_others(processes, now, window_seconds, out);
    if (const double total = now.total - times_.total; total > 0)
      out.steal_share = std::max(0.0, (now.steal - times_.steal) / total);  // some kernels let it go back
    const Throttling heat = throttling();
    if (heat.count > throttling_.count) {
      LimitTime thermal{"thermal", 0, std::nullopt};
      if (heat.milliseconds && throttling_.milliseconds)
        thermal.seconds = std::max(0.0, *heat.milliseconds - *throttling_.milliseconds) * 1e-3;
      out.limits.push_back(thermal);
    }
    if (const auto stopped = quota(); stopped && quota_) {
      out.throttled_seconds = std::max(0.0, stopped->seconds - quota_->seconds);
      if (*out.throttled_seconds > 0) out.limits.push_back({"quota", 0, out.throttled_seconds});
    }
    return out;
  }

 private:
  void add_others(const ProcessTable& after, const CpuTimes& now, double window, Telemetry& out) const {
    constexpr double kLeastShare = 0.01;  // of one core: less moves no median
    constexpr std::size_t kMost = 5;
    const auto ours = our_processes(after, ::getpid(), local_rank().size > 1);
    out.others = busiest_others(processes_, after, ours, kLeastShare * window, kMost);
    if (!(now.total > times_.total) || !(window > 0)) return;
    // From the machine's time, not from the processes': it has those that ended meanwhile, too.
    const double others = now.busy - times_.busy - cpu_seconds_of(ours, processes_, after);
    out.other_load = std::max(0.0, others / window);
  }

  /// The cores' mean, by cpufreq; where there is none, by /proc/cpuinfo, which costs more and is read less often.
  std::optional<double> clock_mhz() {
    double sum = 0;
    int count = 0;
    for (const int core : cores_)
      if (const auto khz = frequency(first_line(cpu_folder(core) / "cpufreq/scaling_cur_freq")))
        sum += *khz * 1e-3, ++count;
    if (count > 0) return sum / count;
    constexpr int kLooksPerCpuinfo = 10;
    return looks_ % kLooksPerCpuinfo == 0 ? cpuinfo_mhz() : std::nullopt;
  }

  std::optional<double> cpuinfo_mhz() const {
    std::istringstream lines(small_file(root_ / "proc/cpuinfo"));
    int count = 0;
    double core = -1, sum = 0;
    for (std::string line; std::getline(lines, line);) {
      if (const auto number = to_number(value_of(line, "processor", ':'))) core = *number;
      const bool ours = std::find(cores_.begin(), cores_.end(), core) != cores_.end();
      const auto mhz = ours ? frequency(value_of(line, "cpu MHz", ':')) : std::nullopt;
      if (mhz) sum += *mhz, ++count;
    }
    return count > 0 ? std::optional(sum / count) : std::nullopt;
  }

  Throttling throttling() const {
    Throttling out;
    for (const int core : cores_)
      for (const char* scope : {"core", "package"}) {
        const auto folder = cpu_folder(core) / "thermal_throttle";
        const auto count = to_number(first_line(folder / (std::string(scope) + "_throttle_count")));
        const auto time = to_number(first_line(folder / (std::string(scope) + "_throttle_total_time_ms")));
        out.count += count.value_or(0);
        if (time) out.milliseconds = std::max(out.milliseconds.value_or(0), *time);
      }
    return out;
  }

  std::optional<CgroupThrottling> quota() const {
    return cgroup_throttling(root_ / "proc/self/cgroup", root_ / "sys/fs/cgroup");
  }

  fs::path cpu_folder(int core) const { return root_ / "sys/devices/system/cpu" / ("cpu" + std::to_string(core)); }

  /// The processor's own sensor, where the kernel shows it as a zone.
  void find_thermal_zone() {
    std::error_code failed;
    for (fs::directory_iterator zone(root_ / "sys/class/thermal", failed), end; !failed && zone != end;
         zone.increment(failed))
      if (first_line(zone->path() / "type") == "x86_pkg_temp") thermal_zone_ = zone->path() / "temp";
  }

  const fs::path root_;
  fs::path thermal_zone_;
  std::vector<int> cores_;
  ProcessTable processes_;
  CpuTimes times_;
  Throttling throttling_, last_throttling_;
  std::optional<CgroupThrottling> quota_, last_quota_;
  int looks_ = 0;
};

}  // namespace

std::unique_ptr<TelemetrySource> cpu_telemetry(std::vector<int> cores, const fs::path& root) {
  return std::make_unique<CpuTelemetry>(std::move(cores), root);
}

}  // namespace assay
