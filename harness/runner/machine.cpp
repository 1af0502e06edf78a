#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "harness/backends/cores.h"
#include "harness/core/error.h"
#include "harness/runner/runner.h"

namespace assay {
namespace {

/// A collective between GPUs is one case of all GPUs of the node; everything else runs on the one it names.
bool uses_all_gpus(const Case& point) {
  return std::any_of(point.axes.begin(), point.axes.end(), [](const auto& axis) { return axis.name == "ranks"; });
}

}  // namespace

struct Machine::Impl {
  int threads = 1;
  GpuProbe gpus;
  std::unique_ptr<Backend> cpu, all_gpus;
  std::map<int, std::unique_ptr<Backend>> one_gpu;
  std::optional<Nvml> nvml;  // kept: to start it may take a second
  bool nvml_tried = false;

  const Nvml* nvml_of_gpus() {
    std::string reason;
    if (!std::exchange(nvml_tried, true)) nvml = Nvml::load(reason);
    return nvml ? &*nvml : nullptr;
  }
};

Machine::Machine(int threads) : impl_(std::make_unique<Impl>()) {
  impl_->threads = threads > 0 ? threads : available_threads();
  impl_->gpus = probe_gpus();
}

Machine::~Machine() = default;

int Machine::gpus() const { return impl_->gpus.count; }
const std::string& Machine::gpu_reason() const { return impl_->gpus.reason; }
int Machine::threads() const { return impl_->threads; }

Backend& Machine::backend_for(const Case& point) {
  if (point.device == Device::cpu) {
    if (!impl_->cpu) impl_->cpu = make_cpu_backend(impl_->threads);
    return *impl_->cpu;
  }
  if (gpus() == 0) throw MeasureError("no GPU: " + gpu_reason());
  if (point.device_index >= gpus())
    throw MeasureError(fmt::format("no GPU {}: there are {}, counted from 0", point.device_index, gpus()));
  if (uses_all_gpus(point)) {
    if (!impl_->all_gpus) {
      std::vector<int> ordinals(std::size_t(gpus()), 0);
      std::iota(ordinals.begin(), ordinals.end(), 0);
      impl_->all_gpus = make_cuda_backend(ordinals);
    }
    return *impl_->all_gpus;
  }
  auto& backend = impl_->one_gpu[point.device_index];
  if (!backend) backend = make_cuda_backend({point.device_index});
  return *backend;
}

std::vector<std::unique_ptr<TelemetrySource>> Machine::telemetry_for(const Case& point) {
  std::vector<std::unique_ptr<TelemetrySource>> out;
  if (point.device == Device::cpu) {
    std::vector<int> cores = process_cores();
    if (point.core >= 0 && point.core < int(cores.size())) cores = {cores[std::size_t(point.core)]};
    cores.resize(std::min(cores.size(), std::size_t(std::max(1, threads()))));
    out.push_back(cpu_telemetry(cores));
    return out;
  }
  const Nvml* nvml = impl_->nvml_of_gpus();
  const int first = uses_all_gpus(point) ? 0 : point.device_index;
  const int last = uses_all_gpus(point) ? gpus() - 1 : first;
  for (int ordinal = first; nvml && ordinal <= last; ++ordinal)
    if (auto source = gpu_telemetry(*nvml, "gpu" + std::to_string(ordinal), gpu_pci_bus_id(ordinal)))
      out.push_back(std::move(source));
  return out;
}

std::vector<int> Machine::cores_beside(const Case& point) const {
  return spare_cores(point.device == Device::cpu ? threads() : 1);
}

Target Machine::target_for(const Case& point) { return backend_for(point).target(); }

}  // namespace assay
