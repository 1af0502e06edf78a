// The contract of RMSNorm, forward and backward, alone or behind the skip connection's addition.
//   x, residual, sum, y, dy, d_sum, dx  [tokens, hidden]   in the problem's type
//   weight  [hidden]  in the problem's type                rstd [tokens]  dw [hidden]  fp32
//
// Forward (Zhang and Sennrich 2019, arXiv 1910.07467, eq. 4, with Llama's epsilon):
//   rstd_t = 1 / sqrt(mean_c x_tc^2 + epsilon)             y_tc = x_tc rstd_t weight_c
// `residual`: sum = x + residual, rounded to the type, is what is normalised, and is written too: the stream that the
// next skip connection adds to.  Training stacks have it so (TransformerEngine, Apex's and vLLM's fused_add_rms_norm).
//
// Backward, from what was normalised (x; where `residual`, the caller passes the sum there), weight, rstd and dy; with
// xhat = x rstd and g = dy weight:
//   dx_tc = rstd_t (g_tc - xhat_tc mean_c(g_tc xhat_tc))   dw_c = sum_t dy_tc xhat_tc
// `residual`: dx = that + d_sum, where d_sum arrived by the skip connection.  Of the addition's two inputs both have
// this one gradient.  `accumulate`: dw += in place of dw =.
#pragma once
#include "kernels/layer/layer.h"

namespace assay {

struct RmsNormProblem {
  std::int64_t tokens = 1, hidden = 1;
  DType dtype = DType::f32;
  LayerPass pass = LayerPass::forward;
  bool residual = false;
  bool accumulate = false;  // backward
  float epsilon = 1e-5F;

  std::int64_t elements() const { return tokens * hidden; }
  /// That must move.
  double bytes() const {
    const bool forward = pass == LayerPass::forward;
    const int tensors = forward ? (residual ? 4 : 2) : (residual ? 4 : 3);
    const double dw = forward ? 0 : (accumulate ? 8.0 : 4.0);
    return double(size_bytes(dtype)) * (tensors * double(elements()) + double(hidden)) + 4.0 * double(tokens) +
           dw * double(hidden);
  }
};

/// On the device the kernel runs on.  What a pass does not name above may be null.
struct RmsNormBuffers {
  const void* x = nullptr;
  const void* residual = nullptr;  // forward, with `residual`
  const void* weight = nullptr;
  void* sum = nullptr;  // forward, with `residual`
  void* y = nullptr;
  float* rstd = nullptr;  // forward writes it, backward reads it
  const void* dy = nullptr;
  const void* d_sum = nullptr;  // backward, with `residual`
  void* dx = nullptr;
  float* dw = nullptr;
};

using RmsNormOperation = Operation<RmsNormBuffers>;
using RmsNormKernel = Kernel<RmsNormProblem, RmsNormBuffers>;

/// Every RMSNorm kernel of this build, ours first.
const std::vector<RmsNormKernel>& rms_norm_kernels();

/// One token of forward.  `host`: all inputs are host arrays.  Allowed errors are derived in reference_norm.cpp.
struct RmsNormRow {
  LayerRow y, sum;  // sum: with `residual`
  LayerElement rstd;
};
RmsNormRow rms_norm_reference(const RmsNormProblem&, const RmsNormBuffers& host, std::int64_t token);
/// Of the rstd given in `host`.  dw is the sum over tokens, to which an accumulating kernel adds.
LayerRow rms_norm_reference_dx(const RmsNormProblem&, const RmsNormBuffers& host, std::int64_t token);
LayerElement rms_norm_reference_dw(const RmsNormProblem&, const RmsNormBuffers& host, std::int64_t column);

}  // namespace assay
