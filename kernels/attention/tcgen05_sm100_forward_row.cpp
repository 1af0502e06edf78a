// tcgen05_sm100 in the table of attention kernels: its forward pass.
#include <map>
#include <stdexcept>

#include "kernels/attention/cuda_kernel_rows.h"
#include "kernels/attention/tcgen05_sm100_forward.h"
#include "kernels/attention/tcgen05_sm100_forward_kernels.h"
#include "kernels/attention/wgmma_sm90_forward_model.h"
#include "kernels/common/cuda_check.h"
#include "kernels/common/cuda_copy.h"

namespace assay {
namespace {

struct FreeDeviceMemory {
  void operator()(AttentionQueryTile* memory) const { cudaFree(memory); }
};

std::unique_ptr<AttentionQueryTile, FreeDeviceMemory> to_device(const std::vector<AttentionQueryTile>& tiles) {
  if (tiles.empty()) return nullptr;
  void* memory = nullptr;
  const std::size_t bytes = tiles.size() * sizeof tiles[0];
  ASSAY_CHECK_CUDA(cudaMalloc(&memory, bytes));
  std::unique_ptr<AttentionQueryTile, FreeDeviceMemory> owner(static_cast<AttentionQueryTile*>(memory));
  copy_to_device(memory, tiles.data(), bytes);
  return owner;
}

/// Tensor maps hold addresses, so that every set of buffers has its own plan, encoded beforehand.
class ForwardOperation final : public AttentionOperation {
 public:
  ForwardOperation(const AttentionProblem& problem, const Target& target, const std::vector<AttentionBuffers>& sets)
      : description_(explain_tcgen05_sm100_forward(problem, target)) {
    if (problem.all_queries() == 0) return;  // nothing to write
    const std::vector<AttentionQueryTile> tiles = packed_query_tiles(problem, kSm100ForwardKeys, kSm100ForwardQueries);
    tiles_ = to_device(tiles);
    const TensorMapEncoder encode = driver_tensor_map_encoder();
    for (const AttentionBuffers& set : sets)
      prepared_.emplace(set.o, Prepared{set, plan_tcgen05_sm100_forward(problem, set, target, tiles_.get(), encode)});
    const Tcgen05Sm100ForwardPlan& plan = prepared_.begin()->second.plan;
    kernel_ = problem.dtype == DType::e4m3   ? find_tcgen05_forward_e4m3_sm100(plan)
              : problem.dtype == DType::bf16 ? find_tcgen05_forward_bf16_sm100(plan)
                                             : find_tcgen05_forward_f16_sm100(plan);
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
    Tcgen05Sm100ForwardPlan plan;
  };
  static bool same(const AttentionBuffers& a, const AttentionBuffers& b) {
    return a.q == b.q && a.k == b.k && a.v == b.v && a.o == b.o && a.lse == b.lse && a.q_scale == b.q_scale &&
           a.k_scale == b.k_scale && a.v_scale == b.v_scale;
  }

  std::unique_ptr<AttentionQueryTile, FreeDeviceMemory> tiles_;
  std::map<const void*, Prepared> prepared_;  // by o; small problems have a thousand sets
  Tcgen05Sm100ForwardKernel kernel_ = nullptr;
  std::string description_;
};

std::unique_ptr<AttentionOperation> prepare(const AttentionProblem& problem, const Target& target,
                                            const std::vector<AttentionBuffers>& sets, Stream) {
  return std::make_unique<ForwardOperation>(problem, target, sets);
}

}  // namespace

AttentionPassKernel attention_tcgen05_sm100_forward() {
  return {supports_tcgen05_sm100_forward, prepare, explain_tcgen05_sm100_forward};
}

}  // namespace assay
