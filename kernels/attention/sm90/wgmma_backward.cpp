#include "kernels/attention/sm90/wgmma_backward.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>

namespace assay {
namespace {

constexpr int kRowThreads = 256;  // wgmma_sm90_backward::kRowThreads, of the kernels before and after
// (batch, kv head) pairs that run side by side: with 132 CTAs at a time eight share each query tile, so that DRAM
// delivers an eighth of what the CTAs read, and enough heads are left in the last section to fill its end.
constexpr std::int64_t kSectionHeads = 16;

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

std::int64_t queries_of_tile(const AttentionProblem& p) {
  return with_wgmma_sm90_backward_tile(p, [](auto tile) { return std::int64_t(tile.kQueries); });
}

std::int64_t query_tiles(const AttentionProblem& p) { return divide_up(p.seq_q, queries_of_tile(p)); }
std::int64_t keys_of_tile(const AttentionProblem& p) {
  return with_wgmma_sm90_backward_tile(p, [](auto tile) { return std::int64_t(tile.kKeys); });
}
std::int64_t key_tiles(const AttentionProblem& p) { return divide_up(p.seq_kv, keys_of_tile(p)); }

/// Of one head, over all sequences; those of packed ones begin as BackwardSchedule::sequence says.
std::int64_t all_query_tiles(const AttentionProblem& p) {
  return p.packed() ? p.all_queries() / queries_of_tile(p) + p.batch : p.batch * query_tiles(p);
}

/// The parts of the workspace; each begins at a multiple of 256 bytes.
struct Workspace {
  std::size_t lse_log2, delta, dq_sums, turns, tickets, end;

