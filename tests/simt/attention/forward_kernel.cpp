#include "tests/simt/attention/forward_kernel.h"

namespace assay {

AttentionInputs ForwardCase::inputs(const AttentionProblem& p) const {
  return rise == 0 ? normal_inputs(p, 1) : rising_inputs(p, rise);
}

AttentionInputs rising_inputs(const AttentionProblem& p, double rise) {
  AttentionInputs inputs = normal_inputs(p, 13, 0.5, 0.5);
  for (std::int64_t i = 0; i < p.q_elements(); i += p.head_dim) store_element(p.dtype, inputs.q.data(), i, 4);
  for (std::int64_t h = 0; h < p.kv_heads; ++h)
    for (std::int64_t j = 0; j < p.seq_kv; ++j)
      store_element(p.dtype, inputs.k.data(), p.k_index(0, j, h),
                    double(p.seq_kv - 1 - j) / 128 * rise / 4 / p.scale());
  return inputs;
}

AttentionProblem forward_problem(std::int64_t batch, std::int64_t heads, std::int64_t kv_heads, std::int64_t seq_q,
                                 std::int64_t seq_kv, bool causal, std::int64_t head_dim, std::int64_t value_dim,
                                 std::int64_t window) {
  AttentionProblem p;
  p.batch = batch, p.heads = heads, p.kv_heads = kv_heads, p.seq_q = seq_q, p.seq_kv = seq_kv, p.causal = causal;
  p.head_dim = head_dim, p.head_dim_v = value_dim, p.window = window, p.dtype = DType::bf16;
  return p;
}

AttentionProblem forward_e4m3_problem(std::int64_t batch, std::int64_t heads, std::int64_t kv_heads, std::int64_t seq_q,
                                      std::int64_t seq_kv, bool causal, std::int64_t head_dim, std::int64_t value_dim,
                                      std::int64_t window) {
  AttentionProblem p = forward_problem(batch, heads, kv_heads, seq_q, seq_kv, causal, head_dim, value_dim, window);
  p.dtype = DType::e4m3;
  return p;
}

}  // namespace assay
