// The contract of GELU in its tanh form, forward and backward: what GPT-2 and GPT-3 were trained with.
//   x, y, dy, dx  [tokens, ffn]  in the problem's type
//
// Forward (Hendrycks and Gimpel 2016, arXiv 1606.08415, section 2), z = 2 sqrt(2 / pi) (x + 0.044715 x^3):
//   y = x / 2 (1 + tanh(z / 2)) = x s      s = 1 / (1 + exp(-z))
// Backward:
//   dx = dy (s + x s (1 - s) z')           z' = 2 sqrt(2 / pi) (1 + 3 0.044715 x^2)
#pragma once
#include "kernels/layer/layer.h"

namespace assay {

inline constexpr double kGeluLinear = 1.5957691216057308;  // 2 sqrt(2 / pi)
inline constexpr double kGeluCubic = 0.044715;

struct GeluProblem {
  std::int64_t tokens = 1, ffn = 1;
  DType dtype = DType::f32;
  LayerPass pass = LayerPass::forward;

  std::int64_t elements() const { return tokens * ffn; }
  /// That must move.
  double bytes() const {
    return double(size_bytes(dtype)) * double(elements()) * (pass == LayerPass::forward ? 2.0 : 3.0);
  }
};

/// On the device the kernel runs on.  Forward reads x and writes y, backward reads x and dy and writes dx.
struct GeluBuffers {
  const void* x = nullptr;
  void* y = nullptr;
  const void* dy = nullptr;
  void* dx = nullptr;
};

using GeluOperation = Operation<GeluBuffers>;
using GeluKernel = Kernel<GeluProblem, GeluBuffers>;

/// Every GELU kernel of this build, ours first.
const std::vector<GeluKernel>& gelu_kernels();

/// y (backward: dx) at one element.  `host`: all inputs are host arrays.  Allowed errors are derived in reference.cpp.
LayerElement gelu_reference(const GeluProblem&, const GeluBuffers& host, std::int64_t element);

}  // namespace assay
