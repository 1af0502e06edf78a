#include <algorithm>

#include "harness/measure/kernel_log.h"
#include "harness/measure/processes.h"
#include "harness/measure/telemetry_sources.h"

namespace assay {
namespace {

/// Null unless both are there; a counter that went back was reset by a new driver or GPU, and says nothing.
template <class T>
std::optional<T> growth(const std::optional<T>& before, const std::optional<T>& after) {
  if (!before || !after || *after < *before) return std::nullopt;
  return *after - *before;
}

void keep_least(std::optional<int>& least, const std::optional<int>& value) {
  if (value) least = std::min(least.value_or(*value), *value);
}

class GpuTelemetry final : public TelemetrySource {
 public:
  GpuTelemetry(const Nvml& nvml, Nvml::Handle gpu, std::string name, std::string pci_bus_id)
      : nvml_(nvml), gpu_(gpu), name_(std::move(name)), pci_bus_id_(std::move(pci_bus_id)) {}

  void begin() override {
    events_ = nvml_.watch_xids(gpu_);
    if (!events_) log_ = std::make_unique<KernelLog>();
    before_ = nvml_.counters(gpu_);
    look_for_processes();
  }

  Reading look() override {
    // Now and then: a process that comes and goes within a window leaves its name, and the list costs more than a
    // clock.
    constexpr int kLooksPerList = 10;
    if (++looks_ % kLooksPerList == 0) look_for_processes();
    const NvmlReading now = nvml_.read(gpu_);
    keep_least(pcie_generation_, now.pcie_generation);
    keep_least(pcie_width_, now.pcie_width);
    Reading out;
    out.clock_mhz = now.sm_clock_mhz;
    out.memory_clock_mhz = now.memory_clock_mhz;
    out.power_watts = now.power_watts;
    out.power_average_watts = now.power_average_watts;
    out.temperature_celsius = now.temperature_celsius;
    out.memory_temperature_celsius = now.memory_temperature_celsius;
    out.limits = now.limits;
    return out;
  }

  Telemetry end(double) override {
    const NvmlCounters now = nvml_.counters(gpu_);
    look_for_processes();
    Telemetry out;
    out.device = name_;
    out.source = "nvml " + nvml_.driver_version();
    for (const auto& [reason, seconds] : now.limit_seconds)
      for (const auto& [earlier, then] : before_.limit_seconds)
        if (reason == earlier) out.limits.push_back({reason, 0, growth<double>(then, seconds)});
    out.energy_joules = growth(before_.energy_joules, now.energy_joules);
    out.ecc_corrected = growth(before_.ecc_corrected, now.ecc_corrected);
    out.ecc_uncorrected = growth(before_.ecc_uncorrected, now.ecc_uncorrected);
    out.remapped_rows = growth(before_.remapped_rows, now.remapped_rows);
    out.pcie_replays = growth(before_.pcie_replays, now.pcie_replays);
    out.nvlink_errors = growth(before_.nvlink_errors, now.nvlink_errors);
    out.xids = xids();
    out.pcie_generation = pcie_generation_;
    out.pcie_width = pcie_width_;
    if (const auto device = nvml_.device(pci_bus_id_)) {
      out.power_cap_watts = device->power_limit_watts;
      out.pcie_generation_max = device->pcie_generation_max;
      out.pcie_width_max = device->pcie_width_max;
    }
    out.others = others_;
    return out;
  }

 private:
  void look_for_processes() {
    for (OtherProcess& other : others_on_gpu(nvml_.processes(gpu_))) {
      const auto known =
          std::find_if(others_.begin(), others_.end(), [&](const OtherProcess& one) { return one.pid == other.pid; });
      if (known == others_.end())
        others_.push_back(std::move(other));
      else
        known->memory_bytes = std::max(known->memory_bytes, other.memory_bytes);
    }
  }

  std::vector<int> xids() {
    if (events_) return events_->xids();
    std::vector<int> out;
    for (const std::string& line : log_->lines())
      if (const int xid = xid_in(line, short_pci_bus_id(pci_bus_id_)); xid > 0) out.push_back(xid);
    return out;
  }

  const Nvml& nvml_;
  const Nvml::Handle gpu_;
  const std::string name_, pci_bus_id_;
  std::unique_ptr<NvmlEvents> events_;
  std::unique_ptr<KernelLog> log_;  // where there are no events
  NvmlCounters before_;
  int looks_ = 0;
  std::optional<int> pcie_generation_, pcie_width_;
  std::vector<OtherProcess> others_;
};

}  // namespace

std::unique_ptr<TelemetrySource> gpu_telemetry(const Nvml& nvml, const std::string& name,
                                               const std::string& pci_bus_id) {
  const Nvml::Handle gpu = pci_bus_id.empty() ? nullptr : nvml.find(pci_bus_id);
  return gpu ? std::make_unique<GpuTelemetry>(nvml, gpu, name, pci_bus_id) : nullptr;
}

}  // namespace assay
