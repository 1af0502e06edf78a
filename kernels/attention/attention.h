// The contract of scaled-dot-product attention, forward and backward.  Row-major, packed:
//   q, dq      [batch, seq_q,  heads,    head_dim]
//   k, dk      [batch, seq_kv, kv_heads, head_dim]    query head h reads kv head h / (heads / kv_heads)
//   v, dv      [batch, seq_kv, kv_heads, value_dim]
//   o, do      [batch, seq_q,  heads,    value_dim]
//   lse        [batch, heads, seq_q]                  fp32, natural logarithm: lse_i = ln sum_j exp(scale q_i . k_j)
// all but lse in the problem's type, but for e4m3, see below.  Sequences of various lengths are packed one behind the
// other, without padding:
//   q, dq, o, do  [queries of all sequences, heads, ...]      lse  [heads, queries of all sequences]
//   k, dk, v, dv  [keys of all sequences, kv_heads, ...]
// and sequence b has rows q_offsets[b] .. q_offsets[b + 1] - 1 of q and kv_offsets[b] .. of k, perhaps none.
//
// Forward, with scale = 1 / sqrt(head_dim) and sums over the keys j that query i sees:
//   p_ij = exp(scale q_i . k_j - lse_i)      o_i = sum_j p_ij v_j
// Query i stands at position i + (seq_kv - seq_q): masks are aligned bottom-right.  It sees key j iff
//   causal:            j <= position
//   window w, causal:  j <= position and j > position - w
// A query that sees no key has o = 0 and lse = -infinity; it contributes nothing to any gradient, and its dq is 0.
//
// Backward, from q, k, v, do and from what forward left in o and lse:
//   delta_i = sum_c o_ic do_ic               ds_ij = p_ij (do_i . v_j - delta_i)
//   dq_i = scale sum_j ds_ij k_j             dk_j = scale sum_i ds_ij q_i        dv_j = sum_i p_ij do_i
// where dk and dv sum over all query heads that read the kv head.
//
// e4m3 (forward only): q, k and v hold 8-bit elements; one fp32 factor of each tensor says what an element of it stands
// for: q_scale, k_scale, v_scale (the "descale" factors of cuDNN's and FlashAttention-3's 8-bit attention, which takes
// them per sequence and kv head; training recipes have one a tensor).  o is bf16.  Kernels may round the weights of the
// second product to e4m3 too: then 2^8 exp(s_j - m), where m is the largest score of the query so far, so that they
// reach 256 of e4m3's 448 and vanish below 2^-18 only; the factor cancels in the division by their sum.
//
// FLOP, per visible (query, key) pair and query head: forward 2 (head_dim + value_dim): two products; backward
// 2 (3 head_dim + 2 value_dim): five, the scores' recomputation among them (the convention of the FlashAttention papers
// and cuDNN's tables).  Masked pairs are not counted, softmax is not counted.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/common/kernel.h"

namespace assay {

enum class AttentionPass : std::uint8_t { forward, backward };

constexpr const char* name(AttentionPass p) { return p == AttentionPass::forward ? "forward" : "backward"; }

/// Keys begin .. end - 1 of a sequence; empty where end <= begin.
struct KeyRange {
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return end > begin ? end - begin : 0; }
};

struct AttentionProblem {
  std::int64_t batch = 1, heads = 1, kv_heads = 1;  // heads is a multiple of kv_heads
  std::int64_t seq_q = 1, seq_kv = 1;               // of every sequence; of the longest where offsets say more
  std::int64_t head_dim = 64;                       // of q and k
  bool causal = false;
  DType dtype = DType::f32;
  AttentionPass pass = AttentionPass::forward;
  bool deterministic = false;   // backward: the same bits every time
  std::int64_t head_dim_v = 0;  // of v and o; 0: head_dim
  std::int64_t window = 0;      // keys a query sees at most, with causal only; 0: no limit
  // Packed sequences: [batch + 1], from 0, never falling.  Both empty: every sequence has seq_q and seq_kv.
  std::vector<std::int64_t> q_offsets{}, kv_offsets{};

  bool packed() const { return !q_offsets.empty(); }
  std::int64_t value_dim() const { return head_dim_v > 0 ? head_dim_v : head_dim; }
  DType out_dtype() const { return dtype == DType::e4m3 ? DType::bf16 : dtype; }  // of o
  bool scaled() const { return dtype == DType::e4m3; }                            // inputs have factors
  double scale() const;                                                           // of the scores
  std::int64_t group() const { return heads / kv_heads; }

  std::int64_t queries(std::int64_t b) const;  // of sequence b
  std::int64_t keys(std::int64_t b) const;
  std::int64_t all_queries() const { return packed() ? q_offsets.back() : batch * seq_q; }
  std::int64_t all_keys() const { return packed() ? kv_offsets.back() : batch * seq_kv; }
  /// Keys that query `i` of sequence `b` sees.
  KeyRange visible_keys(std::int64_t b, std::int64_t i) const;
  /// Queries that see key `j` of sequence `b`: begin .. end - 1.
  KeyRange seeing_queries(std::int64_t b, std::int64_t j) const;
  /// Visible (query, key) pairs of one head, over all sequences.
  double visible_pairs() const;

