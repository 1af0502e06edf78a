// The contract of SwiGLU's activation, forward and backward.
//   gate, up, d_gate, d_up  [tokens, ffn], rows `row_stride` elements apart      y, dy  [tokens, ffn], packed
// all in the problem's type.  gate and up may be the halves of one product's output, [tokens, 2 ffn]: then up is gate +
// ffn, row_stride is 2 ffn, and so for their gradients.
//
// Forward (Shazeer 2020, arXiv 2002.05202, eq. 6, without biases, as in Llama), s = 1 / (1 + exp(-gate)):
//   y = gate s up
// Backward, from gate, up and dy:
//   d_gate = dy up s (1 + gate (1 - s))      d_up = dy gate s
#pragma once
#include "kernels/layer/layer.h"

namespace assay {

struct SwigluProblem {
  std::int64_t tokens = 1, ffn = 1;
  std::int64_t row_stride = 0;  // of gate, up and their gradients, in elements; 0: ffn
  DType dtype = DType::f32;
  LayerPass pass = LayerPass::forward;

  std::int64_t elements() const { return tokens * ffn; }
  std::int64_t input_stride() const { return row_stride > 0 ? row_stride : ffn; }
  /// That must move.
  double bytes() const {
    return double(size_bytes(dtype)) * double(elements()) * (pass == LayerPass::forward ? 3.0 : 5.0);
  }
};

/// On the device the kernel runs on.  Forward writes y; backward reads dy and writes d_gate and d_up.
struct SwigluBuffers {
  const void* gate = nullptr;
  const void* up = nullptr;
  void* y = nullptr;
  const void* dy = nullptr;
  void* d_gate = nullptr;
  void* d_up = nullptr;
};

using SwigluOperation = Operation<SwigluBuffers>;
using SwigluKernel = Kernel<SwigluProblem, SwigluBuffers>;

/// Every SwiGLU kernel of this build, ours first.
const std::vector<SwigluKernel>& swiglu_kernels();

/// One element.  `host`: all inputs are host arrays.  Allowed errors are derived in reference.cpp.
LayerElement swiglu_reference(const SwigluProblem&, const SwigluBuffers& host, std::int64_t token, std::int64_t column);
struct SwigluGradients {
  LayerElement d_gate, d_up;
};
SwigluGradients swiglu_reference_backward(const SwigluProblem&, const SwigluBuffers& host, std::int64_t token,
                                          std::int64_t column);

}  // namespace assay
