// Where telemetry comes from.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "harness/backends/nvml.h"
#include "harness/measure/telemetry_sampler.h"

namespace assay {

/// This machine's CPU by /proc and /sys.  `cores`: those whose frequency is read, the ones that compute.  `root` is
/// where both are found: tests pass a folder of their own.
std::unique_ptr<TelemetrySource> cpu_telemetry(std::vector<int> cores, const std::filesystem::path& root = "/");

/// A GPU by NVML, which must outlive it; `name` as Case::device_name() has it.  Null where NVML does not know the GPU.
std::unique_ptr<TelemetrySource> gpu_telemetry(const Nvml&, const std::string& name, const std::string& pci_bus_id);

}  // namespace assay
