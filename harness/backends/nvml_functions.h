// NVML's functions as its API reference documents them.  A driver may lack any of them, and a GPU refuse it: what asks
// then answers nothing.
#pragma once
#include <optional>

namespace assay {

using NvmlStatus = int;  // nvmlReturn_t, an enumeration
using NvmlHandle = void*;
inline constexpr NvmlStatus kNvmlSuccess = 0;
inline constexpr unsigned kNvmlTextBytes = 96;  // NVML_DEVICE_NAME_V2_BUFFER_SIZE, the longest text read here

/// nvmlPciInfo_t, version 3.
struct NvmlPciInfo {
  char bus_id_legacy[16];
  unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
  char bus_id[32];
};

/// nvmlFieldValue_t.
struct NvmlFieldValue {
  unsigned field = 0, scope = 0;
  long long timestamp = 0, latency_us = 0;
  int type = 0;  // nvmlValueType_t
  NvmlStatus status = 0;
  union {
    double as_double;
    unsigned as_unsigned;
    unsigned long as_unsigned_long;
    unsigned long long as_unsigned_long_long = 0;
    long long as_long_long;
  };
};
static_assert(sizeof(NvmlFieldValue) == 40);

/// nvmlViolationTime_t: nanoseconds of violation up to a moment in microseconds.
struct NvmlViolationTime {
  unsigned long long reference_us = 0, violation_ns = 0;
};

/// nvmlProcessInfo_t, as nvmlDeviceGetComputeRunningProcesses_v2 and _v3 have it.
struct NvmlProcessInfo {
  unsigned pid = 0;
  unsigned long long memory_bytes = 0;
  unsigned gpu_instance = 0, compute_instance = 0;
};
static_assert(sizeof(NvmlProcessInfo) == 24);

/// nvmlEventData_t.
struct NvmlEventData {
  NvmlHandle device = nullptr;
  unsigned long long type = 0, data = 0;
  unsigned gpu_instance = 0, compute_instance = 0;
};

enum NvmlClock : int { kNvmlClockSm = 1, kNvmlClockMemory = 2 };
inline constexpr int kNvmlTemperatureGpu = 0;
inline constexpr int kNvmlCorrected = 0, kNvmlUncorrected = 1;  // nvmlMemoryErrorType_t
inline constexpr int kNvmlVolatile = 0;                         // nvmlEccCounterType_t: since the driver was loaded
inline constexpr unsigned kNvmlMaxLinks = 18;                   // NVML_NVLINK_MAX_LINKS
inline constexpr int kNvmlLinkErrors[] = {0, 1, 2, 3};          // replay, recovery, CRC of flits, CRC of data
inline constexpr unsigned kNvmlFieldMemoryTemperature = 82;     // NVML_FI_DEV_MEMORY_TEMP
inline constexpr unsigned kNvmlFieldPowerAverage = 185;         // NVML_FI_DEV_POWER_AVERAGE, milliwatts
inline constexpr unsigned kNvmlFieldPowerInstant = 186;         // NVML_FI_DEV_POWER_INSTANT, milliwatts
inline constexpr unsigned long long kNvmlEventXid = 0x8;        // nvmlEventTypeXidCriticalError
inline constexpr unsigned long long kNvmlNotAvailable = ~0ull;  // NVML_VALUE_NOT_AVAILABLE

struct NvmlFunctions {
  void* library = nullptr;
  bool initialised = false;

  using Count = NvmlStatus (*)(NvmlHandle, unsigned*);
  using Total = NvmlStatus (*)(NvmlHandle, unsigned long long*);
  using Selected = NvmlStatus (*)(NvmlHandle, int, unsigned*);
  using Two = NvmlStatus (*)(NvmlHandle, unsigned*, unsigned*);
  using Text = NvmlStatus (*)(NvmlHandle, char*, unsigned);

  NvmlStatus (*init)() = nullptr;
  NvmlStatus (*shutdown)() = nullptr;
  NvmlStatus (*driver_version)(char*, unsigned) = nullptr;
  NvmlStatus (*nvml_version)(char*, unsigned) = nullptr;
  NvmlStatus (*cuda_version)(int*) = nullptr;
  NvmlStatus (*count)(unsigned*) = nullptr;
  NvmlStatus (*handle_by_index)(unsigned, NvmlHandle*) = nullptr;
  NvmlStatus (*handle_by_pci)(const char*, NvmlHandle*) = nullptr;
  NvmlStatus (*pci_info)(NvmlHandle, NvmlPciInfo*) = nullptr;
  Text name = nullptr, uuid = nullptr;
  Count power = nullptr, power_limit = nullptr, power_default = nullptr;
  Two power_constraints = nullptr;
  Total energy = nullptr;
  Selected clock = nullptr, clock_max = nullptr, temperature = nullptr;
  Total clock_limits = nullptr;
  NvmlStatus (*violation)(NvmlHandle, int policy, NvmlViolationTime*) = nullptr;
  NvmlStatus (*fields)(NvmlHandle, int count, NvmlFieldValue*) = nullptr;
  Two ecc_mode = nullptr, mig_mode = nullptr;
  NvmlStatus (*ecc_errors)(NvmlHandle, int kind, int counter, unsigned long long*) = nullptr;
  NvmlStatus (*remapped_rows)(NvmlHandle, unsigned* corrected, unsigned* uncorrected, unsigned* pending,
                              unsigned* failed) = nullptr;
  Count pages_pending = nullptr, persistence = nullptr;
  Count pcie_generation = nullptr, pcie_generation_max = nullptr, pcie_width = nullptr, pcie_width_max = nullptr,
        pcie_replays = nullptr;
  NvmlStatus (*link_state)(NvmlHandle, unsigned link, unsigned* active) = nullptr;
  NvmlStatus (*link_errors)(NvmlHandle, unsigned link, int kind, unsigned long long*) = nullptr;
  NvmlStatus (*processes)(NvmlHandle, unsigned* count, NvmlProcessInfo*) = nullptr;
  NvmlStatus (*events_create)(void**) = nullptr;
  NvmlStatus (*events_register)(NvmlHandle, unsigned long long types, void* set) = nullptr;
  NvmlStatus (*events_wait)(void* set, NvmlEventData*, unsigned milliseconds) = nullptr;
  NvmlStatus (*events_free)(void* set) = nullptr;

  ~NvmlFunctions();
  void find_all();

  /// What a query whose last argument is an out-parameter of type T answers.
  template <class T, class Function, class... Arguments>
  static std::optional<T> ask(Function function, Arguments... arguments) {
    T value{};
    if (!function || function(arguments..., &value) != kNvmlSuccess) return std::nullopt;
    return value;
  }

 private:
  template <class Function>
  void find(Function& function, const char* symbol, const char* older = nullptr);
};

}  // namespace assay
