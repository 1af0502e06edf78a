// What NVML says of one GPU.
#include <algorithm>

#include "harness/backends/nvml.h"
#include "harness/backends/nvml_functions.h"

namespace assay {
namespace {

using F = NvmlFunctions;

std::optional<double> scaled(std::optional<unsigned> value, double factor) {
  return value ? std::optional(*value * factor) : std::nullopt;
}

std::optional<int> whole(std::optional<unsigned> value) { return value ? std::optional(int(*value)) : std::nullopt; }

std::optional<bool> switched(std::optional<unsigned> value) {
  return value ? std::optional(*value != 0) : std::nullopt;
}

template <class T>
std::optional<std::int64_t> counted(std::optional<T> value) {
  return value ? std::optional(std::int64_t(*value)) : std::nullopt;
}

/// nvmlClocksEventReasons, bit by bit.
std::vector<std::string> limit_names(std::optional<unsigned long long> bits) {
  constexpr std::pair<unsigned long long, const char*> kReasons[] = {
      {0x1, "idle"},        {0x2, "application_clocks"}, {0x4, "power_cap"},         {0x8, "hardware_slowdown"},
      {0x10, "sync_boost"}, {0x20, "thermal"},           {0x40, "hardware_thermal"}, {0x80, "power_brake"},
      {0x100, "display"}};
  std::vector<std::string> out;
  for (const auto& [bit, name] : kReasons)
    if (bits.value_or(0) & bit) out.push_back(name);
  return out;
}

/// nvmlPerfPolicyType_t; "low utilization" is no limit but the absence of work, and is left out.
std::vector<std::pair<std::string, double>> violation_seconds(const F& f, NvmlHandle gpu) {
  constexpr std::pair<int, const char*> kPolicies[] = {
      {0, "power_cap"}, {1, "thermal"}, {2, "sync_boost"}, {3, "board_limit"}, {5, "reliability"}};
  std::vector<std::pair<std::string, double>> out;
  for (const auto& [policy, name] : kPolicies)
    if (const auto time = F::ask<NvmlViolationTime>(f.violation, gpu, policy))
      out.emplace_back(name, double(time->violation_ns) * 1e-9);
  return out;
}

struct Rows {
  unsigned corrected = 0, uncorrected = 0, pending = 0, failed = 0;
};

std::optional<Rows> remapped_rows(const F& f, NvmlHandle gpu) {
  Rows r;
  if (!f.remapped_rows || f.remapped_rows(gpu, &r.corrected, &r.uncorrected, &r.pending, &r.failed) != kNvmlSuccess)
    return std::nullopt;
  return r;
}

std::optional<std::int64_t> rows_of(const std::optional<Rows>& rows) {
  return rows ? std::optional(std::int64_t(rows->corrected) + rows->uncorrected) : std::nullopt;
}

std::optional<std::int64_t> ecc_errors(const F& f, NvmlHandle gpu, int kind) {
  return counted(F::ask<unsigned long long>(f.ecc_errors, gpu, kind, int(kNvmlVolatile)));
}

/// All kinds of errors of all links; null where there is no link.
std::optional<std::int64_t> link_errors(const F& f, NvmlHandle gpu) {
  std::optional<std::int64_t> sum;
  for (unsigned link = 0; link < kNvmlMaxLinks; ++link) {
    // A link that is there but down has no counters worth asking; one that is not there ends the list.
    if (!F::ask<unsigned>(f.link_state, gpu, link)) break;
    for (const int kind : kNvmlLinkErrors)
      if (const auto errors = F::ask<unsigned long long>(f.link_errors, gpu, link, int(kind)))
        sum = sum.value_or(0) + std::int64_t(*errors);
  }
  return sum;
}

void add_power_and_clocks(const F& f, NvmlHandle gpu, NvmlDevice& out) {
  out.power_limit_watts = scaled(F::ask<unsigned>(f.power_limit, gpu), 1e-3);
  out.power_default_watts = scaled(F::ask<unsigned>(f.power_default, gpu), 1e-3);
  unsigned least = 0, most = 0;
  if (f.power_constraints && f.power_constraints(gpu, &least, &most) == kNvmlSuccess) out.power_max_watts = most * 1e-3;
  out.sm_clock_mhz = whole(F::ask<unsigned>(f.clock, gpu, int(kNvmlClockSm)));
  out.memory_clock_mhz = whole(F::ask<unsigned>(f.clock, gpu, int(kNvmlClockMemory)));
  out.sm_clock_max_mhz = whole(F::ask<unsigned>(f.clock_max, gpu, int(kNvmlClockSm)));
  out.memory_clock_max_mhz = whole(F::ask<unsigned>(f.clock_max, gpu, int(kNvmlClockMemory)));
  out.temperature_celsius = whole(F::ask<unsigned>(f.temperature, gpu, int(kNvmlTemperatureGpu)));
  out.limits = limit_names(F::ask<unsigned long long>(f.clock_limits, gpu));
}

void add_health(const F& f, NvmlHandle gpu, NvmlDevice& out) {
  unsigned current = 0, pending = 0;
  if (f.ecc_mode && f.ecc_mode(gpu, &current, &pending) == kNvmlSuccess) {
    out.ecc = current != 0;
    out.ecc_after_reset = pending != 0;
  }
  if (f.mig_mode && f.mig_mode(gpu, &current, &pending) == kNvmlSuccess) out.mig = current != 0;
  out.ecc_corrected = ecc_errors(f, gpu, kNvmlCorrected);
  out.ecc_uncorrected = ecc_errors(f, gpu, kNvmlUncorrected);
  const auto rows = remapped_rows(f, gpu);
  out.remapped_rows = rows_of(rows);
  if (rows) out.remap_pending = rows->pending != 0, out.remap_failed = rows->failed != 0;
  out.page_retirement_pending = switched(F::ask<unsigned>(f.pages_pending, gpu));
  out.persistence = switched(F::ask<unsigned>(f.persistence, gpu));
}

void add_links(const F& f, NvmlHandle gpu, NvmlDevice& out) {
  out.pcie_generation = whole(F::ask<unsigned>(f.pcie_generation, gpu));
  out.pcie_generation_max = whole(F::ask<unsigned>(f.pcie_generation_max, gpu));
  out.pcie_width = whole(F::ask<unsigned>(f.pcie_width, gpu));
  out.pcie_width_max = whole(F::ask<unsigned>(f.pcie_width_max, gpu));
  for (unsigned link = 0; link < kNvmlMaxLinks; ++link) {
    const auto active = F::ask<unsigned>(f.link_state, gpu, link);
    if (!active) break;
    ++out.nvlinks;
    out.nvlinks_active += *active != 0;
  }
}

NvmlDevice describe(const F& f, NvmlHandle gpu) {
  NvmlDevice out;
  char text[kNvmlTextBytes] = "";
  if (f.name && f.name(gpu, text, kNvmlTextBytes) == kNvmlSuccess) out.name = text;
  if (f.uuid && f.uuid(gpu, text, kNvmlTextBytes) == kNvmlSuccess) out.uuid = text;
  if (const auto pci = F::ask<NvmlPciInfo>(f.pci_info, gpu)) out.pci_bus_id = short_pci_bus_id(pci->bus_id);
  add_power_and_clocks(f, gpu, out);
  add_health(f, gpu, out);
  add_links(f, gpu, out);
  return out;
}

}  // namespace

std::optional<NvmlDevice> Nvml::device(const std::string& pci_bus_id) const {
  const Handle gpu = find(pci_bus_id);
  if (!gpu) return std::nullopt;
  NvmlDevice out = describe(*functions_, gpu);
  out.processes = processes(gpu);
  return out;
}

std::vector<NvmlDevice> Nvml::devices() const {
  std::vector<NvmlDevice> out;
  const unsigned count = F::ask<unsigned>(functions_->count).value_or(0);
  for (unsigned index = 0; index < count; ++index) {
    // A GPU that has fallen off the bus is counted and has no handle.
    const auto gpu = F::ask<NvmlHandle>(functions_->handle_by_index, index);
    if (!gpu) continue;
    out.push_back(describe(*functions_, *gpu));
    out.back().index = int(index);
    out.back().processes = processes(*gpu);
  }
  return out;
}

NvmlReading Nvml::read(Handle gpu) const {
  const F& f = *functions_;
  NvmlReading out;
  out.sm_clock_mhz = scaled(F::ask<unsigned>(f.clock, gpu, int(kNvmlClockSm)), 1);
  out.memory_clock_mhz = scaled(F::ask<unsigned>(f.clock, gpu, int(kNvmlClockMemory)), 1);
  out.temperature_celsius = scaled(F::ask<unsigned>(f.temperature, gpu, int(kNvmlTemperatureGpu)), 1);
  out.limits = limit_names(F::ask<unsigned long long>(f.clock_limits, gpu));
  out.pcie_generation = whole(F::ask<unsigned>(f.pcie_generation, gpu));
  out.pcie_width = whole(F::ask<unsigned>(f.pcie_width, gpu));
  NvmlFieldValue fields[3];
  fields[0].field = kNvmlFieldPowerInstant;
  fields[1].field = kNvmlFieldPowerAverage;
  fields[2].field = kNvmlFieldMemoryTemperature;
  const bool asked = f.fields && f.fields(gpu, 3, fields) == kNvmlSuccess;
  const auto field = [&](int i) {  // all three are unsigned int
    return asked && fields[i].status == kNvmlSuccess ? std::optional(fields[i].as_unsigned) : std::nullopt;
  };
  out.power_watts = scaled(field(0), 1e-3);
  out.power_average_watts = scaled(field(1), 1e-3);
  out.memory_temperature_celsius = scaled(field(2), 1);
  if (!out.power_watts) out.power_watts = scaled(F::ask<unsigned>(f.power, gpu), 1e-3);
  return out;
}

NvmlCounters Nvml::counters(Handle gpu) const {
  const F& f = *functions_;
  NvmlCounters out;
  if (const auto millijoules = F::ask<unsigned long long>(f.energy, gpu)) out.energy_joules = *millijoules * 1e-3;
  out.ecc_corrected = ecc_errors(f, gpu, kNvmlCorrected);
  out.ecc_uncorrected = ecc_errors(f, gpu, kNvmlUncorrected);
  out.remapped_rows = rows_of(remapped_rows(f, gpu));
  out.pcie_replays = counted(F::ask<unsigned>(f.pcie_replays, gpu));
  out.nvlink_errors = link_errors(f, gpu);
  out.limit_seconds = violation_seconds(f, gpu);
  return out;
}

std::vector<NvmlProcess> Nvml::processes(Handle gpu) const {
  constexpr unsigned kMostProcesses = 64;  // beyond it the call fails, as it does for none it may show
  NvmlProcessInfo found[kMostProcesses];
  unsigned count = kMostProcesses;
  std::vector<NvmlProcess> out;
  if (!functions_->processes || functions_->processes(gpu, &count, found) != kNvmlSuccess) return out;
  for (unsigned i = 0; i < std::min(count, kMostProcesses); ++i) {
    const auto bytes = found[i].memory_bytes;
    out.push_back({found[i].pid, bytes == kNvmlNotAvailable ? std::nullopt : std::optional(double(bytes))});
  }
  return out;
}

}  // namespace assay
