// Problems and inputs in e4m3 that the tests of both architectures' forward passes use.
#pragma once
#include <gtest/gtest.h>

#include "tests/simt/attention/sm90/wgmma_forward_on_simt.h"

namespace assay {

inline AttentionProblem e4m3_problem(std::int64_t head_dim, std::int64_t seq_q, std::int64_t seq_kv, bool causal) {
  AttentionProblem p;
  p.heads = 2, p.kv_heads = 1, p.seq_q = seq_q, p.seq_kv = seq_kv, p.head_dim = head_dim, p.causal = causal;
  p.dtype = DType::e4m3;
  return p;
}

inline constexpr simt::Async kPolicies[] = {simt::Async::Lazy, simt::Async::Eager, simt::Async::Random};

/// Of 256 queries and keys of one head: query i's largest score is key i's, and takes all.  Its value then comes out as
/// it is, so that a key in another's place is seen whatever rounding may hide.
inline ForwardInputs one_key_takes_all(const AttentionProblem& p) {
  ForwardInputs inputs = forward_inputs(p, 1, 0, 0);
  for (std::int64_t i = 0; i < 256; ++i) {  // bits of the key's number, in signs: query i's largest score is key i's
    for (std::int64_t bit = 0; bit < 8; ++bit) {
      const double sign = i >> bit & 1 ? 1 : -1;
      store_element(p.dtype, inputs.q.data(), p.q_index(0, i, 0) + bit * 7, 32 * sign);
      store_element(p.dtype, inputs.k.data(), p.k_index(0, i, 0) + bit * 7, 16 * sign);
    }
    for (std::int64_t c = 0; c < p.head_dim; ++c)
      store_element(p.dtype, inputs.v.data(), p.v_index(0, i, 0) + c, double((i * 37 + c * 11) % 31 - 15));
  }
  inputs.v_scale = 1;
  return inputs;
}

inline void expect_each_keys_own_value(const AttentionProblem& p, const ForwardInputs& inputs,
                                       const ForwardOutputs& outputs) {
  for (std::int64_t i = 0; i < 256; ++i)
    for (std::int64_t c = 0; c < p.head_dim; ++c)
      ASSERT_NEAR(load_element(DType::bf16, outputs.o.data(), p.o_index(0, i, 0) + c),
                  load_element(p.dtype, inputs.v.data(), p.v_index(0, i, 0) + c), 1e-20)
          << p.head_dim << " wide, query " << i << ", dimension " << c;
}

}  // namespace assay
