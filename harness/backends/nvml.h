// NVML, loaded at run time: its header is not part of the CUDA toolkit and its library comes with the driver.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace assay {

struct NvmlFunctions;  // nvml_functions.h

struct NvmlProcess {
  std::int64_t pid = 0;  // in the host's numbers: in a container it need not be in /proc
  std::optional<double> memory_bytes;
};

/// How a GPU is set up and what has befallen it; null where NVML does not say.
struct NvmlDevice {
  int index = 0;  // NVML's, not CUDA's
  std::string name, uuid;
  std::string pci_bus_id;  // "0000:17:00.0"
  std::optional<double> power_limit_watts, power_default_watts, power_max_watts;
  std::optional<int> sm_clock_mhz, memory_clock_mhz, sm_clock_max_mhz, memory_clock_max_mhz;
  std::optional<int> temperature_celsius;
  std::optional<bool> ecc, ecc_after_reset;                    // a change of the mode waits for a reset
  std::optional<std::int64_t> ecc_corrected, ecc_uncorrected;  // since the driver was loaded
  std::optional<std::int64_t> remapped_rows;                   // ever
  std::optional<bool> remap_pending, remap_failed;             // waits for a reset; no spare row was left
  std::optional<bool> page_retirement_pending;                 // the same on GPUs that retire pages
  std::optional<bool> mig, persistence;
  std::optional<int> pcie_generation, pcie_generation_max, pcie_width, pcie_width_max;
  int nvlinks = 0, nvlinks_active = 0;
  std::vector<std::string> limits;  // reasons that hold the clock down at this moment
  std::vector<NvmlProcess> processes;
};

/// One look at a GPU.
struct NvmlReading {
  std::optional<double> sm_clock_mhz, memory_clock_mhz, power_watts, power_average_watts, temperature_celsius,
      memory_temperature_celsius;
  std::vector<std::string> limits;
  std::optional<int> pcie_generation, pcie_width;
};

/// What only grows.
struct NvmlCounters {
  std::optional<double> energy_joules;
  std::optional<std::int64_t> ecc_corrected, ecc_uncorrected, remapped_rows, pcie_replays, nvlink_errors;
  std::vector<std::pair<std::string, double>> limit_seconds;  // by reason
};

/// Xids of one GPU as they come in.  Ends with its Nvml at the latest.
class NvmlEvents {
 public:
  virtual ~NvmlEvents() = default;
  /// Those since the last call.
  virtual std::vector<int> xids() = 0;
};

/// Move-only: shuts NVML down and closes the library.  Its queries may come from any thread.
class Nvml {
 public:
  using Handle = void*;

  /// Null, with the reason, where there is no usable library.  Without a name: the one that ASSAY_NVML_LIBRARY names,
  /// else the driver's.
  static std::optional<Nvml> load(std::string& reason, const char* library = nullptr);
  Nvml(Nvml&&) noexcept;
  Nvml& operator=(Nvml&&) noexcept;
  ~Nvml();

  std::string driver_version() const;
  std::string nvml_version() const;
  std::optional<int> cuda_driver_version() const;  // 13000: the newest runtime that the driver serves

  /// By PCI bus id ("0000:17:00.0"), never by index: NVML and CUDA count differently.  Null where there is none.
  Handle find(const std::string& pci_bus_id) const;
  std::optional<NvmlDevice> device(const std::string& pci_bus_id) const;
  /// All that NVML lists, in its order.
  std::vector<NvmlDevice> devices() const;

  NvmlReading read(Handle) const;
  NvmlCounters counters(Handle) const;
  std::vector<NvmlProcess> processes(Handle) const;
  /// Null where the GPU or the driver has no such events.
  std::unique_ptr<NvmlEvents> watch_xids(Handle) const;

 private:
  explicit Nvml(std::unique_ptr<NvmlFunctions>);
  std::unique_ptr<NvmlFunctions> functions_;
};

/// NVML's "00000000:17:00.0" and CUDA's "0000:17:00.0" as /sys has them.
std::string short_pci_bus_id(const std::string& pci_bus_id);

}  // namespace assay
