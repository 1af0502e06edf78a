#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "harness/backends/cores.h"
#include "harness/core/error.h"
#include "harness/runner/gpu_share.h"
#include "harness/runner/runner.h"

namespace assay {
namespace {

/// What has several ranks is one case of all GPUs that this process drives; everything else runs on the one it names.
bool uses_all_gpus(const Case& point) { return point.number_or("ranks", 1) != 1; }

}  // namespace

struct Machine::Impl {
  int threads = 1;
  GpuProbe gpus;
  std::vector<int> own;  // this rank's GPUs, where there are several ranks
  nlohmann::ordered_json rank_gpus = nlohmann::ordered_json::array();
  std::unique_ptr<Backend> cpu;
  std::map<std::vector<int>, std::unique_ptr<Backend>> of_gpus;  // by ordinals
  std::optional<Nvml> nvml;                                      // kept: to start it may take a second
  bool nvml_tried = false;

  const Nvml* nvml_of_gpus() {
    std::string reason;
    if (!std::exchange(nvml_tried, true)) nvml = Nvml::load(reason);
    return nvml ? &*nvml : nullptr;
  }

  /// The GPUs that a case uses, as CUDA counts them.
  std::vector<int> ordinals(const Case& point) const {
    if (!own.empty()) return {own.at(uses_all_gpus(point) ? 0 : std::size_t(point.device_index))};
    if (!uses_all_gpus(point)) return {point.device_index};
    std::vector<int> all(std::size_t(gpus.count), 0);
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
};

Machine::Machine(int threads) : impl_(std::make_unique<Impl>()) {
  impl_->threads = threads > 0 ? threads : available_threads();
  impl_->gpus = probe_gpus();
}

Machine::~Machine() = default;

void Machine::share_gpus(Communicator& communicator) {
  if (communicator.size() == 1) return;
  RankGpus ranks = assay::share_gpus(communicator, impl_->gpus.count);
  if (ranks.share.ordinals.empty() && ranks.share.problem.empty()) return;  // nobody sees one
  if (ranks.share.problem.empty()) impl_->own = ranks.share.ordinals[std::size_t(communicator.rank())];
  impl_->gpus = {std::max(1, int(impl_->own.size())), ranks.share.problem};
  impl_->rank_gpus = std::move(ranks.provenance);
}

int Machine::gpus() const { return impl_->gpus.count; }
const std::string& Machine::gpu_reason() const { return impl_->gpus.reason; }
const nlohmann::ordered_json& Machine::rank_gpus() const { return impl_->rank_gpus; }
int Machine::threads() const { return impl_->threads; }

void Machine::expect_gpus_for(const Suite& suite) const {
  const bool on_gpus = std::any_of(suite.cases.begin(), suite.cases.end(),
                                   [](const Case& point) { return point.device == Device::gpu; });
  if (on_gpus && gpus() > 0 && !gpu_reason().empty()) throw MeasureError(gpu_reason());
}

std::string Machine::device_name(const Case& point) const {
  if (point.device == Device::cpu || impl_->own.empty()) return point.device_name();
  return fmt::format("gpu{}", impl_->ordinals(point).front());
}

Backend& Machine::backend_for(const Case& point) {
  if (point.device == Device::cpu) {
    if (!impl_->cpu) impl_->cpu = make_cpu_backend(impl_->threads);
    return *impl_->cpu;
  }
  if (gpus() == 0) throw MeasureError("no GPU: " + gpu_reason());
  if (!gpu_reason().empty()) throw MeasureError(gpu_reason());
  if (point.device_index >= gpus())
    throw MeasureError(fmt::format("no GPU {}: there are {}, counted from 0", point.device_index, gpus()));
  const std::vector<int> ordinals = impl_->ordinals(point);
  auto& backend = impl_->of_gpus[ordinals];
  if (!backend)
    backend = make_cuda_backend(ordinals, impl_->own.empty() ? LaunchesMeet::nobody : LaunchesMeet::other_processes);
  return *backend;
}

std::string Machine::fault() {
  for (const auto& [ordinals, backend] : impl_->of_gpus)
    if (const std::string fault = backend ? backend->fault() : std::string(); !fault.empty()) return fault;
  return {};
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
  if (!nvml) return out;
  for (const int ordinal : impl_->ordinals(point))
    if (auto source = gpu_telemetry(*nvml, "gpu" + std::to_string(ordinal), gpu_pci_bus_id(ordinal)))
      out.push_back(std::move(source));
  return out;
}

std::vector<int> Machine::cores_beside(const Case& point) const {
  return spare_cores(point.device == Device::cpu ? threads() : 1);
}

Target Machine::target_for(const Case& point) { return backend_for(point).target(); }

}  // namespace assay
