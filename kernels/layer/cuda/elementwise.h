// Host side of the operations that work element by element on a GPU (cuda/elementwise.cuh): SwiGLU, GELU, the skip
// connection's addition.  C++17, no CUDA.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/common/launch_plan.h"
#include "kernels/layer/cuda/plan.h"
#include "kernels/layer/gelu.h"
#include "kernels/layer/residual_add.h"
#include "kernels/layer/swiglu.h"

namespace assay {

/// The only parameter of every elementwise kernel.
struct ElementwiseParams {
  const void* in[3] = {};
  void* out[2] = {};
  std::int64_t elements = 0;
  // Of arrays whose rows are apart (SwiGLU's gate and up, where they are halves of one array):
  std::int64_t columns = 0, stride = 0;  // elements of a row; from one row to the next
  std::int64_t extra_vectors_a_row = 0;  // (stride - columns) in vectors
  FastDivide vectors_of_row;
};

inline constexpr int kElementwiseThreads = 256;
/// Vectors of each input that a thread has in flight: about 128 bytes together.
ASSAY_HOST_DEVICE constexpr int elementwise_unroll(int inputs) { return inputs == 1 ? 8 : inputs == 2 ? 4 : 2; }

using ElementwisePlans = std::vector<LaunchPlan<ElementwiseParams>>;
ElementwisePlans swiglu_plans(const SwigluProblem&, const SwigluBuffers&);
ElementwisePlans gelu_plans(const GeluProblem&, const GeluBuffers&);
ElementwisePlans residual_add_plans(const ResidualAddProblem&, const ResidualAddBuffers&);

/// Rows apart are found by 31-bit arithmetic.
Support supports_swiglu_cuda(const SwigluProblem&);

}  // namespace assay
