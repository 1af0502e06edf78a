#include "kernels/attention/sm80/mma_backward.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace assay {
namespace {

constexpr std::int64_t kMaxGridYZ = 65535;

std::int64_t tiles_of(std::int64_t rows, int per_tile) { return (rows + per_tile - 1) / per_tile; }

struct Names {
  const char *prepare, *main, *convert, *dq;
};

AttentionBackwardSm80Params params_of(const AttentionProblem& problem, const AttentionBuffers& buffers,
                                      const AttentionBackwardSm80Workspace& workspace) {
  AttentionBackwardSm80Params p;
  p.q = buffers.q, p.k = buffers.k, p.v = buffers.v, p.o = buffers.o, p.d_o = buffers.d_o, p.lse = buffers.lse;
  p.dq = buffers.dq, p.dk = buffers.dk, p.dv = buffers.dv;
  if (problem.packed()) p.q_offsets = buffers.q_offsets, p.kv_offsets = buffers.kv_offsets;
  p.lse_log2 = workspace.lse_log2, p.delta = workspace.delta;
  if (!problem.deterministic) p.dq_sum = workspace.dq_sum;
  p.lse_head_stride = problem.packed() ? problem.all_queries() : problem.seq_q;
  p.heads = static_cast<std::int32_t>(problem.heads);
  p.kv_heads = static_cast<std::int32_t>(problem.kv_heads);
  p.group = static_cast<std::int32_t>(problem.group());
  p.seq_q = static_cast<std::int32_t>(problem.seq_q);
  p.seq_kv = static_cast<std::int32_t>(problem.seq_kv);
  p.causal = problem.causal ? 1 : 0;
  if (problem.window > 0) p.window = static_cast<std::int32_t>(std::min<std::int64_t>(problem.window, p.window));
  constexpr double kLog2E = 1.4426950408889634;
  p.scale = static_cast<float>(problem.scale());
  p.scale_log2 = static_cast<float>(kLog2E * problem.scale());
  return p;
}

template <int HeadDim, int ValueDim>
std::vector<AttentionBackwardSm80Plan> plans_of(const AttentionProblem& problem,
                                                const AttentionBackwardSm80Params& params, const Names& names) {
  using Rows = MmaSm80BackwardRows<HeadDim, ValueDim>;
  using Main = MmaSm80BackwardTile<HeadDim, ValueDim>;
  using Dq = MmaSm80DqTile<HeadDim, ValueDim>;
  std::vector<AttentionBackwardSm80Plan> plans;
  const auto add = [&](const char* name, std::int64_t tiles, std::int64_t heads, int threads, std::size_t shared) {
    if (tiles == 0) return;  // no sequence has any
    AttentionBackwardSm80Plan plan;
    plan.kernel = name;
    plan.grid = {static_cast<unsigned>(tiles), static_cast<unsigned>(heads), static_cast<unsigned>(problem.batch)};
    plan.block = {static_cast<unsigned>(threads), 1, 1};
    plan.shared_bytes = static_cast<unsigned>(shared);
    plan.params = params;
    plans.push_back(plan);
  };
  const std::int64_t blocks = tiles_of(problem.seq_q, kDqBlock);
  add(names.prepare, blocks, problem.heads, Rows::kPrepareThreads, 0);
  add(names.main, tiles_of(problem.seq_kv, Main::kKeys), problem.kv_heads, Main::kThreads,
      sizeof(typename Main::Shared));
  if (problem.deterministic)
    add(names.dq, tiles_of(problem.seq_q, Dq::kQueries), problem.heads, Dq::kThreads, sizeof(typename Dq::Shared));
  else
    add(names.convert, blocks, problem.heads, Rows::kConvertThreads, 0);
  return plans;
}

/// Two rows of mma_backward.cu's instances.
struct Instance {
  std::int64_t head_dim, value_dim;
  std::size_t main_shared_bytes;
  Names bf16, f16;
  std::vector<AttentionBackwardSm80Plan> (*plans)(const AttentionProblem&, const AttentionBackwardSm80Params&,
                                                  const Names&);
};

#define ASSAY_NAMES(suffix)                                                                     \
  {                                                                                             \
    "attention_mma_sm80_backward_prepare_" suffix, "attention_mma_sm80_backward_" suffix,       \
        "attention_mma_sm80_backward_convert_" suffix, "attention_mma_sm80_backward_dq_" suffix \
  }
#define ASSAY_INSTANCE(head_dim, value_dim, suffix)                                                             \
  {                                                                                                             \
    head_dim, value_dim, sizeof(MmaSm80BackwardTile<head_dim, value_dim>::Shared), ASSAY_NAMES("bf16_" suffix), \
        ASSAY_NAMES("f16_" suffix), plans_of<head_dim, value_dim>                                               \
  }
constexpr Instance kInstances[] = {
    ASSAY_INSTANCE(64, 64, "d64"),         ASSAY_INSTANCE(96, 96, "d96"),    ASSAY_INSTANCE(128, 128, "d128"),
    ASSAY_INSTANCE(192, 128, "d192_v128"), ASSAY_INSTANCE(256, 256, "d256"),
};
#undef ASSAY_INSTANCE
#undef ASSAY_NAMES

const Instance* find_instance(const AttentionProblem& problem) {
  for (const Instance& instance : kInstances)
    if (instance.head_dim == problem.head_dim && instance.value_dim == problem.value_dim()) return &instance;
  return nullptr;
}

}  // namespace

