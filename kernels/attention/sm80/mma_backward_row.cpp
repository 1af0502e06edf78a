// mma_sm80's backward pass in the table of attention kernels.
#include <memory>
#include <string>

#include "kernels/attention/cuda/kernel_rows.h"
#include "kernels/attention/sm80/mma_backward.h"
#include "kernels/common/device_memory.h"

namespace assay {
namespace {

DeviceMemory device_floats(std::int64_t count) {
  return device_memory(static_cast<std::size_t>(count) * sizeof(float));
}

float* floats(const DeviceMemory& memory) { return static_cast<float*>(memory.get()); }

/// The workspaces are one problem's: launches on different streams at once would share them.
class BackwardOperation final : public AttentionOperation {
 public:
  explicit BackwardOperation(const AttentionProblem& problem)
      : problem_(problem), sizes_(attention_mma_sm80_backward_workspace(problem)) {
    prepare_attention_mma_sm80_backward(attention_mma_sm80_backward_plans(problem, {}, {}));
    lse_log2_ = device_floats(sizes_.lse_log2), delta_ = device_floats(sizes_.delta);
    dq_sum_ = device_floats(sizes_.dq_sum);
  }

  void launch(const AttentionBuffers& buffers, Stream stream) override {
    launch_attention_mma_sm80_backward(
        attention_mma_sm80_backward_plans(problem_, buffers, {floats(lse_log2_), floats(delta_), floats(dq_sum_)}),
        stream);
  }

 private:
  AttentionProblem problem_;
  AttentionBackwardSm80WorkspaceSizes sizes_;
  DeviceMemory lse_log2_, delta_, dq_sum_;
};

std::string explain(const AttentionProblem& problem, const Target&) {
  const AttentionBackwardSm80WorkspaceSizes sizes = attention_mma_sm80_backward_workspace(problem);
  const std::int64_t bytes = (sizes.lse_log2 + sizes.delta + sizes.dq_sum) * std::int64_t(sizeof(float));
  return std::string(problem.deterministic ? "dq by a kernel of its own (7 products), " : "dq by atomic additions, ") +
         std::to_string(bytes) + " bytes of workspace";
}

}  // namespace

AttentionPassKernel attention_mma_sm80_backward() {
  return {attention_mma_sm80_backward_support,
          [](const AttentionProblem& problem, const Target&, const std::vector<AttentionBuffers>&, Stream) {
            return std::make_unique<BackwardOperation>(problem);
          },
          explain};
}

}  // namespace assay
