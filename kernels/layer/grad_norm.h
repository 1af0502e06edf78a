// The contract of the global gradient norm and the factor that clips it.
//
//   sum_of_squares = sum over all elements of all tensors of g^2         norm = sqrt(sum_of_squares)
//   clip = min(1, max_norm / (norm + 1e-6)), NaN where the norm is not finite
// (PyTorch's clip_grad_norm_ and Megatron-LM have the same 1e-6.)  AdamW takes `clip` as its gradient scale, from where
// it lies: gradients are read once for the norm and once for the update, and never written.
//
// The order of the sums is part of the contract, so that the result has the same bits on every device, for every number
// of threads, every time:
//  - each tensor is cut into chunks of kGradNormChunk elements, the last of a tensor is what is left;
//  - in a chunk, lane l = 0 .. 63 starts at 0 and takes elements l, l + 64, l + 128, ... in turn: lane = fma(g, g,
//  lane)
//    in fp32; then the lanes are halved, lane l += lane l + 32 for l < 32, then 16, 8, 4, 2, 1: lane 0 is the partial;
//  - the partials of all tensors, in order, are numbered 0, 1, ...; lane l = 0 .. 1023 starts at 0 and adds partials
//    l, l + 1024, ... in fp64; then these lanes are halved too: 512, 256, ..., 1.
// norm and clip are computed in fp64 from the sum and rounded to fp32.  (A CPU without fused multiply-add rounds the
// square and the sum.)
//
// Squares are fp32: a gradient beyond 1.8e19 makes the norm infinite, and one below 1e-23 counts as 0.
//
// Bytes that must move: the gradients, once.  FLOP are not counted.
#pragma once
#include <cstdint>
#include <numeric>
#include <vector>

#include "kernels/layer/layer.h"

namespace assay {

inline constexpr std::int64_t kGradNormChunk = 16384;  // 64 KiB of fp32: a thread block's work, or 4 us of a core's
inline constexpr int kGradNormLanes = 64;              // in a chunk, fp32
inline constexpr int kGradNormSums = 1024;             // over the partials, fp64
inline constexpr double kClipEpsilon = 1e-6;           // a norm of 0 divides too

struct GradNormProblem {
  std::vector<std::int64_t> elements;  // of each tensor, each at least 1
  DType dtype = DType::f32;            // of all gradients: f32 or bf16
  float max_norm = 1;

  int tensors() const { return static_cast<int>(elements.size()); }
  std::int64_t all_elements() const { return std::accumulate(elements.begin(), elements.end(), std::int64_t(0)); }
  static std::int64_t chunks_of(std::int64_t n) { return (n + kGradNormChunk - 1) / kGradNormChunk; }
  double bytes() const { return double(all_elements()) * double(size_bytes(dtype)); }
};

struct GradNorm {
  double sum_of_squares = 0;
  float norm = 0;
  float clip = 1;
};

/// From a sum, in fp64; what kernels leave in `result` too.  Ranks that hold shards add their sums before.
GradNorm grad_norm_of(double sum_of_squares, float max_norm);

/// Everything on the device the kernel runs on, the array of pointers too.
struct GradNormBuffers {
  const void* const* gradients = nullptr;  // [tensors]
  const std::int64_t* elements = nullptr;  // [tensors], the problem's
  GradNorm* result = nullptr;
};

using GradNormOperation = Operation<GradNormBuffers>;
using GradNormKernel = Kernel<GradNormProblem, GradNormBuffers>;

/// Every gradient-norm kernel of this build, ours first.
const std::vector<GradNormKernel>& grad_norm_kernels();

struct GradNormReference {
  LayerElement sum_of_squares, norm, clip;
};
/// In fp64, from host arrays.
GradNormReference grad_norm_reference(const GradNormProblem&, const GradNormBuffers& host);

}  // namespace assay
