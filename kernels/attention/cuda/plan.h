// The launch of an attention kernel whose blocks own one query tile each, and the problems such a kernel takes.
// C++17, no CUDA.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "kernels/attention/attention.h"
#include "kernels/attention/cuda/params.h"
#include "kernels/common/launch_plan.h"

namespace assay {

/// Largest grid size in y and z.
inline constexpr std::int64_t kMaxGridYZ = 65535;

/// Queries of the longest sequence.
inline std::int64_t attention_longest_queries(const AttentionProblem& problem) {
  if (!problem.packed()) return problem.seq_q;
  std::int64_t longest = 0;
  for (std::int64_t b = 0; b < problem.batch; ++b) longest = std::max(longest, problem.queries(b));
  return longest;
}
/// At least one, so that no grid is empty: a block without queries leaves.
inline std::int64_t attention_query_tiles(const AttentionProblem& problem, int queries_per_block) {
  return std::max<std::int64_t>(1, (attention_longest_queries(problem) + queries_per_block - 1) / queries_per_block);
}
/// How many times the batch is folded into the grid's x (see locate_block in block.cuh).
inline std::int64_t attention_batch_folds(const AttentionProblem& problem) {
  return (problem.batch + kMaxGridYZ - 1) / kMaxGridYZ;
}

template <class Tile>
LaunchPlan<AttentionKernelParams> attention_plan(const char* kernel, const AttentionProblem& problem,
                                                 const AttentionBuffers& buffers) {
  LaunchPlan<AttentionKernelParams> plan;
  plan.kernel = kernel;
  const std::int64_t query_tiles = attention_query_tiles(problem, Tile::kQueries),
                     folds = attention_batch_folds(problem);
  plan.grid = {static_cast<unsigned>(query_tiles * folds), static_cast<unsigned>(problem.heads),
               static_cast<unsigned>((problem.batch + folds - 1) / folds)};
  plan.block = {Tile::kThreads, 1, 1};
  plan.shared_bytes = sizeof(typename Tile::Shared);
  AttentionKernelParams& p = plan.params;
  p.q = buffers.q, p.k = buffers.k, p.v = buffers.v, p.o = buffers.o, p.lse = buffers.lse;
  p.q_offsets = problem.packed() ? buffers.q_offsets : nullptr;
  p.kv_offsets = problem.packed() ? buffers.kv_offsets : nullptr;
  p.lse_head_stride = problem.packed() ? problem.all_queries() : problem.seq_q;
  p.heads = static_cast<std::int32_t>(problem.heads);
  p.kv_heads = static_cast<std::int32_t>(problem.kv_heads);
  p.group = p.heads / p.kv_heads;
  p.seq_q = static_cast<std::int32_t>(problem.seq_q);
  p.seq_kv = static_cast<std::int32_t>(problem.seq_kv);
  p.causal = problem.causal ? 1 : 0;
  p.window =
      problem.window > 0 ? static_cast<std::int32_t>(std::min<std::int64_t>(problem.window, kNoWindow)) : kNoWindow;
  p.query_tiles = static_cast<std::int32_t>(query_tiles);
  p.batch = static_cast<std::int32_t>(problem.batch);
  constexpr double kLog2E = 1.4426950408889634;
  p.scale_log2 = static_cast<float>(kLog2E / std::sqrt(static_cast<double>(problem.head_dim)));
  return plan;
}

/// What every kernel launched by attention_plan refuses, head_dim apart.  `shared_bytes` is of the problem's tile.
inline Support attention_cuda_support(const AttentionProblem& problem, const Target& target,
                                      const AttentionFeatures& features, int queries_per_block,
                                      std::size_t shared_bytes) {
  // Positions are 32-bit, and query + seq_kv + a tile must not overflow, nor position - kNoWindow.
  constexpr std::int64_t kLongest = std::int64_t(1) << 29, kMaxInt = std::numeric_limits<std::int32_t>::max();
  if (const Support has = supports_features(problem, features); !has.ok()) return has;
  if (problem.window > 0 && !problem.causal) return Support::no("a window needs causal");
  std::int64_t longest = std::max(problem.seq_q, problem.seq_kv);
  for (std::int64_t b = 0; problem.packed() && b < problem.batch; ++b)
    longest = std::max({longest, problem.queries(b), problem.keys(b)});
  if (longest >= kLongest) return Support::no("sequences must be shorter than 2^29");
  if (problem.packed() && std::max(problem.all_queries(), problem.all_keys()) > kMaxInt)
    return Support::no("packed sequences must be shorter than 2^31 together: their offsets have 32 bits");
  if (problem.heads > kMaxGridYZ) return Support::no("more than 65535 heads");
  if (problem.batch > kMaxInt - kMaxGridYZ ||
      attention_query_tiles(problem, queries_per_block) * attention_batch_folds(problem) > kMaxInt)
    return Support::no("batch * query tiles / 65535 must be below 2^31");
  if (target.shared_bytes_per_block < shared_bytes)
    return Support::no("needs " + std::to_string(shared_bytes) + " bytes of shared memory a block, the device has " +
                       std::to_string(target.shared_bytes_per_block));
  return Support::yes();
}

}  // namespace assay
