#include "kernels/attention/sm90/wgmma_forward.h"

#include <stdexcept>

namespace assay {
namespace {

/// [rows, heads, dim]: boxes of `box_rows` rows and 128 bytes of one head.
CUtensorMap rows_map(TensorMapEncoder encode, DType dtype, const void* base, std::int64_t rows, std::int64_t heads,
                     std::int64_t dim, int box_rows) {
  if (reinterpret_cast<std::uintptr_t>(base) % 16 != 0)
    throw std::runtime_error("wgmma_sm90 needs buffers aligned to 16 bytes");
  const auto bytes = static_cast<std::int64_t>(size_bytes(dtype));
  return make_tensor_map(
      encode, tensor_map_type(dtype), base,
      {{dim, bytes, static_cast<int>(128 / bytes)}, {heads, dim * bytes, 1}, {rows, heads * dim * bytes, box_rows}});
}

}  // namespace

LaunchPlan<WgmmaSm90ForwardParams> plan_wgmma_sm90_forward(const AttentionProblem& p, const AttentionBuffers& buffers,
                                                           const Target& target, const AttentionQueryTile* tiles,
                                                           TensorMapEncoder encode) {
  const WgmmaSm90ForwardChoice choice = choose_wgmma_sm90_forward(p, target);
  const WgmmaSm90ForwardInstance& instance = *choice.instance;
  LaunchPlan<WgmmaSm90ForwardParams> plan;
  plan.kernel = p.dtype == DType::e4m3 ? instance.e4m3 : p.dtype == DType::bf16 ? instance.bf16 : instance.f16;
  plan.grid.x = static_cast<unsigned>(choice.ctas);
  plan.block.x = WgmmaSm90ForwardTile<64, 64>::kThreads;
  plan.shared_bytes = static_cast<unsigned>(instance.shared_bytes);

  WgmmaSm90ForwardParams& params = plan.params;
  const bool no_keys = p.all_keys() == 0;  // then nothing is loaded, but maps must be valid all the same: o's memory
  const auto map = [&](const void* base, std::int64_t rows, std::int64_t heads, std::int64_t dim, int box_rows) {
    return rows_map(encode, p.dtype, base, rows, heads, dim, box_rows);
  };
  const std::int64_t keys = no_keys ? 1 : p.all_keys();
  params.map_q = map(buffers.q, p.all_queries(), p.heads, p.head_dim, AttentionSchedule::kQueries);
  params.map_k = map(no_keys ? buffers.q : buffers.k, keys, no_keys ? 1 : p.kv_heads, p.head_dim, instance.keys);
  params.map_v = map(no_keys ? buffers.o : buffers.v, keys, no_keys ? 1 : p.kv_heads, p.value_dim(), instance.keys);
  params.map_o = rows_map(encode, p.out_dtype(), buffers.o, p.all_queries(), p.heads, p.value_dim(), 16);
  params.schedule = choice.schedule;
  params.schedule.tiles = tiles;
  params.o = buffers.o;
  params.lse = buffers.lse;
  params.lse_head_stride = p.packed() ? p.all_queries() : p.seq_q;
  params.group = static_cast<std::int32_t>(p.group());
  params.value_dim = static_cast<std::int32_t>(p.value_dim());
  params.causal = p.causal;
  params.window = p.causal ? static_cast<std::int32_t>(p.window) : 0;
  constexpr double kLog2E = 1.4426950408889634;
  params.scale_log2 = static_cast<float>(kLog2E * p.scale());
  params.q_scale = buffers.q_scale, params.k_scale = buffers.k_scale, params.v_scale = buffers.v_scale;
  return plan;
}

}  // namespace assay
