// Attention as the graph of operations by which cuDNN's backend API knows it.  The library looks for exactly these
// operations between exactly these tensors and replaces the whole by one fused kernel (backward: by three).
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/attention/attention.h"
#include "kernels/attention/vendor/cudnn_graph.h"

namespace assay {

/// The graph's tensors in memory; their unique ids.
enum class CudnnOperand : std::int64_t {
  q = 1,
  k,
  v,
  o,
  lse,
  d_o,
  dq,
  dk,
  dv,      // until here as in AttentionBuffers
  delta,   // workspace of backward, fp32 [batch, heads, seq_q]
  dq_sum,  // the same, fp32 [batch, heads, seq_q, head_dim]; not where backward is deterministic
};

/// The graph of a problem that cudnn_attention_support allows, finalized.
CudnnGraph cudnn_attention_graph(const CudnnLibrary&, const CudnnDevice&, const AttentionProblem&);

/// Bytes of the workspace tensors above, which are the caller's to allocate beside the engine's own workspace.
std::size_t cudnn_delta_bytes(const AttentionProblem&);
std::size_t cudnn_dq_sum_bytes(const AttentionProblem&);

/// Why that version of the library (91900 is 9.19.0) is not asked to do a problem; yes where it is.  Its heuristic has
/// the last word, when the kernel is prepared.
Support cudnn_attention_support(const AttentionProblem&, int compute_capability, std::size_t version);

}  // namespace assay
