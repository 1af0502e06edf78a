#include "kernels/attention/cuda/simt_f32_backward.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

#include "kernels/attention/cuda/plan.h"

namespace assay {
namespace {

std::int64_t longest_keys(const AttentionProblem& problem) {
  std::int64_t longest = 0;
  for (std::int64_t b = 0; b < (problem.packed() ? problem.batch : 1); ++b)
    longest = std::max(longest, problem.keys(b));
  return longest;
}

/// At least one, so that no grid is empty: a block without keys leaves.
std::int64_t key_tiles(const AttentionProblem& problem, int keys_per_block) {
  return std::max<std::int64_t>(1, (longest_keys(problem) + keys_per_block - 1) / keys_per_block);
}

/// A row of simt_f32_backward.cu's instances.
struct Instance {
  std::int64_t head_dim;
  std::size_t shared_bytes;
  const char *delta, *keys, *queries;
  LaunchPlan<AttentionKernelParams> (*plan)(const char*, const AttentionProblem&, const AttentionBuffers&);
};

#define ASSAY_INSTANCE(head_dim)                                                                              \
  {                                                                                                           \
    head_dim, sizeof(SimtF32BackwardTile<head_dim>::Shared), "attention_simt_f32_backward_delta_d" #head_dim, \
        "attention_simt_f32_backward_keys_d" #head_dim, "attention_simt_f32_backward_queries_d" #head_dim,    \
        attention_plan<SimtF32BackwardTile<head_dim>>                                                         \
  }
constexpr Instance kInstances[] = {ASSAY_INSTANCE(64), ASSAY_INSTANCE(96), ASSAY_INSTANCE(128)};
#undef ASSAY_INSTANCE

constexpr int kKeysPerBlock = SimtF32BackwardTile<64>::kKeys, kQueriesPerBlock = SimtF32BackwardTile<64>::kQueries;

const Instance* find_instance(const AttentionProblem& problem) {
  for (const Instance& instance : kInstances)
    if (instance.head_dim == problem.head_dim) return &instance;
  return nullptr;
}

}  // namespace

Support attention_simt_f32_backward_support(const AttentionProblem& problem, const Target& target) {
  if (target.compute_capability < 80)
    return Support::no("backward needs sm_80 or later (cp.async), the device is sm_" +
                       std::to_string(target.compute_capability));
  AttentionFeatures features;
  features.packed = features.window = features.backward = features.deterministic = true;
  if (const Support has = supports_features(problem, features); !has.ok()) return has;
  const Instance* instance = find_instance(problem);
  if (instance == nullptr)
    return Support::no("backward has head_dim 64, 96 and 128, not " + std::to_string(problem.head_dim));
  if (const Support support =
          attention_cuda_support(problem, target, features, kQueriesPerBlock, instance->shared_bytes);
      !support.ok())
    return support;
  if (key_tiles(problem, kKeysPerBlock) * attention_batch_folds(problem) > std::numeric_limits<std::int32_t>::max())
    return Support::no("batch * key tiles / 65535 must be below 2^31");
  return Support::yes();
}

std::vector<AttentionSimtF32BackwardPlan> attention_simt_f32_backward_plans(const AttentionProblem& problem,
                                                                            const AttentionBuffers& buffers,
                                                                            float* delta) {
  const Instance* instance = find_instance(problem);
  if (instance == nullptr) throw std::logic_error("attention backward was planned for a problem that it refuses");
  const LaunchPlan<AttentionKernelParams> forward = instance->plan(instance->queries, problem, buffers);
  AttentionSimtF32BackwardPlan queries;
  queries.kernel = forward.kernel, queries.grid = forward.grid, queries.block = forward.block;
  queries.shared_bytes = forward.shared_bytes;
  AttentionSimtF32BackwardParams& p = queries.params;
  p.forward = forward.params;
  p.d_o = buffers.d_o, p.dq = buffers.dq, p.dk = buffers.dk, p.dv = buffers.dv;
  p.delta = delta;
  p.key_tiles = static_cast<std::int32_t>(key_tiles(problem, kKeysPerBlock));
  p.scale = static_cast<float>(problem.scale());

  AttentionSimtF32BackwardPlan deltas = queries, keys = queries;
  deltas.kernel = instance->delta, deltas.shared_bytes = 0;
  keys.kernel = instance->keys;
  keys.grid.x = static_cast<unsigned>(p.key_tiles * attention_batch_folds(problem));
  keys.grid.y = static_cast<unsigned>(problem.kv_heads);
  return {deltas, keys, queries};
}

}  // namespace assay
