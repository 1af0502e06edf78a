// Shared by the tests of the warp-specialised forward passes: a run, and what is to be right of it.
#pragma once
#include <gtest/gtest.h>

#include <cstring>

#include "tests/simt/attention/forward_kernel.h"

namespace assay {

inline AttentionOutputs run_forward(const AttentionProblem& p, const AttentionInputs& inputs, int multiprocessors,
                                    const simt::Options& options = attention_options(simt::Async::Lazy)) {
  return run_attention(forward_kernel(multiprocessors), p, inputs, options);
}

inline void expect_right(const AttentionProblem& p, const AttentionInputs& inputs, int multiprocessors,
                         const simt::Options& options = attention_options(simt::Async::Lazy)) {
  const AttentionOutputs outputs = run_forward(p, inputs, multiprocessors, options);
  EXPECT_EQ(attention_mismatch(p, inputs, outputs), "") << describe(p);
  EXPECT_EQ(outputs.bank_conflicts, 0u) << "bank conflicts in " << describe(p);
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

inline const ForwardCase& case_named(const std::vector<ForwardCase>& cases, const std::string& name) {
  for (const ForwardCase& c : cases)
    if (c.name == name) return c;
  throw std::runtime_error("there is no case " + name);
}

/// Two heads of queries on one of keys.
inline AttentionProblem two_heads(std::int64_t head_dim, std::int64_t seq_q, std::int64_t seq_kv, bool causal) {
  return forward_problem(1, 2, 1, seq_q, seq_kv, causal, head_dim);
}
inline AttentionProblem two_heads_e4m3(std::int64_t head_dim, std::int64_t seq_q, std::int64_t seq_kv, bool causal) {
  return forward_e4m3_problem(1, 2, 1, seq_q, seq_kv, causal, head_dim);
}

}  // namespace assay
