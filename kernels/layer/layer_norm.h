// The contract of LayerNorm, forward and backward, alone or behind the skip connection's addition: as RMSNorm's
// (rms_norm.h), with the mean taken off and a bias.
//   x, residual, sum, y, dy, d_sum, dx  [tokens, hidden]   in the problem's type
//   weight, bias  [hidden]  in the problem's type          mean, rstd [tokens]  dw, db [hidden]  fp32
//
// Forward (Ba, Kiros and Hinton 2016, arXiv 1607.06450, eq. 4), the variance over hidden, not hidden - 1, and taken of
// x - mean (the difference of two means of large numbers has no digit left where |mean| is far above the deviation):
//   rstd_t = 1 / sqrt(mean_c (x_tc - mean_t)^2 + epsilon)  y_tc = (x_tc - mean_t) rstd_t weight_c + bias_c
//
// Backward, with xhat = (x - mean) rstd and g = dy weight:
//   dx_tc = rstd_t (g_tc - mean_c(g_tc) - xhat_tc mean_c(g_tc xhat_tc))
//   dw_c = sum_t dy_tc xhat_tc      db_c = sum_t dy_tc
// `residual` and `accumulate` as RMSNorm's.
#pragma once
#include "kernels/layer/layer.h"

namespace assay {

struct LayerNormProblem {
  std::int64_t tokens = 1, hidden = 1;
  DType dtype = DType::f32;
  LayerPass pass = LayerPass::forward;
  bool residual = false;
  bool accumulate = false;  // backward: dw and db
  float epsilon = 1e-5F;

  std::int64_t elements() const { return tokens * hidden; }
  /// That must move.
  double bytes() const {
    const bool forward = pass == LayerPass::forward;
    const int tensors = forward ? (residual ? 4 : 2) : (residual ? 4 : 3);
    const int parameters = forward ? 2 : 1;  // backward does not read the bias
    const double gradients = forward ? 0 : (accumulate ? 16.0 : 8.0);
    return double(size_bytes(dtype)) * (tensors * double(elements()) + parameters * double(hidden)) +
           8.0 * double(tokens) + gradients * double(hidden);
  }
};

/// On the device the kernel runs on.  What a pass does not name above may be null.
struct LayerNormBuffers {
  const void* x = nullptr;
  const void* residual = nullptr;  // forward, with `residual`
  const void* weight = nullptr;
  const void* bias = nullptr;
  void* sum = nullptr;  // forward, with `residual`
  void* y = nullptr;
  float* mean = nullptr;  // forward writes mean and rstd, backward reads them
  float* rstd = nullptr;
  const void* dy = nullptr;
  const void* d_sum = nullptr;  // backward, with `residual`
  void* dx = nullptr;
  float* dw = nullptr;
  float* db = nullptr;
};

using LayerNormOperation = Operation<LayerNormBuffers>;
using LayerNormKernel = Kernel<LayerNormProblem, LayerNormBuffers>;

/// Every LayerNorm kernel of this build, ours first.
const std::vector<LayerNormKernel>& layer_norm_kernels();

/// One token of forward.  `host`: all inputs are host arrays.  Allowed errors are derived in reference_norm.cpp.
struct LayerNormReferenceRow {
  LayerRow y, sum;  // sum: with `residual`
  LayerElement mean, rstd;
};
LayerNormReferenceRow layer_norm_reference(const LayerNormProblem&, const LayerNormBuffers& host, std::int64_t token);
/// Of the mean and rstd given in `host`.  dw and db are sums over tokens, to which an accumulating kernel adds.
LayerRow layer_norm_reference_dx(const LayerNormProblem&, const LayerNormBuffers& host, std::int64_t token);
LayerElement layer_norm_reference_dw(const LayerNormProblem&, const LayerNormBuffers& host, std::int64_t column);
LayerElement layer_norm_reference_db(const LayerNormProblem&, const LayerNormBuffers& host, std::int64_t column);

}  // namespace assay
