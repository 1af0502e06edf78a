#include "tests/simt/attention/sm90/wgmma_forward_on_simt.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/simt/tensor_map_encoder.h"

namespace assay {
namespace {

std::vector<unsigned char> normal_array(DType dtype, std::int64_t count, std::mt19937_64& generator, double factor) {
  std::normal_distribution<double> normal;
  std::vector<unsigned char> array(static_cast<std::size_t>(count) * size_bytes(dtype));
  for (std::int64_t i = 0; i < count; ++i) store_element(dtype, array.data(), i, factor * normal(generator));
  return array;
}

AttentionProblem problem(std::int64_t batch, std::int64_t heads, std::int64_t kv_heads, std::int64_t seq_q,
                         std::int64_t seq_kv, bool causal, std::int64_t head_dim, std::int64_t value_dim = 0,
                         std::int64_t window = 0, DType dtype = DType::bf16) {
  AttentionProblem p;
  p.batch = batch, p.heads = heads, p.kv_heads = kv_heads, p.seq_q = seq_q, p.seq_kv = seq_kv, p.causal = causal;
  p.head_dim = head_dim, p.head_dim_v = value_dim, p.window = window, p.dtype = dtype;
  return p;
}

}  // namespace

Target small_hopper(int multiprocessors) {
  Target target;
  target.device = Device::gpu;
  target.compute_capability = 90;
  target.multiprocessors = multiprocessors;
  target.shared_bytes_per_block = 232448;
  return target;
}

AttentionProblem packed_problem(AttentionProblem p, const std::vector<std::int64_t>& queries,
                                const std::vector<std::int64_t>& keys) {
  p.batch = static_cast<std::int64_t>(queries.size());
  p.seq_q = *std::max_element(queries.begin(), queries.end());
  p.seq_kv = *std::max_element(keys.begin(), keys.end());
  p.q_offsets = p.kv_offsets = {0};
  for (const std::int64_t n : queries) p.q_offsets.push_back(p.q_offsets.back() + n);
  for (const std::int64_t n : keys) p.kv_offsets.push_back(p.kv_offsets.back() + n);
  return p;
}

ForwardInputs forward_inputs(const AttentionProblem& p, unsigned seed, double q_factor, double k_factor) {
  std::mt19937_64 generator(seed);
  ForwardInputs inputs;
  inputs.q = normal_array(p.dtype, p.q_elements(), generator, q_factor);
  inputs.k = normal_array(p.dtype, p.k_elements(), generator, k_factor);
  inputs.v = normal_array(p.dtype, p.v_elements(), generator, 1);
  return inputs;
}

simt::Options forward_options(simt::Async async, std::uint64_t seed) {
  simt::Options options;
  options.async = async;
  options.seed = seed;
  options.shuffle_schedule = async == simt::Async::Random;
  return options;
}

void upload_factors(const AttentionProblem& p, const ForwardInputs& inputs, simt::DeviceHeap& heap,
                    AttentionBuffers& buffers) {
  if (!p.scaled()) return;
  buffers.q_scale = heap.upload(std::vector<float>{inputs.q_scale});
  buffers.k_scale = heap.upload(std::vector<float>{inputs.k_scale});
  buffers.v_scale = heap.upload(std::vector<float>{inputs.v_scale});
}

ForwardOutputs run_forward(const simt::ptx::Module& module, const AttentionProblem& p, const ForwardInputs& inputs,
                           int multiprocessors, simt::Options options) {
  simt::DeviceHeap heap;
  options.heap = &heap;
  AttentionBuffers buffers;
  buffers.q = heap.upload(inputs.q), buffers.k = heap.upload(inputs.k), buffers.v = heap.upload(inputs.v);
  upload_factors(p, inputs, heap, buffers);
  const std::size_t o_bytes = static_cast<std::size_t>(p.o_elements()) * size_bytes(p.out_dtype());
  const auto rows = static_cast<std::size_t>(p.lse_elements());
  auto* o = heap.poisoned<unsigned char>(o_bytes);
  buffers.o = o, buffers.lse = heap.poisoned<float>(rows);
  const Target target = small_hopper(multiprocessors);
  const std::vector<AttentionQueryTile> tiles =
      packed_query_tiles(p, choose_wgmma_sm90_forward(p, target).instance->keys);
  const auto plan =
      plan_wgmma_sm90_forward(p, buffers, target, tiles.empty() ? nullptr : heap.upload(tiles), encode_tensor_map);
  const simt::Stats stats = simt::launch(module.kernel(plan.kernel), plan, options);
  return {heap.download(o, o_bytes), heap.download(buffers.lse, rows), stats.bank_conflicts};
}

// Products in 8 bits are summed in fp32 here, which is all that is allowed for.
std::string forward_mismatch(const AttentionProblem& p, const ForwardInputs& inputs, const ForwardOutputs& got) {
  AttentionBuffers host;
  host.q = inputs.q.data(), host.k = inputs.k.data(), host.v = inputs.v.data();
  if (p.scaled()) host.q_scale = &inputs.q_scale, host.k_scale = &inputs.k_scale, host.v_scale = &inputs.v_scale;
  for (std::int64_t b = 0; b < p.batch; ++b)
    for (std::int64_t h = 0; h < p.heads; ++h)
      for (std::int64_t i = 0; i < p.queries(b); ++i) {
        const AttentionRow row = attention_reference(p, host, b, h, i);
        const double lse = got.lse[static_cast<std::size_t>(p.lse_index(b, h, i))];
        if (lse != row.lse && !(std::abs(lse - row.lse) <= row.lse_allowed))
          return simt::format("wrong result: lse of sequence %d head %d query %d is %.9g, expected %.9g +- %g", int(b),
                              int(h), int(i), lse, row.lse, row.lse_allowed);
        for (std::int64_t d = 0; d < p.value_dim(); ++d) {
          const double o = load_element(p.out_dtype(), got.o.data(), p.o_index(b, i, h) + d);
          const double expected = row.o[static_cast<std::size_t>(d)],
                       allowed = row.allowed[static_cast<std::size_t>(d)];
          if (!(std::abs(o - expected) <= allowed))
            return simt::format("wrong result: o of sequence %d head %d query %d dim %d is %.9g, expected %.9g +- %g",
                                int(b), int(h), int(i), int(d), o, expected, allowed);
        }
      }
  return {};
}

std::string describe_forward(const AttentionProblem& p) {
  return simt::format("%s_d%d_v%d_b%d_h%d_kv%d_%dx%d%s%s_window%d", name(p.dtype), int(p.head_dim), int(p.value_dim()),
                      int(p.batch), int(p.heads), int(p.kv_heads), int(p.seq_q), int(p.seq_kv),
                      p.causal ? "_causal" : "", p.packed() ? "_packed" : "", int(p.window));
}

const std::vector<ForwardCase>& forward_cases() {
  static const std::vector<ForwardCase> cases = {
      // Ragged ends, grouped heads, three tiles of keys for two query tiles, two CTAs for six units of work.
      {"ragged", problem(1, 3, 1, 200, 333, false, 128), 2},
      // More keys than queries and the other way round: rows that see nothing, tiles that see nothing; one CTA.
      {"causal", problem(1, 2, 1, 150, 460, true, 128), 1},
      {"blind", problem(2, 1, 1, 300, 140, true, 128), 1},
      // The window's left edge within a tile that also has the right edge, and beyond it.
      {"window", problem(1, 1, 1, 300, 420, true, 128, 0, 70), 2},
      {"wide_window", problem(1, 2, 2, 140, 650, true, 128, 0, 400), 1},
      // Sequences of no queries, of no keys, of one; ends within tiles.
      {"packed", packed_problem(problem(1, 2, 1, 0, 0, true, 128), {130, 0, 1, 40, 64, 16}, {200, 70, 1, 150, 0, 300}),
       2},
      {"narrow", problem(1, 2, 1, 200, 700, false, 64), 1},       // more tiles than stages
      {"latent", problem(1, 2, 2, 140, 300, true, 192, 128), 1},  // DeepSeek's widths, one buffer of q
      {"wide", problem(1, 2, 1, 140, 200, true, 256), 1},
      {"filled_up", problem(1, 2, 1, 70, 150, true, 96, 72), 1},  // panels partly or wholly missing
  };
  return cases;
}

const std::vector<ForwardCase>& forward_e4m3_cases() {
  const auto e4m3 = [](std::int64_t batch, std::int64_t heads, std::int64_t kv_heads, std::int64_t seq_q,
                       std::int64_t seq_kv, bool causal, std::int64_t head_dim, std::int64_t value_dim = 0,
                       std::int64_t window = 0) {
    return problem(batch, heads, kv_heads, seq_q, seq_kv, causal, head_dim, value_dim, window, DType::e4m3);
  };
  static const std::vector<ForwardCase> cases = {
      // More tiles of values than stages; six units of work for two CTAs, so that o's buffer is used again.
      {"ragged", e4m3(1, 3, 1, 200, 800, false, 128), 2},
      {"causal", e4m3(1, 2, 1, 150, 460, true, 128), 1},
      {"blind", e4m3(2, 1, 1, 300, 140, true, 128), 1},
      {"window", e4m3(1, 2, 1, 300, 420, true, 128, 0, 70), 2},
      {"packed", packed_problem(e4m3(1, 2, 1, 0, 0, true, 128), {130, 0, 1, 40, 64, 16}, {200, 70, 1, 150, 0, 300}), 2},
      {"narrow", e4m3(1, 2, 1, 200, 700, true, 64), 1},        // panels half empty
      {"wide", e4m3(1, 2, 1, 140, 400, true, 256), 1},         // two panels of 64 keys
      {"filled_up", e4m3(1, 2, 1, 70, 150, true, 96, 80), 1},  // dimensions that the panels have and the problem lacks
      {"half_wide", e4m3(1, 1, 1, 70, 150, true, 192, 128), 1},
  };
  return cases;
}

}  // namespace assay
