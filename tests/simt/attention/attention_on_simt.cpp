#include "tests/simt/attention/attention_on_simt.h"

#include <cmath>
#include <random>

#include "kernels/attention/mma_sm80.h"
#include "kernels/attention/simt_f32.h"

namespace assay {
namespace {

std::vector<unsigned char> normal_array(DType dtype, std::int64_t count, std::mt19937_64& generator, double factor) {
  std::normal_distribution<double> normal;
  std::vector<unsigned char> array(static_cast<std::size_t>(count) * size_bytes(dtype));
  for (std::int64_t i = 0; i < count; ++i) store_element(dtype, array.data(), i, factor * normal(generator));
  return array;
}

std::int64_t q_elements(const AttentionProblem& p) { return p.batch * p.seq_q * p.heads * p.head_dim; }
std::int64_t kv_elements(const AttentionProblem& p) { return p.batch * p.seq_kv * p.kv_heads * p.head_dim; }

const simt::ptx::Module& module_of(DType dtype) {  // each is parsed when first asked for
  if (dtype == DType::f32) {
    static const simt::ptx::Module f32(simt::ptx::ptx_text(ASSAY_PTX_DIR, "attention_simt_f32"));
    return f32;
  }
  static const simt::ptx::Module mma(simt::ptx::ptx_text(ASSAY_PTX_DIR, "attention_mma_sm80"));
  return mma;
}

}  // namespace

AttentionInputs normal_inputs(const AttentionProblem& p, unsigned seed, double q_factor, double k_factor) {
  std::mt19937_64 generator(seed);
  AttentionInputs inputs;
  inputs.q = normal_array(p.dtype, q_elements(p), generator, q_factor);
  inputs.k = normal_array(p.dtype, kv_elements(p), generator, k_factor);
  inputs.v = normal_array(p.dtype, kv_elements(p), generator, 1);
  return inputs;
}

AttentionInputs constant_logit_inputs(const AttentionProblem& p, unsigned seed, double logit) {
  AttentionInputs inputs = normal_inputs(p, seed);
  const double root = std::sqrt(std::abs(logit) / p.scale());  // q_0 k_0 scale = logit
  for (std::int64_t i = 0; i < q_elements(p); i += p.head_dim) store_element(p.dtype, inputs.q.data(), i, root);
  for (std::int64_t i = 0; i < kv_elements(p); i += p.head_dim)
    store_element(p.dtype, inputs.k.data(), i, logit < 0 ? -root : root);
  return inputs;
}

AttentionPlan plan_for(const AttentionProblem& p, const AttentionBuffers& buffers) {
  return p.dtype == DType::f32 ? attention_simt_f32_plan(p, buffers) : attention_mma_sm80_plan(p, buffers);
}

simt::Options attention_options(simt::Async async, std::uint64_t seed) {
  simt::Options options;
  options.async = async;
  options.seed = seed;
  options.shuffle_schedule = async == simt::Async::Random;
  return options;
}

AttentionOutputs run_attention(const AttentionProblem& p, const AttentionInputs& inputs, simt::Options options,
                               void (*edit)(AttentionPlan&)) {
  simt::DeviceHeap heap;
  options.heap = &heap;
  AttentionBuffers buffers;
  buffers.q = heap.upload(inputs.q), buffers.k = heap.upload(inputs.k), buffers.v = heap.upload(inputs.v);
  const std::size_t rows = static_cast<std::size_t>(p.batch * p.heads * p.seq_q);
  auto* o = heap.poisoned<unsigned char>(inputs.q.size());
  buffers.o = o, buffers.lse = heap.poisoned<float>(rows);
  AttentionPlan plan = plan_for(p, buffers);
  if (edit) edit(plan);
  const simt::Stats stats = simt::launch(module_of(p.dtype).kernel(plan.kernel), plan, options);
  return {heap.download(o, inputs.q.size()), heap.download(buffers.lse, rows), stats.bank_conflicts};
}

std::string attention_mismatch(const AttentionProblem& p, const AttentionInputs& inputs, const AttentionOutputs& got) {
  for (std::int64_t b = 0; b < p.batch; ++b)
    for (std::int64_t h = 0; h < p.heads; ++h)
      for (std::int64_t i = 0; i < p.seq_q; ++i) {
        const AttentionRow row = attention_reference(p, inputs.q.data(), inputs.k.data(), inputs.v.data(), b, h, i);
        const double lse = got.lse[static_cast<std::size_t>((b * p.heads + h) * p.seq_q + i)];
        if (lse != row.lse && !(std::abs(lse - row.lse) <= row.lse_allowed))
          return simt::format("wrong result: lse of batch %d head %d query %d is %.9g, expected %.9g +- %g", int(b),
                              int(h), int(i), lse, row.lse, row.lse_allowed);
        for (std::int64_t d = 0; d < p.head_dim; ++d) {
          const double o = load_element(p.dtype, got.o.data(), p.q_index(b, i, h) + d);
          const double expected = row.o[static_cast<std::size_t>(d)],
                       allowed = row.allowed[static_cast<std::size_t>(d)];
          if (!(std::abs(o - expected) <= allowed))
            return simt::format("wrong result: o of batch %d head %d query %d dim %d is %.9g, expected %.9g +- %g",
                                int(b), int(h), int(i), int(d), o, expected, allowed);
        }
      }
  return {};
}

std::string describe(const AttentionProblem& p) {
  return simt::format("%s_d%d_b%d_h%d_kv%d_%dx%d%s", name(p.dtype), int(p.head_dim), int(p.batch), int(p.heads),
                      int(p.kv_heads), int(p.seq_q), int(p.seq_kv), p.causal ? "_causal" : "");
}

}  // namespace assay
