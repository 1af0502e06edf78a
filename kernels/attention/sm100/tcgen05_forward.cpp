#include "kernels/attention/sm100/tcgen05_forward.h"

#include <stdexcept>

#include "kernels/common/tcgen05_descriptors.h"

namespace assay {
namespace {

/// [rows, heads, dim]: boxes of `box_rows` rows and 64 elements of one head.
CUtensorMap rows_map(TensorMapEncoder encode, DType dtype, const void* base, std::int64_t rows, std::int64_t heads,
                     std::int64_t dim, int box_rows) {
  if (reinterpret_cast<std::uintptr_t>(base) % 16 != 0)
    throw std::runtime_error("tcgen05_sm100 needs buffers aligned to 16 bytes");
  const auto bytes = static_cast<std::int64_t>(size_bytes(dtype));
  return make_tensor_map(
      encode, tensor_map_type(dtype), base,
      {{dim, bytes, static_cast<int>(128 / bytes)}, {heads, dim * bytes, 1}, {rows, heads * dim * bytes, box_rows}});
}

}  // namespace

LaunchPlan<Tcgen05Sm100ForwardParams> plan_tcgen05_sm100_forward(const AttentionProblem& p,
                                                                 const AttentionBuffers& buffers, const Target& target,
                                                                 const AttentionQueryTile* tiles,
                                                                 TensorMapEncoder encode) {
  const Tcgen05Sm100ForwardChoice choice = choose_tcgen05_sm100_forward(p, target);
  const Tcgen05Sm100ForwardInstance& instance = *choice.instance;
  LaunchPlan<Tcgen05Sm100ForwardParams> plan;
  plan.kernel = p.dtype == DType::e4m3 ? instance.e4m3 : p.dtype == DType::bf16 ? instance.bf16 : instance.f16;
  plan.grid.x = static_cast<unsigned>(choice.ctas);
  plan.block.x = Tcgen05Sm100ForwardTile<64, 64>::kThreads;
  plan.shared_bytes = static_cast<unsigned>(instance.shared_bytes);

  Tcgen05Sm100ForwardParams& params = plan.params;
  const bool no_keys = p.all_keys() == 0;  // then nothing is loaded, but maps must be valid all the same: q's and o's
  const auto map = [&](const void* base, std::int64_t rows, std::int64_t heads, std::int64_t dim, int box_rows) {
    return rows_map(encode, p.dtype, base, rows, heads, dim, box_rows);
  };
  const std::int64_t keys = no_keys ? 1 : p.all_keys(), kv_heads = no_keys ? 1 : p.kv_heads;
  params.map_q = map(buffers.q, p.all_queries(), p.heads, p.head_dim, 128);
  params.map_k = map(no_keys ? buffers.q : buffers.k, keys, kv_heads, p.head_dim, kSm100ForwardKeys);
  params.map_v = map(no_keys ? buffers.o : buffers.v, keys, kv_heads, p.value_dim(), kSm100ForwardKeys);
  params.map_o = rows_map(encode, p.out_dtype(), buffers.o, p.all_queries(), p.heads, p.value_dim(), 32);
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
  const Tcgen05Kind kind = p.dtype == DType::e4m3 ? Tcgen05Kind::f8f6f4 : Tcgen05Kind::f16;
  const Tcgen05Operand k_major = {p.dtype, true}, mn_major = {p.dtype, false};
  params.scores_instruction = tcgen05_instruction(kind, k_major, k_major, 128, kSm100ForwardKeys);
  params.output_instruction = tcgen05_instruction(kind, k_major, mn_major, 128, instance.value_dim);
  return plan;
}

}  // namespace assay
