#include <algorithm>
#include <map>
#include <numeric>

#include <fmt/format.h>

#include "harness/core/error.h"
#include "harness/runner/runner.h"

namespace assay {

struct Machine::Impl {
  int threads = 1;
  GpuProbe gpus;
  std::unique_ptr<Backend> cpu, all_gpus;
  std::map<int, std::unique_ptr<Backend>> one_gpu;
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
  // A collective between GPUs is one case of all GPUs of the node; everything else runs on the one it names.
  const bool of_ranks =
      std::any_of(point.axes.begin(), point.axes.end(), [](const auto& axis) { return axis.name == "ranks"; });
  if (of_ranks) {
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

Target Machine::target_for(const Case& point) { return backend_for(point).target(); }

}  // namespace assay
