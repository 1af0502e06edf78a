#include "tests/simt/attention/sm100/tcgen05_forward_on_simt.h"

#include "kernels/attention/sm90/wgmma_forward_model.h"
#include "tests/simt/tensor_map_encoder.h"

namespace assay {
namespace {

AttentionProblem problem(std::int64_t batch, std::int64_t heads, std::int64_t kv_heads, std::int64_t seq_q,
                         std::int64_t seq_kv, bool causal, std::int64_t head_dim, std::int64_t value_dim = 0,
                         std::int64_t window = 0, DType dtype = DType::bf16) {
  AttentionProblem p;
  p.batch = batch, p.heads = heads, p.kv_heads = kv_heads, p.seq_q = seq_q, p.seq_kv = seq_kv, p.causal = causal;
  p.head_dim = head_dim, p.head_dim_v = value_dim, p.window = window, p.dtype = dtype;
  return p;
}

}  // namespace

Target small_blackwell(int multiprocessors) {
  Target target = small_hopper(multiprocessors);
  target.compute_capability = 100;
  return target;
}

ForwardOutputs run_sm100_forward(const simt::ptx::Module& module, const AttentionProblem& p,
                                 const ForwardInputs& inputs, int multiprocessors, simt::Options options) {
  simt::DeviceHeap heap;
  options.heap = &heap;
  AttentionBuffers buffers;
  buffers.q = heap.upload(inputs.q), buffers.k = heap.upload(inputs.k), buffers.v = heap.upload(inputs.v);
  upload_factors(p, inputs, heap, buffers);
  const std::size_t o_bytes = static_cast<std::size_t>(p.o_elements()) * size_bytes(p.out_dtype());
  const auto rows = static_cast<std::size_t>(p.lse_elements());
  auto* o = heap.poisoned<unsigned char>(o_bytes);
  buffers.o = o, buffers.lse = heap.poisoned<float>(rows);
  const std::vector<AttentionQueryTile> tiles = packed_query_tiles(p, kSm100ForwardKeys, kSm100ForwardQueries);
  const auto plan = plan_tcgen05_sm100_forward(p, buffers, small_blackwell(multiprocessors),
                                               tiles.empty() ? nullptr : heap.upload(tiles), encode_tensor_map);
  const simt::Stats stats = simt::launch(module.kernel(plan.kernel), plan, options);
  return {heap.download(o, o_bytes), heap.download(buffers.lse, rows), stats.bank_conflicts};
}

ForwardInputs rising_inputs(const AttentionProblem& p, double rise) {
  ForwardInputs inputs = forward_inputs(p, 13, 0.5, 0.5);
  for (std::int64_t i = 0; i < p.q_elements(); i += p.head_dim) store_element(p.dtype, inputs.q.data(), i, 4);
  for (std::int64_t h = 0; h < p.kv_heads; ++h)
    for (std::int64_t j = 0; j < p.seq_kv; ++j)
      store_element(p.dtype, inputs.k.data(), p.k_index(0, j, h),
                    double(p.seq_kv - 1 - j) / 128 * rise / 4 / p.scale());
  return inputs;
}

const std::vector<Sm100ForwardCase>& sm100_forward_cases() {
  static const std::vector<Sm100ForwardCase> cases = {
      // Ragged ends, grouped heads; the second query tile has no second half; three tiles of keys; two CTAs.
      {"ragged", problem(1, 3, 1, 300, 333, false, 128), 2},
      // More keys than queries: the halves see different numbers of key tiles; one CTA.
      {"causal", problem(1, 2, 1, 330, 560, true, 128), 1},
      // More queries than keys: tiles, halves and rows that see nothing.
      {"blind", problem(2, 1, 1, 600, 200, true, 128), 1},
      // The window's left edge within a tile that also has the right edge, and beyond it.
      {"window", problem(1, 1, 1, 400, 520, true, 128, 0, 70), 2},
      {"wide_window", problem(1, 2, 2, 270, 650, true, 64, 0, 400), 1},
      // Sequences of no queries, of no keys, of one; ends within tiles.
      {"packed", packed_problem(problem(1, 2, 1, 0, 0, true, 128), {300, 0, 1, 40, 64, 16}, {200, 70, 1, 0, 129, 300}),
       2},
      // Maxima that grow by less than is tolerated, and in the next tile by more; by very much; weights that vanish.
      {"rising", problem(1, 2, 1, 140, 640, false, 128), 1, 4},
      {"steep", problem(1, 2, 1, 140, 640, false, 128), 1, 60},
      {"falling", problem(1, 2, 1, 140, 640, false, 128), 1, -200},
      {"narrow", problem(1, 2, 1, 260, 700, false, 64), 1},       // more tiles than stages
      {"short", problem(1, 6, 2, 200, 100, false, 64), 1},        // one tile of keys, unit after unit
      {"latent", problem(1, 2, 2, 140, 300, true, 192, 128), 1},  // DeepSeek's widths, two stages
      {"filled_up", problem(1, 2, 1, 70, 150, true, 96, 72), 1},  // panels partly or wholly missing
  };
  return cases;
}

const std::vector<Sm100ForwardCase>& sm100_forward_e4m3_cases() {
  const auto e4m3 = [](std::int64_t batch, std::int64_t heads, std::int64_t kv_heads, std::int64_t seq_q,
                       std::int64_t seq_kv, bool causal, std::int64_t head_dim, std::int64_t value_dim = 0,
                       std::int64_t window = 0) {
    return problem(batch, heads, kv_heads, seq_q, seq_kv, causal, head_dim, value_dim, window, DType::e4m3);
  };
  static const std::vector<Sm100ForwardCase> cases = {
      {"ragged", e4m3(1, 3, 1, 300, 900, false, 128), 2},  // more tiles than stages
      {"causal", e4m3(1, 2, 1, 330, 560, true, 128), 1},
      {"blind", e4m3(2, 1, 1, 600, 200, true, 128), 1},
      {"window", e4m3(1, 1, 1, 400, 520, true, 128, 0, 70), 2},
      {"packed", packed_problem(e4m3(1, 2, 1, 0, 0, true, 128), {300, 0, 1, 40, 64, 16}, {200, 70, 1, 0, 129, 300}), 2},
      // Maxima that grow by a bit in every tile: weights between 2^8 and what e4m3 ends at; by so much that every tile
      // rescales what still counts; by very much.
      {"rising", e4m3(1, 2, 1, 140, 640, false, 128), 1, 0.4},
      {"climbing", e4m3(1, 2, 1, 140, 640, false, 128), 1, 7},
      {"steep", e4m3(1, 2, 1, 140, 640, false, 128), 1, 30},
      {"narrow", e4m3(1, 2, 1, 260, 700, true, 64), 1},        // half of every panel is missing
      {"latent", e4m3(1, 2, 2, 140, 600, true, 192, 128), 1},  // DeepSeek's widths
      {"filled_up", e4m3(1, 2, 1, 70, 150, true, 96, 80), 1},  // dimensions that the panels have and the problem lacks
  };
  return cases;
}

}  // namespace assay
