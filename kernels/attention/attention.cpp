// The table of attention kernels in this build, and what a problem says of its lengths and its mask.
#include "kernels/attention/attention.h"

#include <algorithm>
#include <cmath>

#include "assay/build_config.h"
#include "kernels/attention/cpu/kernels.h"
#if ASSAY_HAS_CUDA
#include "kernels/attention/cuda/kernels.h"
#endif

namespace assay {
namespace {

std::int64_t length(const std::vector<std::int64_t>& offsets, std::int64_t b) {
  return offsets[static_cast<std::size_t>(b) + 1] - offsets[static_cast<std::size_t>(b)];
}

/// 1 + 2 + ... + n.
double triangle(double n) { return n * (n + 1) / 2; }

}  // namespace

double AttentionProblem::scale() const { return 1 / std::sqrt(static_cast<double>(head_dim)); }

std::int64_t AttentionProblem::queries(std::int64_t b) const { return packed() ? length(q_offsets, b) : seq_q; }

std::int64_t AttentionProblem::keys(std::int64_t b) const { return packed() ? length(kv_offsets, b) : seq_kv; }

KeyRange AttentionProblem::visible_keys(std::int64_t b, std::int64_t i) const {
  const std::int64_t all = keys(b);
  if (!causal) return {0, all};
  const std::int64_t position = i + all - queries(b);
  return {window > 0 ? std::max<std::int64_t>(0, position + 1 - window) : 0,
          std::clamp<std::int64_t>(position + 1, 0, all)};
}

KeyRange AttentionProblem::seeing_queries(std::int64_t b, std::int64_t j) const {
  const std::int64_t all = queries(b);
  if (!causal) return {0, all};
  const std::int64_t first = j - (keys(b) - all);  // whose position is j
  return {std::clamp<std::int64_t>(first, 0, all), window > 0 ? std::clamp<std::int64_t>(first + window, 0, all) : all};
}

double AttentionProblem::visible_pairs() const {
  double pairs = 0;
  for (std::int64_t b = 0; b < (packed() ? batch : 1); ++b) {
    const double q = double(queries(b)), kv = double(keys(b));
    if (!causal) {
      pairs += q * kv;
      continue;
    }
    // The last min(q, kv) queries see keys, the last of all every key, each one before it one less; a window takes
    // away what lies before it, again one less with each query.
    const double most = kv, least = kv - std::min(q, kv);
    pairs += triangle(most) - triangle(least);
    if (window > 0)
      pairs -= triangle(std::max(0.0, most - double(window))) - triangle(std::max(0.0, least - double(window)));
  }
  return packed() ? pairs : pairs * double(batch);
}

Support supports_features(const AttentionProblem& p, const AttentionFeatures& has) {
  if (p.pass == AttentionPass::backward && p.scaled())
    return Support::no(std::string("attention in ") + name(p.dtype) +
                       " is forward only: gradients have no 8-bit form here");
  if (p.pass == AttentionPass::backward && !has.backward) return Support::no("has no backward pass");
  if (p.packed() && !has.packed) return Support::no("takes no packed sequences of various lengths");
  if (p.window > 0 && !has.window) return Support::no("has no sliding window");
  if (p.value_dim() != p.head_dim && !has.value_dim)
    return Support::no("takes values only as wide as queries and keys");
  if (p.deterministic && p.pass == AttentionPass::backward && !has.deterministic)
    return Support::no("has no deterministic backward pass");
  return Support::yes();
}

const std::vector<AttentionKernel>& attention_kernels() {
  static const std::vector<AttentionKernel> kernels = [] {
    std::vector<AttentionKernel> rows{cpu_flash_attention(), cpu_dequantized_attention()};
#if ASSAY_HAS_OPENBLAS
    rows.push_back(openblas_unfused_attention());
#endif
#if ASSAY_HAS_CUDA
    append_cuda_attention_kernels(rows);
#endif
    return rows;
  }();
  return kernels;
}

}  // namespace assay
