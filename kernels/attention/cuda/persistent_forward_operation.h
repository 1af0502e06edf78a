// A persistent forward pass (wgmma_sm90, tcgen05_sm100), made ready before the timed launches.  Host code.
#pragma once
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "kernels/attention/cuda/forward_schedule.h"
#include "kernels/attention/cuda/kernel_rows.h"
#include "kernels/common/cuda_launch.h"
#include "kernels/common/device_memory.h"
#include "kernels/common/tensor_map.h"

namespace assay {

/// Tensor maps hold addresses, so that every set of buffers has its own plan, encoded beforehand.
template <class Params>
class PersistentForwardOperation final : public AttentionOperation {
 public:
  using Plan = LaunchPlan<Params>;
  using Function = void (*)(Params);
  using Planner = Plan (*)(const AttentionProblem&, const AttentionBuffers&, const Target&,
                           const AttentionQueryTile* tiles, TensorMapEncoder);
  using Finder = Function (*)(const AttentionProblem&, const Plan&);

  /// `tiles`: packed_query_tiles(); empty where sequences are not packed.
  PersistentForwardOperation(Planner make_plan, Finder find, const AttentionProblem& problem, const Target& target,
                             const std::vector<AttentionBuffers>& sets, const std::vector<AttentionQueryTile>& tiles,
                             std::string description)
      : description_(std::move(description)) {
    if (problem.all_queries() == 0) return;  // nothing to write
    tiles_ = to_device(tiles);
    const TensorMapEncoder encode = driver_tensor_map_encoder();
    const auto* on_device = static_cast<const AttentionQueryTile*>(tiles_.get());
    for (const AttentionBuffers& set : sets)
      prepared_.emplace(set.o, Prepared{set, make_plan(problem, set, target, on_device, encode)});
    const Plan& plan = prepared_.begin()->second.plan;
    kernel_ = find(problem, plan);
    allow_shared_bytes(reinterpret_cast<const void*>(kernel_), plan.shared_bytes);
  }

  void launch(const AttentionBuffers& buffers, Stream stream) override {
    if (!kernel_) return;
    const auto found = prepared_.find(buffers.o);
    if (found == prepared_.end() || !same(found->second.buffers, buffers))
      throw std::runtime_error("a kernel was launched on buffers that it was not prepared for");
    launch_kernel(kernel_, found->second.plan, stream);
  }

  std::string description() const override { return description_; }

 private:
  struct Prepared {
    AttentionBuffers buffers;
    Plan plan;
  };
  static bool same(const AttentionBuffers& a, const AttentionBuffers& b) {
    return a.q == b.q && a.k == b.k && a.v == b.v && a.o == b.o && a.lse == b.lse && a.q_scale == b.q_scale &&
           a.k_scale == b.k_scale && a.v_scale == b.v_scale;
  }

  DeviceMemory tiles_;
  std::map<const void*, Prepared> prepared_;  // by o; small problems have a thousand sets
  Function kernel_ = nullptr;
  std::string description_;
};

}  // namespace assay
