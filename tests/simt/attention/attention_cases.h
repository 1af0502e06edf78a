// Problems at the edges of what attention is asked for, for every kernel's tests.
#pragma once
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "tests/simt/attention/attention_on_simt.h"

namespace assay {

struct KernelCase {
  DType dtype;
  std::int64_t head_dim, value_dim;
};
inline std::string kernel_case_name(const KernelCase& kernel) {
  const std::string name = simt::format("%s_d%d", assay::name(kernel.dtype), int(kernel.head_dim));
  return kernel.value_dim == kernel.head_dim ? name : name + simt::format("_v%d", int(kernel.value_dim));
}

struct Heads {
  std::int64_t batch, heads, kv_heads;
};
constexpr Heads kMha = {2, 2, 2}, kGqa = {1, 4, 2}, kMqa = {1, 3, 1};

inline AttentionProblem make_problem(KernelCase kernel, Heads heads, std::int64_t seq_q, std::int64_t seq_kv,
                                     bool causal, std::int64_t window = 0) {
  AttentionProblem p;
  p.batch = heads.batch, p.heads = heads.heads, p.kv_heads = heads.kv_heads;
  p.seq_q = seq_q, p.seq_kv = seq_kv, p.head_dim = kernel.head_dim, p.head_dim_v = kernel.value_dim;
  p.causal = causal, p.window = window, p.dtype = kernel.dtype;
  return p;
}

struct Lengths {
  std::int64_t seq_q, seq_kv;
};
/// Fill no tile; one row, one key; more queries than keys (causal: rows, and whole blocks, that see nothing); none.
constexpr Lengths kLengths[] = {{1, 1},     {64, 128},  {239, 1},   {113, 203}, {113, 128}, {128, 217},
                                {113, 211}, {108, 256}, {200, 333}, {256, 113}, {1, 300},   {128, 96},
                                {130, 32},  {65, 65},   {384, 200}, {799, 3},   {130, 0},   {0, 40}};

struct WindowCase {
  Lengths length;
  std::int64_t window;
};
/// One key; edges within tiles of any kernel and on their borders; tiles that no query of a block sees, and some that
/// all do; rows that see nothing; wider than the sequence.
constexpr WindowCase kWindows[] = {{{113, 203}, 1},  {{113, 203}, 33},  {{200, 333}, 32},
                                   {{128, 256}, 96}, {{130, 600}, 350}, {{256, 113}, 64},
                                   {{65, 65}, 1000}, {{300, 300}, 300}, {{1, 700}, 129}};

struct PackedCase {
  std::vector<std::int64_t> queries, keys;
};
/// Sequences of no queries, of no keys and of neither: first, in the middle, last; all of them.
inline const std::vector<PackedCase>& packed_cases() {
  static const std::vector<PackedCase> cases = {{{0, 5, 130, 0, 64, 1, 150, 0}, {7, 5, 0, 0, 200, 1, 133, 9}},
                                                {{140, 3, 270}, {0, 98, 260}},
                                                {{9, 0}, {0, 0}},
                                                {{0, 0}, {3, 0}}};
  return cases;
}

/// Within the allowed error of the reference, and without a bank conflict.
inline void expect_right(const SimtForward& kernel, const AttentionProblem& p, const AttentionInputs& inputs,
                         simt::Options options) {
  const AttentionOutputs outputs = run_attention(kernel, p, inputs, options);
  EXPECT_EQ(attention_mismatch(p, inputs, outputs), "") << describe(p);
  EXPECT_EQ(outputs.bank_conflicts, 0u) << "bank conflicts in " << describe(p);
}

/// Bit for bit, NaN like NaN.
inline void expect_same(const AttentionOutputs& a, const AttentionOutputs& b, const std::string& what) {
  EXPECT_TRUE(a.o == b.o) << "wrong result: o differs: " << what;
  ASSERT_EQ(a.lse.size(), b.lse.size());
  EXPECT_TRUE(a.lse.empty() || std::memcmp(a.lse.data(), b.lse.data(), a.lse.size() * sizeof(float)) == 0)
      << "wrong result: lse differs: " << what;
}

}  // namespace assay
