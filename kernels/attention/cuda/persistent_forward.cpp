#include "kernels/attention/cuda/persistent_forward.h"

#include <stdexcept>
#include <string>

namespace assay {
namespace {

/// [rows, heads, dim]: boxes of `box_rows` rows and 128 bytes of one head.
CUtensorMap rows_map(TensorMapEncoder encode, DType dtype, const void* base, std::int64_t rows, std::int64_t heads,
                     std::int64_t dim, int box_rows) {
  const auto bytes = static_cast<std::int64_t>(size_bytes(dtype));
  return make_tensor_map(
      encode, tensor_map_type(dtype), base,
      {{dim, bytes, static_cast<int>(128 / bytes)}, {heads, dim * bytes, 1}, {rows, heads * dim * bytes, box_rows}});
}

}  // namespace

PersistentForwardParams persistent_forward_params(const char* kernel, const AttentionProblem& p,
                                                  const AttentionBuffers& buffers, AttentionSchedule schedule,
                                                  const AttentionQueryTile* tiles, const PersistentForwardBoxes& boxes,
                                                  TensorMapEncoder encode) {
  const bool no_keys = p.all_keys() == 0;  // then nothing is loaded, but maps must be valid all the same: q's and o's
  const void *const k = no_keys ? buffers.q : buffers.k, *const v = no_keys ? buffers.o : buffers.v;
  for (const void* base : {buffers.q, k, v, static_cast<const void*>(buffers.o)})
    if (reinterpret_cast<std::uintptr_t>(base) % 16 != 0)
      throw std::runtime_error(std::string(kernel) + " needs buffers aligned to 16 bytes");
  const std::int64_t keys = no_keys ? 1 : p.all_keys(), kv_heads = no_keys ? 1 : p.kv_heads;

  PersistentForwardParams params{};
  params.map_q = rows_map(encode, p.dtype, buffers.q, p.all_queries(), p.heads, p.head_dim, boxes.queries);
  params.map_k = rows_map(encode, p.dtype, k, keys, kv_heads, p.head_dim, boxes.keys);
  params.map_v = rows_map(encode, p.dtype, v, keys, kv_heads, p.value_dim(), boxes.keys);
  params.map_o = rows_map(encode, p.out_dtype(), buffers.o, p.all_queries(), p.heads, p.value_dim(), boxes.outputs);
  params.schedule = schedule;
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
  return params;
}

}  // namespace assay
