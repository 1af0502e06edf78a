// A row of a layer operation's kernel table made of launch plans: what every CUDA row here is.  Host code; C++17.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/common/cuda_launch.h"
#include "kernels/common/device_memory.h"
#include "kernels/common/kernel.h"
#include "kernels/layer/cuda/plan.h"

namespace assay {

/// What differs from kernel to kernel.
template <class Problem, class Buffers, class Params>
struct CudaLayerKernel {
  using Plans = std::vector<LaunchPlan<Params>>;

  std::function<std::int64_t(const Problem&, const Target&)> workspace_bytes{};
  std::function<Plans(const Problem&, const Buffers&, void* workspace, const Target&)> plans{};
  /// What the workspace begins with; copied once, while preparing.  Null: nothing.
  std::function<std::vector<std::uint8_t>(const Problem&)> contents{};
  std::vector<NamedKernel<Params>> instances{};

  auto find(const char* name) const {
    for (const NamedKernel<Params>& row : instances)
      if (std::string(row.name) == name) return row.function;
    throw std::runtime_error(std::string("this build has no kernel ") + name);
  }
};

/// One after the other on the launch's stream.  The workspace is one problem's: launches on several streams at once
/// would share it.
template <class Problem, class Buffers, class Params>
class CudaLayerOperation final : public Operation<Buffers> {
 public:
  using LayerKernel = CudaLayerKernel<Problem, Buffers, Params>;

  CudaLayerOperation(LayerKernel kernel, Problem problem, const Target& target)
      : kernel_(std::move(kernel)),
        problem_(std::move(problem)),
        target_(target),
        workspace_(device_memory(
            kernel_.workspace_bytes ? static_cast<std::size_t>(kernel_.workspace_bytes(problem_, target_)) : 0)) {
    if (!kernel_.contents) return;
    const std::vector<std::uint8_t> contents = kernel_.contents(problem_);
    copy_to_device(workspace_.get(), contents.data(), contents.size());
  }

  void launch(const Buffers& buffers, Stream stream) override {
    for (const LaunchPlan<Params>& plan : kernel_.plans(problem_, buffers, workspace_.get(), target_)) {
      const auto function = kernel_.find(plan.kernel);
      allow_shared_bytes(reinterpret_cast<const void*>(function), plan.shared_bytes);
      launch_kernel(function, plan, stream);
    }
  }

 private:
  LayerKernel kernel_;
  Problem problem_;
  Target target_;
  DeviceMemory workspace_;
};

/// The row `vector_sm80`: ours, in 16-byte vectors, for every GPU from sm_80 on.
template <class Problem, class Buffers, class Params>
Kernel<Problem, Buffers> cuda_layer_row(CudaLayerKernel<Problem, Buffers, Params> kernel,
                                        std::function<Support(const Problem&, const Target&)> supports) {
  Kernel<Problem, Buffers> row;
  row.name = "vector_sm80";
  row.device = Device::gpu;
  row.dtypes = {DType::bf16, DType::f32};
  row.supports = [supports](const Problem& problem, const Target& target) {
    const Support device = supports_sm80(target);
    return device.ok() && supports ? supports(problem, target) : device;
  };
  row.prepare = [kernel](const Problem& problem, const Target& target, const std::vector<Buffers>&, Stream) {
    return std::make_unique<CudaLayerOperation<Problem, Buffers, Params>>(kernel, problem, target);
  };
  return row;
}

}  // namespace assay
