// The table of attention kernels in this build, and what a problem says of its mask.
#include "kernels/attention/attention.h"

#include <algorithm>
#include <cmath>

#include "assay/build_config.h"
#include "kernels/attention/cpu_kernels.h"
#if ASSAY_HAS_CUDA
#include "kernels/attention/cuda_kernels.h"
#endif

namespace assay {

double AttentionProblem::scale() const { return 1 / std::sqrt(static_cast<double>(head_dim)); }

std::int64_t AttentionProblem::visible(std::int64_t i) const {
  if (!causal) return seq_kv;
  return std::clamp<std::int64_t>(i + 1 + seq_kv - seq_q, 0, seq_kv);
}

std::int64_t AttentionProblem::visible_pairs() const {
  if (!causal) return seq_q * seq_kv;
  // The last min(seq_q, seq_kv) queries see keys; the last of all sees every key, each one before it one less.
  const std::int64_t rows = std::min(seq_q, seq_kv);
  return rows * seq_kv - rows * (rows - 1) / 2;
}

const std::vector<AttentionKernel>& attention_kernels() {
  static const std::vector<AttentionKernel> kernels = [] {
    std::vector<AttentionKernel> rows{cpu_flash_attention()};
#if ASSAY_HAS_CUDA
    append_cuda_attention_kernels(rows);
#endif
    return rows;
  }();
  return kernels;
}

}  // namespace assay
