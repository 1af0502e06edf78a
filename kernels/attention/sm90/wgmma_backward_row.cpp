// The backward pass of wgmma_sm90 in the table of attention kernels.
#include <map>
#include <memory>
#include <stdexcept>
#include <utility>

#include "kernels/attention/cuda/kernel_rows.h"
#include "kernels/attention/sm90/wgmma_backward.h"
#include "kernels/attention/sm90/wgmma_backward_kernels.h"
#include "kernels/common/cuda_launch.h"
#include "kernels/common/device_memory.h"

namespace assay {
namespace {

/// Tensor maps hold addresses, so that every set of buffers has its own plans, encoded beforehand.
class Backward final : public AttentionOperation {
 public:
  Backward(const AttentionProblem& problem, const Target& target, const std::vector<AttentionBuffers>& sets)
      : workspace_(device_memory(wgmma_sm90_backward_workspace_bytes(problem))) {
    const TensorMapEncoder encode = driver_tensor_map_encoder();
    for (const AttentionBuffers& set : sets)
      prepared_.emplace(key_of(set), Prepared{set, plan_wgmma_sm90_backward(problem, set, workspace_.get(), encode)});
    const auto& plans = prepared_.at(key_of(sets.front())).plans;
    for (std::size_t i = 0; i < plans.size(); ++i) {
      kernels_[i] = find_wgmma_sm90_backward(plans[i]);
      allow_shared_bytes(reinterpret_cast<const void*>(kernels_[i]), plans[i].shared_bytes);
    }
    description_ = explain_wgmma_sm90_backward(problem, target);
  }

  void launch(const AttentionBuffers& buffers, Stream stream) override {
    const auto found = prepared_.find(key_of(buffers));
    if (found == prepared_.end() || !same(found->second.buffers, buffers))
      throw std::runtime_error("a kernel was launched on buffers that it was not prepared for");
    for (std::size_t i = 0; i < kernels_.size(); ++i)
      if (found->second.plans[i].grid.x > 0) launch_kernel(kernels_[i], found->second.plans[i], stream);
  }

  std::string description() const override { return description_; }

 private:
  // Layers of a model write one dq.
  using Key = std::pair<const void*, const void*>;
  static Key key_of(const AttentionBuffers& set) { return {set.dq, set.q}; }
  struct Prepared {
    AttentionBuffers buffers;
    std::array<WgmmaSm90BackwardPlan, 3> plans;
  };
  static bool same(const AttentionBuffers& a, const AttentionBuffers& b) {
    return a.q == b.q && a.k == b.k && a.v == b.v && a.o == b.o && a.lse == b.lse && a.d_o == b.d_o && a.dk == b.dk &&
           a.dv == b.dv && a.q_offsets == b.q_offsets && a.kv_offsets == b.kv_offsets;
  }

  DeviceMemory workspace_;
  std::array<WgmmaSm90BackwardKernel, 3> kernels_{};
  std::map<Key, Prepared> prepared_;
  std::string description_;
};

}  // namespace

AttentionPassKernel attention_wgmma_sm90_backward() {
  AttentionPassKernel pass;
  pass.supports = supports_wgmma_sm90_backward;
  pass.explain = explain_wgmma_sm90_backward;
  pass.prepare = [](const AttentionProblem& problem, const Target& target, const std::vector<AttentionBuffers>& sets,
                    Stream) { return std::make_unique<Backward>(problem, target, sets); };
  return pass;
}

}  // namespace assay
