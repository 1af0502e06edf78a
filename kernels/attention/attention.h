// The contract of scaled-dot-product attention, forward.  Row-major, packed:
//   q, o   [batch, seq_q,  heads,    head_dim]     in the problem's type
//   k, v   [batch, seq_kv, kv_heads, head_dim]     in the problem's type; query head h reads kv head h / (heads/kv_heads)
//   lse    [batch, heads, seq_q]                   fp32, natural logarithm: lse = ln sum_j exp(scale * q . k_j)
// o_i = sum_j softmax_j(scale * q_i . k_j) v_j with scale = 1/sqrt(head_dim).
// The causal mask is bottom-right aligned: query i sees key j iff j <= i + (seq_kv - seq_q).
// A query that sees no key has o = 0 and lse = -infinity.
//
// FLOP convention "unmasked": 4 * batch * heads * head_dim * (number of visible (query, key) pairs): two GEMMs, masked
// pairs not counted, softmax not counted.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/common/kernel.h"

namespace assay {

struct AttentionProblem {
  std::int64_t batch = 1, heads = 1, kv_heads = 1;  // heads is a multiple of kv_heads
  std::int64_t seq_q = 1, seq_kv = 1;
  std::int64_t head_dim = 64;
  bool causal = false;
  DType dtype = DType::f32;

  double scale() const;
  /// Keys query `i` sees are 0 .. visible(i) - 1.
  std::int64_t visible(std::int64_t i) const;
  /// Sum of visible(i) over all queries of one head.
  std::int64_t visible_pairs() const;
  std::int64_t q_index(std::int64_t b, std::int64_t i, std::int64_t h) const {  // of the row's first element
    return ((b * seq_q + i) * heads + h) * head_dim;
  }
  std::int64_t kv_index(std::int64_t b, std::int64_t j, std::int64_t h_kv) const {
    return ((b * seq_kv + j) * kv_heads + h_kv) * head_dim;
  }
};

struct AttentionBuffers {
  const void* q = nullptr;
  const void* k = nullptr;
  const void* v = nullptr;
  void* o = nullptr;
  float* lse = nullptr;
};

using AttentionOperation = Operation<AttentionBuffers>;
using AttentionKernel = Kernel<AttentionProblem, AttentionBuffers>;

/// Every attention kernel of this build, ours first.
const std::vector<AttentionKernel>& attention_kernels();

/// One query's exact result (fp64, two-pass softmax) and the allowed error of each of its elements.
struct AttentionRow {
  std::vector<double> o;        // [head_dim]
  std::vector<double> allowed;  // [head_dim], derived in reference.cpp
  double lse = 0, lse_allowed = 0;
};
/// `q`, `k`, `v` are host arrays in the problem's type.
AttentionRow attention_reference(const AttentionProblem&, const void* q, const void* k, const void* v, std::int64_t b,
                                 std::int64_t h, std::int64_t i);

}  // namespace assay
