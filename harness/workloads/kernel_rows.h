// What every workload over a kernel table does the same way.
#pragma once
#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/backends/backend.h"
#include "harness/communicators/communicator.h"
#include "harness/core/case.h"
#include "harness/workloads/workload.h"

namespace assay {

template <class Kernel>
std::vector<KernelSpec> kernel_specs(const std::vector<Kernel>& kernels) {
  std::vector<KernelSpec> specs;
  for (const auto& kernel : kernels) specs.push_back({kernel.name, kernel.device, kernel.vendor, kernel.dtypes});
  return specs;
}

template <class Kernel>
const Kernel* find_row(const std::vector<Kernel>& kernels, const std::string& name) {
  const auto found = std::find_if(kernels.begin(), kernels.end(), [&](const Kernel& k) { return k.name == name; });
  return found == kernels.end() ? nullptr : &*found;
}

template <class Kernel>
const Kernel& kernel_named(const std::vector<Kernel>& kernels, const std::string& name) {
  if (const Kernel* kernel = find_row(kernels, name)) return *kernel;
  throw std::logic_error("no kernel " + name + " in this table");
}

/// Refuses another device and an unknown dtype; then asks the kernel.
template <class Kernel, class Problem>
Support kernel_supports(const std::vector<Kernel>& kernels, const Case& point, const Problem& problem,
                        const Target& target) {
  const Kernel* kernel = find_row(kernels, point.kernel);
  if (!kernel) return Support::no("no kernel " + point.kernel + " in this build");
  if (kernel->device != target.device)
    return Support::no(point.kernel + " runs on a " + name(kernel->device) + ", not on a " + name(target.device));
  if (std::find(kernel->dtypes.begin(), kernel->dtypes.end(), point.dtype) == kernel->dtypes.end())
    return Support::no(point.kernel + " has no " + std::string(name(point.dtype)));
  return kernel->supports(problem, target);
}

/// For workloads of one device: refuses several processes as well.
template <class Kernel, class Problem>
Support kernel_supports(const std::vector<Kernel>& kernels, const Case& point, const Problem& problem,
                        const Target& target, const Communicator& communicator) {
  if (communicator.size() > 1) return Support::no("measures one device: run it without an MPI launcher");
  return kernel_supports(kernels, point, problem, target);
}

/// What a prepared case of one kernel on one device is, whatever it computes.
template <class Problem, class Buffers>
class SingleDeviceWorkload : public Workload {
 public:
  int sets() const final { return sets_; }
  void launch(int set) final { operation_->launch(buffers_[std::size_t(set)], backend_.stream()); }
  bool probe_placement() const final {
    return backend_.target().device == Device::cpu && backend_.target().threads > 1;
  }
  std::string description() const override { return operation_->description(); }

 protected:
  SingleDeviceWorkload(const Case& point, Backend& backend, const Problem& problem, std::size_t set_bytes)
      : point_(point), backend_(backend), problem_(problem), sets_(rotation_sets(point, set_bytes, backend)) {}

  /// Once buffers_ has every set.  A library may tune on them: poison or restore outputs afterwards.
  void prepare(const Kernel<Problem, Buffers>& kernel) {
    operation_ = kernel.prepare(problem_, backend_.target(), buffers_, backend_.stream());
    backend_.synchronize();
  }

  const Case point_;
  Backend& backend_;
  const Problem problem_;
  const int sets_;
  std::vector<Buffers> buffers_;

 private:
  std::unique_ptr<Operation<Buffers>> operation_;
};

/// Gives the workload its kernels: `Prepared` is its SingleDeviceWorkload, `problem_of` reads a case.
template <class Prepared, class Row, class ProblemOf>
void use_kernels(WorkloadKind& kind, const std::vector<Row>& kernels, ProblemOf problem_of) {
  kind.kernels = kernel_specs(kernels);
  kind.supports = [&kernels, problem_of](const Case& point, const Target& target, const Communicator& communicator) {
    return kernel_supports(kernels, point, problem_of(point), target, communicator);
  };
  kind.explain = [&kernels, problem_of](const Case& point, const Target& target) {
    const Row& kernel = kernel_named(kernels, point.kernel);
    return kernel.explain ? kernel.explain(problem_of(point), target) : std::string();
  };
  kind.make = [&kernels](const Case& point, WorkloadContext& context) -> std::unique_ptr<Workload> {
    return std::make_unique<Prepared>(point, context, kernel_named(kernels, point.kernel));
  };
}

}  // namespace assay
