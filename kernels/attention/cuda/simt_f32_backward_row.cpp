// simt_f32's backward pass in the table of attention kernels.
#include <memory>
#include <string>

#include "kernels/attention/cuda/kernel_rows.h"
#include "kernels/attention/cuda/simt_f32_backward.h"
#include "kernels/common/device_memory.h"

namespace assay {
namespace {

std::size_t workspace_bytes(const AttentionProblem& problem) {
  return static_cast<std::size_t>(problem.lse_elements()) * sizeof(float);
}

/// The workspace is one problem's: launches on different streams at once would share it.
class BackwardOperation final : public AttentionOperation {
 public:
  explicit BackwardOperation(const AttentionProblem& problem)
      : problem_(problem), delta_(device_memory(workspace_bytes(problem))) {
    prepare_attention_simt_f32_backward(attention_simt_f32_backward_plans(problem, {}, nullptr));
  }

  void launch(const AttentionBuffers& buffers, Stream stream) override {
    launch_attention_simt_f32_backward(
        attention_simt_f32_backward_plans(problem_, buffers, static_cast<float*>(delta_.get())), stream);
  }

 private:
  AttentionProblem problem_;
  DeviceMemory delta_;
};

std::string explain(const AttentionProblem& problem, const Target&) {
  return "dq by a kernel of its own (7 products), " + std::to_string(workspace_bytes(problem)) + " bytes of workspace";
}

}  // namespace

AttentionPassKernel attention_simt_f32_backward() {
  return {attention_simt_f32_backward_support,
          [](const AttentionProblem& problem, const Target&, const std::vector<AttentionBuffers>&, Stream) {
            return std::make_unique<BackwardOperation>(problem);
          },
          explain};
}

}  // namespace assay
