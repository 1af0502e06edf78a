// What every workload over a kernel table does the same way.
#pragma once
#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

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

/// For workloads of one device: refuses several processes, another device, an unknown dtype; then asks the kernel.
template <class Kernel, class Problem>
Support kernel_supports(const std::vector<Kernel>& kernels, const Case& point, const Problem& problem,
                        const Target& target, const Communicator& communicator) {
  if (communicator.size() > 1) return Support::no("measures one device: run it without an MPI launcher");
  const Kernel* kernel = find_row(kernels, point.kernel);
  if (!kernel) return Support::no("no kernel " + point.kernel + " in this build");
  if (kernel->device != target.device)
    return Support::no(point.kernel + " runs on a " + name(kernel->device) + ", not on a " + name(target.device));
  if (std::find(kernel->dtypes.begin(), kernel->dtypes.end(), point.dtype) == kernel->dtypes.end())
    return Support::no(point.kernel + " has no " + std::string(name(point.dtype)));
  return kernel->supports(problem, target);
}

}  // namespace assay
