// NVML, loaded at run time: its header is not part of the CUDA toolkit and its library comes with the driver.
#pragma once
#include <memory>
#include <optional>
#include <string>

namespace assay {

/// What NVML says of one GPU; null where it does not say.
struct NvmlDevice {
  std::string name;
  std::optional<double> power_limit_watts, power_default_watts, power_max_watts;
  std::optional<int> sm_clock_mhz, memory_clock_mhz, sm_clock_max_mhz, memory_clock_max_mhz;
  std::optional<int> temperature_celsius;
};

/// Move-only: shuts NVML down and closes the library.
class Nvml {
 public:
  /// Null, with the reason, where there is no usable library.
  static std::optional<Nvml> load(std::string& reason, const char* library = "libnvidia-ml.so.1");
  Nvml(Nvml&&) noexcept;
  Nvml& operator=(Nvml&&) noexcept;
  ~Nvml();

  std::string driver_version() const;
  /// By PCI bus id ("0000:17:00.0"), never by index: NVML and CUDA count differently.
  std::optional<NvmlDevice> device(const std::string& pci_bus_id) const;

 private:
  struct Functions;
  explicit Nvml(std::unique_ptr<Functions>);
  std::unique_ptr<Functions> functions_;
};

}  // namespace assay
