// Kernels built on wgmma.cuh, made ready before the timed launches.  Host code.
#pragma once
#include <array>
#include <map>
#include <stdexcept>

#include "kernels/common/cuda_launch.h"
#include "kernels/common/device_memory.h"
#include "kernels/gemm/sm90/wgmma.h"

namespace assay {

/// Clusters of the plan's kernel that fit the device at once: fewer than multiprocessors / size where a part of the
/// device has an odd number of them, or part of it is taken.
template <class Params>
int resident_clusters(void (*kernel)(Params), const LaunchPlan<Params>& plan) {
  cudaLaunchAttribute cluster = {};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim = {plan.cluster.x, 1, 1};
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(plan.grid.x);
  config.blockDim = dim3(plan.block.x);
  config.dynamicSmemBytes = plan.shared_bytes;
  config.attrs = &cluster;
  config.numAttrs = 1;
  int clusters = 0;
  ASSAY_CHECK_CUDA(cudaOccupancyMaxActiveClusters(&clusters, reinterpret_cast<const void*>(kernel), &config));
  if (clusters < 1) throw std::runtime_error(std::string(plan.kernel) + ": no cluster fits this device");
  return clusters;
}

/// Tensor maps hold addresses, so that every set of buffers has its own plan, encoded beforehand.
template <class Params>
class WgmmaSm90Operation final : public GemmOperation {
 public:
  using Plan = LaunchPlan<Params>;
  using Function = void (*)(Params);
  using Planner = Plan (*)(const GemmProblem&, const GemmBuffers&, const Target&, const WgmmaSm90Workspace&,
                           TensorMapEncoder);
  using Finder = Function (*)(const GemmProblem&, const Plan&);

  WgmmaSm90Operation(Planner make_plan, Finder find, const GemmProblem& problem, Target target,
                     const std::vector<GemmBuffers>& sets, Stream stream) {
    const TensorMapEncoder encode = driver_tensor_map_encoder();
    Plan plan = make_plan(problem, sets.front(), target, {}, encode);
    kernel_ = find(problem, plan);
    allow_shared_bytes(reinterpret_cast<const void*>(kernel_), plan.shared_bytes);
    const int cluster_size = static_cast<int>(plan.cluster.x), fits = resident_clusters(kernel_, plan);
    if (fits * cluster_size < static_cast<int>(plan.grid.x)) {  // all clusters must run at once, or the last run alone
      target.multiprocessors = fits * cluster_size;
      plan = make_plan(problem, sets.front(), target, {}, encode);
      kernel_ = find(problem, plan);
      allow_shared_bytes(reinterpret_cast<const void*>(kernel_), plan.shared_bytes);
    }
    description_ = explain_wgmma_sm90(problem, target);
    const WgmmaSm90WorkspaceBytes bytes = workspace_of(choose_wgmma_sm90(problem, target));
    partial_sums_ = filled_device_memory(bytes.partial_sums, 0, stream);
    arrived_ = filled_device_memory(bytes.arrived, 0, stream);
    const WgmmaSm90Workspace workspace{static_cast<float*>(partial_sums_.get()),
                                       static_cast<unsigned*>(arrived_.get())};
    for (const GemmBuffers& set : sets)
      prepared_.emplace(key_of(set), make_plan(problem, set, target, workspace, encode));
  }

  void launch(const GemmBuffers& buffers, Stream stream) override {
    const auto found = prepared_.find(key_of(buffers));
    if (found == prepared_.end())
      throw std::runtime_error("a kernel was launched on buffers that it was not prepared for");
    launch_kernel(kernel_, found->second, stream);
  }

  std::string description() const override { return description_; }

 private:
  // Several sets may share any of the three: layers of a model write one d, gradients of one weight read one b.
  using Key = std::array<const void*, 3>;
  static Key key_of(const GemmBuffers& set) { return {set.d, set.a, set.b}; }

  Function kernel_ = nullptr;
  DeviceMemory partial_sums_, arrived_;
  std::map<Key, Plan> prepared_;  // small problems have a thousand sets
  std::string description_;
};

}  // namespace assay
