// The contract of the skip connection's addition by itself; in front of a norm it is part of the norm (rms_norm.h).
//   a, b, out  [elements]  in the problem's type
//
//   out = a + b, rounded once, ties to even: no error is allowed
// Backward has no kernel of its own: the gradient of each input is the output's, the same array; and where a tensor
// went both ways its gradient is the sum of two, which is this operation again.
#pragma once
#include "kernels/layer/layer.h"

namespace assay {

struct ResidualAddProblem {
  std::int64_t tokens = 1, hidden = 1;
  DType dtype = DType::f32;

  std::int64_t elements() const { return tokens * hidden; }
  /// That must move.
  double bytes() const { return 3.0 * double(size_bytes(dtype)) * double(elements()); }
};

/// On the device the kernel runs on.  In place is allowed.
struct ResidualAddBuffers {
  const void* a = nullptr;
  const void* b = nullptr;
  void* out = nullptr;
};

using ResidualAddOperation = Operation<ResidualAddBuffers>;
using ResidualAddKernel = Kernel<ResidualAddProblem, ResidualAddBuffers>;

/// Every kernel of this addition in this build, ours first.
const std::vector<ResidualAddKernel>& residual_add_kernels();

/// One element.  `host`: a and b are host arrays.
LayerElement residual_add_reference(const ResidualAddProblem&, const ResidualAddBuffers& host, std::int64_t element);

}  // namespace assay