  explicit Workspace(const AttentionProblem& p) {
    const auto tiles = static_cast<std::size_t>(p.heads * all_query_tiles(p)),
               queries = tiles * static_cast<std::size_t>(queries_of_tile(p)),
               blocks = tiles * with_wgmma_sm90_backward_tile(
                                    p, [](auto tile) { return static_cast<std::size_t>(tile.kDqBlocks); });
    std::size_t next = 0;
    const auto place = [&](std::size_t bytes) {
      const std::size_t at = next;
      next = (next + bytes + 255) / 256 * 256;
      return at;
    };
    lse_log2 = place(queries * sizeof(float));
    delta = place(queries * sizeof(float));
    dq_sums = place(blocks * std::size_t(WgmmaSm90BackwardTile<64>::kBlockBytes));
    turns = place(blocks * sizeof(std::uint32_t));
    tickets = place(sizeof(std::uint32_t));
    end = next;
  }
};

BackwardSchedule schedule_of(const AttentionProblem& p, const AttentionBuffers& buffers) {
  BackwardSchedule s;
  s.q_offsets = buffers.q_offsets, s.kv_offsets = buffers.kv_offsets;
  s.seq_q = static_cast<std::int32_t>(p.seq_q), s.seq_kv = static_cast<std::int32_t>(p.seq_kv);
  s.batch = static_cast<std::int32_t>(p.batch);
  s.heads = static_cast<std::int32_t>(p.heads), s.kv_heads = static_cast<std::int32_t>(p.kv_heads);
  s.group = static_cast<std::int32_t>(p.group());
  s.query_tiles = static_cast<std::int32_t>(query_tiles(p));
  s.key_tiles = static_cast<std::int32_t>(key_tiles(p));
  s.all_query_tiles = static_cast<std::int32_t>(all_query_tiles(p));
  s.tile_keys = static_cast<std::int32_t>(keys_of_tile(p));
  s.section_heads = static_cast<std::int32_t>(kSectionHeads);
  s.causal = p.causal;
  s.window = p.causal ? static_cast<std::int32_t>(std::min<std::int64_t>(p.window, 1 << 30)) : 0;
  s.deterministic = p.deterministic;
  return s;
}

/// Of an array of `rows` rows a batch, each with `heads` times `dim` elements; not encoded where there are none, since
/// nothing is read then.
CUtensorMap map_of(TensorMapEncoder encode, const AttentionProblem& p, const void* base, std::int64_t rows,
                   std::int64_t heads, std::int64_t dim, std::int64_t box_rows) {
  if (rows == 0) return {};
  const auto element = static_cast<std::int64_t>(size_bytes(p.dtype));
  const std::int64_t head_bytes = dim * element, row_bytes = heads * head_bytes;
  return make_tensor_map(encode, tensor_map_type(p.dtype), base,
                         {{dim, element, 64},
                          {heads, head_bytes, 1},
                          {rows, row_bytes, static_cast<int>(box_rows)},
                          {p.packed() ? 1 : p.batch, rows * row_bytes, 1}});
}

bool aligned(const void* array) { return reinterpret_cast<std::uintptr_t>(array) % 16 == 0; }

WgmmaSm90BackwardParams params_of(const AttentionProblem& p, const AttentionBuffers& buffers, void* workspace,
                                  TensorMapEncoder encode) {
  for (const void* array : {buffers.q, buffers.k, buffers.v, static_cast<const void*>(buffers.o), buffers.d_o,
                            static_cast<const void*>(buffers.dq), static_cast<const void*>(buffers.dk),
                            static_cast<const void*>(buffers.dv)})
    if (!aligned(array)) throw std::runtime_error("wgmma_sm90 needs arrays aligned to 16 bytes");
  WgmmaSm90BackwardParams params{};
  const std::int64_t q_rows = p.packed() ? p.all_queries() : p.seq_q, k_rows = p.packed() ? p.all_keys() : p.seq_kv;
  params.map_q = map_of(encode, p, buffers.q, q_rows, p.heads, p.head_dim, queries_of_tile(p));
  params.map_d_o = map_of(encode, p, buffers.d_o, q_rows, p.heads, p.value_dim(), queries_of_tile(p));
  params.map_k = map_of(encode, p, buffers.k, k_rows, p.kv_heads, p.head_dim, keys_of_tile(p));
  params.map_v = map_of(encode, p, buffers.v, k_rows, p.kv_heads, p.value_dim(), keys_of_tile(p));
  params.head_dim = static_cast<std::int32_t>(p.head_dim), params.value_dim = static_cast<std::int32_t>(p.value_dim());
  params.schedule = schedule_of(p, buffers);
  params.o = buffers.o, params.d_o = buffers.d_o, params.lse = buffers.lse;
  params.lse_batch_stride = p.packed() ? 0 : p.heads * p.seq_q;
  params.lse_head_stride = p.packed() ? p.all_queries() : p.seq_q;
  params.dq = buffers.dq, params.dk = buffers.dk, params.dv = buffers.dv;
  const Workspace parts(p);
  auto* memory = static_cast<unsigned char*>(workspace);
  params.lse_log2 = reinterpret_cast<float*>(memory + parts.lse_log2);
  params.delta = reinterpret_cast<float*>(memory + parts.delta);
  params.dq_sums = reinterpret_cast<float*>(memory + parts.dq_sums);
  params.turns = reinterpret_cast<std::uint32_t*>(memory + parts.turns);
  params.tickets = reinterpret_cast<std::uint32_t*>(memory + parts.tickets);
  constexpr double kLog2E = 1.4426950408889634;
  params.scale = static_cast<float>(p.scale());
  params.scale_log2 = static_cast<float>(kLog2E * p.scale());
  return params;
}

struct Names {
  const char *before, *main, *after;
};
#define ASSAY_NAMES(instance)                                                                    \
  Names {                                                                                        \
    "attention_wgmma_sm90_backward_before_" instance, "attention_wgmma_sm90_backward_" instance, \
        "attention_wgmma_sm90_backward_after_" instance                                          \
  }
struct Instance {
  std::int64_t head_dim;  // of its tile
  Names bf16, f16;
};
constexpr Instance kInstances[] = {
    {64, ASSAY_NAMES("bf16_d64"), ASSAY_NAMES("f16_d64")},
    {128, ASSAY_NAMES("bf16_d128"), ASSAY_NAMES("f16_d128")},
    {192, ASSAY_NAMES("bf16_d192_v128"), ASSAY_NAMES("f16_d192_v128")},
    {256, ASSAY_NAMES("bf16_d256"), ASSAY_NAMES("f16_d256")},
};
#undef ASSAY_NAMES

Names names_of(const AttentionProblem& p) {
  const std::int64_t head_dim = with_wgmma_sm90_backward_tile(p, [](auto tile) { return std::int64_t(tile.kHeadDim); });
  for (const Instance& instance : kInstances)
    if (instance.head_dim == head_dim) return p.dtype == DType::bf16 ? instance.bf16 : instance.f16;
  throw std::logic_error("wgmma_sm90's backward pass was planned for a problem that it refuses");
}

}  // namespace

std::size_t wgmma_sm90_backward_workspace_bytes(const AttentionProblem& p) { return Workspace(p).end; }

std::array<WgmmaSm90BackwardPlan, 3> plan_wgmma_sm90_backward(const AttentionProblem& p,
                                                              const AttentionBuffers& buffers, void* workspace,
                                                              TensorMapEncoder encode) {
  const WgmmaSm90BackwardParams params = params_of(p, buffers, workspace, encode);
  const Names names = names_of(p);
  const auto row_blocks = static_cast<unsigned>(query_tiles(p) * p.heads * p.batch);
  std::array<WgmmaSm90BackwardPlan, 3> plans;
  for (WgmmaSm90BackwardPlan& plan : plans) plan.params = params, plan.block.x = kRowThreads;
  plans[0].kernel = names.before, plans[1].kernel = names.main, plans[2].kernel = names.after;
  plans[0].grid.x = std::max(1u, row_blocks);  // it sets tickets to zero too
  plans[1].grid.x = static_cast<unsigned>(params.schedule.units());
  plans[2].grid.x = row_blocks;
  with_wgmma_sm90_backward_tile(p, [&](auto tile) {
    using Tile = decltype(tile);
    plans[1].block.x = Tile::kThreads;
    plans[1].shared_bytes = sizeof(typename Tile::Shared);
    plans[2].block.x = 128 * Tile::kDqBlocks;
    plans[2].shared_bytes = Tile::kDqBlocks * Tile::kStagingBytes;
  });
  return plans;
}

Support supports_wgmma_sm90_backward(const AttentionProblem& p, const Target& target) {
  constexpr std::int64_t kLongest = std::int64_t(1) << 29, kMost = std::numeric_limits<std::int32_t>::max();
  if (target.compute_capability != 90) return Support::no("needs compute capability 9.0 (wgmma)");
  AttentionFeatures features;
  features.backward = features.deterministic = features.window = features.packed = features.value_dim = true;
  if (const Support lacks = supports_features(p, features); !lacks.ok()) return lacks;
  if (p.head_dim % 8 != 0 || p.value_dim() % 8 != 0 || p.head_dim > 256 || p.value_dim() > 256)
    return Support::no("head_dim " + std::to_string(p.head_dim) + " with values of " + std::to_string(p.value_dim()) +
                       ": the backward pass has multiples of 8 up to 256");
  if (p.seq_q >= kLongest || p.seq_kv >= kLongest || (p.packed() && std::max(p.all_queries(), p.all_keys()) > kMost))
    return Support::no("sequences must be shorter than 2^29");
  if (p.heads * std::max(p.head_dim, p.value_dim()) > kMost / 2)
    return Support::no("heads * head_dim must be below 2^30");
  if (p.heads * all_query_tiles(p) > kMost || query_tiles(p) * p.heads * p.batch > kMost ||
      key_tiles(p) * p.kv_heads * p.batch > kMost)
    return Support::no("batch * heads * tiles of " + std::to_string(queries_of_tile(p)) +
                       " queries must be below 2^31");
  const std::size_t shared =
      with_wgmma_sm90_backward_tile(p, [](auto tile) { return sizeof(typename decltype(tile)::Shared); });
  if (target.shared_bytes_per_block < shared)
    return Support::no("needs " + std::to_string(shared) + " bytes of shared memory a block");
  return Support::yes();
}

}  // namespace assay