  // Indices of a row's first element.
  std::int64_t q_index(std::int64_t b, std::int64_t i, std::int64_t h) const {
    return (query_row(b, i) * heads + h) * head_dim;
  }
  std::int64_t o_index(std::int64_t b, std::int64_t i, std::int64_t h) const {
    return (query_row(b, i) * heads + h) * value_dim();
  }
  std::int64_t k_index(std::int64_t b, std::int64_t j, std::int64_t h_kv) const {
    return (key_row(b, j) * kv_heads + h_kv) * head_dim;
  }
  std::int64_t v_index(std::int64_t b, std::int64_t j, std::int64_t h_kv) const {
    return (key_row(b, j) * kv_heads + h_kv) * value_dim();
  }
  std::int64_t lse_index(std::int64_t b, std::int64_t h, std::int64_t i) const {
    return packed() ? h * all_queries() + query_row(b, i) : (b * heads + h) * seq_q + i;
  }
  // Elements of a whole tensor.
  std::int64_t q_elements() const { return all_queries() * heads * head_dim; }
  std::int64_t o_elements() const { return all_queries() * heads * value_dim(); }
  std::int64_t k_elements() const { return all_keys() * kv_heads * head_dim; }
  std::int64_t v_elements() const { return all_keys() * kv_heads * value_dim(); }
  std::int64_t lse_elements() const { return all_queries() * heads; }

 private:
  std::int64_t query_row(std::int64_t b, std::int64_t i) const {
    return (packed() ? q_offsets[static_cast<std::size_t>(b)] : b * seq_q) + i;
  }
  std::int64_t key_row(std::int64_t b, std::int64_t j) const {
    return (packed() ? kv_offsets[static_cast<std::size_t>(b)] : b * seq_kv) + j;
  }
};

/// Of the weights that a kernel rounds to e4m3: they are multiplied by 2^8.
inline constexpr int kE4m3WeightExponent = 8;

/// On the device the kernel runs on.  Forward writes o and lse; backward reads both and writes dq, dk and dv.
struct AttentionBuffers {
  const void* q = nullptr;
  const void* k = nullptr;
  const void* v = nullptr;
  void* o = nullptr;
  float* lse = nullptr;
  const void* d_o = nullptr;  // the gradient of o: `do` is a word of the language
  void* dq = nullptr;
  void* dk = nullptr;
  void* dv = nullptr;
  const std::int32_t* q_offsets = nullptr;  // [batch + 1], as the problem's; null where sequences are not packed
  const std::int32_t* kv_offsets = nullptr;
  const float* q_scale = nullptr;  // one number each, on the device like the tensors; null where they are not scaled
  const float* k_scale = nullptr;
  const float* v_scale = nullptr;
};

using AttentionOperation = Operation<AttentionBuffers>;
using AttentionKernel = Kernel<AttentionProblem, AttentionBuffers>;

/// Every attention kernel of this build, ours first.  A kernel of both passes is one row: `supports` and `prepare` read
/// the problem's pass.
const std::vector<AttentionKernel>& attention_kernels();

/// What a kernel does beyond equally long sequences of one head width, fully attended or causal.
struct AttentionFeatures {
  bool packed = false, window = false, value_dim = false, backward = false, deterministic = false;
};
/// The first feature of the problem that the kernel lacks, as a refusal; yes where it lacks none.
Support supports_features(const AttentionProblem&, const AttentionFeatures&);

/// Some elements' exact values (fp64), and the error that a kernel of the contract may make on each.
struct AllowedRow {
  std::vector<double> value, allowed;
};

/// One query's exact result (fp64, two-pass softmax) and the allowed error of each of its elements.
struct AttentionRow {
  std::vector<double> o;        // [value_dim]
  std::vector<double> allowed;  // [value_dim], derived in reference.cpp
  double lse = 0, lse_allowed = 0;
};
/// From host arrays of q, k and v in the problem's type, and their factors.  `how`: what the kernel says of its
/// products (AttentionKernel::accumulation).
AttentionRow attention_reference(const AttentionProblem&, const AttentionBuffers& host, std::int64_t b, std::int64_t h,
                                 std::int64_t i, const Accumulation& how = {});
/// The same of types that are not scaled.
AttentionRow attention_reference(const AttentionProblem&, const void* q, const void* k, const void* v, std::int64_t b,
                                 std::int64_t h, std::int64_t i);

/// The gradients of the o and lse given in `host` (all its inputs are host arrays): dq of one query, dk and dv of one
/// key.  Allowed errors are derived in reference_backward.cpp.
AllowedRow attention_reference_dq(const AttentionProblem&, const AttentionBuffers& host, std::int64_t b, std::int64_t h,
                                  std::int64_t i);
struct AttentionKeyGradients {
  AllowedRow dk, dv;  // [head_dim], [value_dim]
};
AttentionKeyGradients attention_reference_dkv(const AttentionProblem&, const AttentionBuffers& host, std::int64_t b,
                                              std::int64_t h_kv, std::int64_t j);

}  // namespace assay
