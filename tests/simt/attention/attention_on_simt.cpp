#include "tests/simt/attention/attention_on_simt.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

namespace assay {
namespace {

std::vector<unsigned char> normal_array(DType dtype, std::int64_t count, std::mt19937_64& generator, double factor) {
  std::normal_distribution<double> normal;
  std::vector<unsigned char> array(static_cast<std::size_t>(count) * size_bytes(dtype));
  for (std::int64_t i = 0; i < count; ++i) store_element(dtype, array.data(), i, factor * normal(generator));
  return array;
}

std::vector<std::int32_t> device_offsets(const std::vector<std::int64_t>& offsets) {
  return {offsets.begin(), offsets.end()};
}

/// Bytes of `count` elements from element `first` on.
std::vector<unsigned char> slice(DType dtype, const std::vector<unsigned char>& array, std::int64_t first,
                                 std::int64_t count) {
  const auto begin = array.begin() + static_cast<std::ptrdiff_t>(first) * std::ptrdiff_t(size_bytes(dtype));
  return {begin, begin + static_cast<std::ptrdiff_t>(count) * std::ptrdiff_t(size_bytes(dtype))};
}

}  // namespace

const simt::ptx::Module& attention_module(const std::string& ptx) {
  static std::map<std::string, simt::ptx::Module> modules;
  const auto found = modules.find(ptx);
  if (found != modules.end()) return found->second;
  return modules.try_emplace(ptx, simt::ptx::ptx_text(ASSAY_PTX_DIR, ptx)).first->second;
}

AttentionInputs normal_inputs(const AttentionProblem& p, unsigned seed, double q_factor, double k_factor) {
  std::mt19937_64 generator(seed);
  AttentionInputs inputs;
  inputs.q = normal_array(p.dtype, p.q_elements(), generator, q_factor);
  inputs.k = normal_array(p.dtype, p.k_elements(), generator, k_factor);
  inputs.v = normal_array(p.dtype, p.v_elements(), generator, 1);
  return inputs;
}

AttentionInputs constant_logit_inputs(const AttentionProblem& p, unsigned seed, double logit) {
  AttentionInputs inputs = normal_inputs(p, seed);
  const double root = std::sqrt(std::abs(logit) / p.scale());  // q_0 k_0 scale = logit
  for (std::int64_t i = 0; i < p.q_elements(); i += p.head_dim) store_element(p.dtype, inputs.q.data(), i, root);
  for (std::int64_t i = 0; i < p.k_elements(); i += p.head_dim)
    store_element(p.dtype, inputs.k.data(), i, logit < 0 ? -root : root);
  return inputs;
}

simt::Options attention_options(simt::Async async, std::uint64_t seed) {
  simt::Options options;
  options.async = async;
  options.seed = seed;
  options.shuffle_schedule = async == simt::Async::Random;
  return options;
}

AttentionOutputs run_attention(const SimtForward& kernel, const AttentionProblem& p, const AttentionInputs& inputs,
                               simt::Options options) {
  simt::DeviceHeap heap;
  options.heap = &heap;
  AttentionBuffers buffers;
  buffers.q = heap.upload(inputs.q), buffers.k = heap.upload(inputs.k), buffers.v = heap.upload(inputs.v);
  if (p.scaled()) {
    buffers.q_scale = heap.upload(std::vector<float>{inputs.q_scale});
    buffers.k_scale = heap.upload(std::vector<float>{inputs.k_scale});
    buffers.v_scale = heap.upload(std::vector<float>{inputs.v_scale});
  }
  if (p.packed()) {
    buffers.q_offsets = heap.upload(device_offsets(p.q_offsets));
    buffers.kv_offsets = heap.upload(device_offsets(p.kv_offsets));
  }
  const std::size_t o_bytes = static_cast<std::size_t>(p.o_elements()) * size_bytes(p.out_dtype()),
                    rows = static_cast<std::size_t>(p.lse_elements());
  auto* o = heap.poisoned<unsigned char>(o_bytes);
  buffers.o = o, buffers.lse = heap.poisoned<float>(rows);
  const simt::Stats stats = kernel.launch(p, buffers, options, heap);
  return {heap.download(o, o_bytes), heap.download(buffers.lse, rows), stats.bank_conflicts, stats.warp_insts};
}

std::string attention_row_mismatch(const AttentionProblem& p, const AttentionBuffers& host, std::int64_t b,
                                   std::int64_t h, std::int64_t i) {
  // Of 8-bit inputs: products summed in fp32, and no less, is what the reference allows by default.
  const AttentionRow row = attention_reference(p, host, b, h, i);
  const double lse = host.lse[p.lse_index(b, h, i)];
  if (lse != row.lse && !(std::abs(lse - row.lse) <= row.lse_allowed))
    return simt::format("wrong result: lse of batch %d head %d query %d is %.9g, expected %.9g +- %g", int(b), int(h),
                        int(i), lse, row.lse, row.lse_allowed);
  for (std::int64_t d = 0; d < p.value_dim(); ++d) {
    const double o = load_element(p.out_dtype(), host.o, p.o_index(b, i, h) + d);
    const double expected = row.o[static_cast<std::size_t>(d)], allowed = row.allowed[static_cast<std::size_t>(d)];
    if (!(std::abs(o - expected) <= allowed))
      return simt::format("wrong result: o of batch %d head %d query %d dim %d is %.9g, expected %.9g +- %g", int(b),
                          int(h), int(i), int(d), o, expected, allowed);
  }
  return {};
}

std::string attention_mismatch(const AttentionProblem& p, const AttentionInputs& inputs, const AttentionOutputs& got,
                               std::int64_t first_query) {
  AttentionBuffers host;
  host.q = inputs.q.data(), host.k = inputs.k.data(), host.v = inputs.v.data();
  if (p.scaled()) host.q_scale = &inputs.q_scale, host.k_scale = &inputs.k_scale, host.v_scale = &inputs.v_scale;
  host.o = const_cast<unsigned char*>(got.o.data()), host.lse = const_cast<float*>(got.lse.data());  // only read
  for (std::int64_t b = 0; b < p.batch; ++b)
    for (std::int64_t h = 0; h < p.heads; ++h)
      for (std::int64_t i = first_query; i < p.queries(b); ++i)
        if (std::string row = attention_row_mismatch(p, host, b, h, i); !row.empty()) return row;
  return {};
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

AttentionProblem sequence_of(const AttentionProblem& packed, std::int64_t b) {
  AttentionProblem p = packed;
  p.batch = 1, p.seq_q = packed.queries(b), p.seq_kv = packed.keys(b);
  p.q_offsets.clear(), p.kv_offsets.clear();
  return p;
}

AttentionInputs sequence_of(const AttentionProblem& packed, const AttentionInputs& inputs, std::int64_t b) {
  const AttentionProblem p = sequence_of(packed, b);
  return {slice(p.dtype, inputs.q, packed.q_index(b, 0, 0), p.q_elements()),
          slice(p.dtype, inputs.k, packed.k_index(b, 0, 0), p.k_elements()),
          slice(p.dtype, inputs.v, packed.v_index(b, 0, 0), p.v_elements()),
          inputs.q_scale,
          inputs.k_scale,
          inputs.v_scale};
}

AttentionOutputs sequence_of(const AttentionProblem& packed, const AttentionOutputs& outputs, std::int64_t b) {
  const AttentionProblem p = sequence_of(packed, b);
  AttentionOutputs own{slice(p.out_dtype(), outputs.o, packed.o_index(b, 0, 0), p.o_elements()), {}};
  for (std::int64_t h = 0; h < p.heads; ++h)
    for (std::int64_t i = 0; i < p.seq_q; ++i)
      own.lse.push_back(outputs.lse[static_cast<std::size_t>(packed.lse_index(b, h, i))]);
  return own;
}

std::string describe(const AttentionProblem& p) {
  return simt::format("%s_d%d_v%d_b%d_h%d_kv%d_%dx%d%s%s_w%d", name(p.dtype), int(p.head_dim), int(p.value_dim()),
                      int(p.batch), int(p.heads), int(p.kv_heads), int(p.seq_q), int(p.seq_kv),
                      p.packed() ? "_packed" : "", p.causal ? "_causal" : "", int(p.window));
}

}  // namespace assay