Support attention_mma_sm80_backward_support(const AttentionProblem& problem, const Target& target) {
  // Positions are 32-bit, and query + seq_kv + a tile must not overflow.
  constexpr std::int64_t kLongest = std::int64_t(1) << 29;
  AttentionFeatures features;
  features.packed = features.window = features.value_dim = features.backward = features.deterministic = true;
  if (target.compute_capability < 80)
    return Support::no("needs sm_80 or later (cp.async, bf16 mma), the device is sm_" +
                       std::to_string(target.compute_capability));
  if (const Support has = supports_features(problem, features); !has.ok()) return has;
  if (problem.dtype != DType::bf16 && problem.dtype != DType::f16) return Support::no("backward takes bf16 and f16");
  const Instance* instance = find_instance(problem);
  if (instance == nullptr)
    return Support::no("backward has head_dim 64, 96, 128, 256, and 192 with values of 128, not " +
                       std::to_string(problem.head_dim) + " with values of " + std::to_string(problem.value_dim()));
  if (problem.seq_q >= kLongest || problem.seq_kv >= kLongest)
    return Support::no("sequences must be shorter than 2^29");
  if (problem.packed() && (problem.all_queries() >= kLongest || problem.all_keys() >= kLongest))
    return Support::no("packed sequences must have fewer than 2^29 rows together");
  if (problem.heads > kMaxGridYZ || problem.batch > kMaxGridYZ)
    return Support::no("more than 65535 heads or sequences");
  const std::size_t shared = instance->main_shared_bytes;
  if (target.shared_bytes_per_block < shared)
    return Support::no("backward needs " + std::to_string(shared) + " bytes of shared memory a block, the device has " +
                       std::to_string(target.shared_bytes_per_block));
  return Support::yes();
}

AttentionBackwardSm80WorkspaceSizes attention_mma_sm80_backward_workspace(const AttentionProblem& problem) {
  // As locate_sequence counts them: packed sequences have one block of room each for their ragged ends.
  const std::int64_t blocks = problem.packed() ? problem.all_queries() / kDqBlock + problem.batch
                                               : problem.batch * tiles_of(problem.seq_q, kDqBlock);
  AttentionBackwardSm80WorkspaceSizes sizes;
  sizes.lse_log2 = sizes.delta = problem.lse_elements();
  if (!problem.deterministic) sizes.dq_sum = blocks * problem.heads * kDqBlock * problem.head_dim;
  return sizes;
}

std::vector<AttentionBackwardSm80Plan> attention_mma_sm80_backward_plans(
    const AttentionProblem& problem, const AttentionBuffers& buffers, const AttentionBackwardSm80Workspace& workspace) {
  const AttentionBackwardSm80Params params = params_of(problem, buffers, workspace);
  const Instance* instance = find_instance(problem);
  if (instance == nullptr) throw std::logic_error("attention backward was planned for a problem that it refuses");
  return instance->plans(problem, params, problem.dtype == DType::bf16 ? instance->bf16 : instance->f16);
}

}  // namespace assay
