// Host side of the norms on a GPU (cuda/norm_forward.cuh, cuda/norm_backward.cuh): parameters, shapes of the launches.
// RMSNorm is LayerNorm without a mean and a bias; both are instances of the same kernels.  C++17, no CUDA.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/common/launch_plan.h"
#include "kernels/layer/layer_norm.h"
#include "kernels/layer/rms_norm.h"

namespace assay {

/// The only parameter of every norm kernel.
struct NormParams {
  const void* x = nullptr;  // [tokens, hidden], as all tensors of the problem's type
  const void* residual = nullptr;
  const void* weight = nullptr;
  const void* bias = nullptr;
  void* sum = nullptr;
  void* y = nullptr;
  float* mean = nullptr;  // [tokens]
  float* rstd = nullptr;
  const void* dy = nullptr;
  const void* d_sum = nullptr;
  void* dx = nullptr;
  float* dw = nullptr;  // [hidden]
  float* db = nullptr;
  float* partials = nullptr;  // [partial_rows, 1 or 2, hidden]: sums for dw, and for db, of some tokens each
  std::int64_t tokens = 0;
  std::int32_t hidden = 0;
  std::int32_t partial_rows = 0;
  std::int32_t accumulate = 0;
  float epsilon = 0;
};

/// How a row is spread over threads.
struct NormShape {
  bool vectors = false;    // 16 bytes at a time, the row in registers; else element by element, any length
  bool warp_rows = false;  // a warp a row, eight rows a block
  int per_lane = 0;        // vectors of a lane: 1, 2, 4, 8
  unsigned threads = 256;
  unsigned blocks_per_multiprocessor = 8;
};

inline constexpr unsigned kNormThreads = 256;  // of a block, at most
inline constexpr int kNormWarpVectors = 64;    // the longest row of one warp: 2 vectors a lane
inline constexpr int kNormLargestPerLane = 8;

/// Blocks of kNormThreads that fit the registers of a multiprocessor, as __launch_bounds__ of the kernels promises.
/// `both`: a mean and a residual, the most registers.
constexpr int norm_forward_blocks(int per_lane, bool both) {
  return per_lane <= 1 ? 6 : per_lane == 2 ? 4 : per_lane == 4 ? 3 : both ? 1 : 2;
}
constexpr int norm_backward_blocks(int per_lane, bool with_mean) {
  return per_lane <= 1 ? 5 : per_lane == 2 && !with_mean ? 3 : per_lane <= 4 ? 2 : 1;
}

/// Shared memory of a backward block's sums for dw (and db): a lane's columns, in fp32.
constexpr unsigned norm_backward_shared_bytes(unsigned threads, int per_lane, int per_vector, int sums) {
  return threads * unsigned(per_lane * per_vector * sums) * 4;
}

/// The compiled instances: X(element type, vectors a lane, team, with a mean, with a residual).  Backward has no
/// instances by residual.
#define ASSAY_NORM_ROWS(X, Element, Mean, Residual) \
  X(Element, 2, WarpTeam, Mean, Residual)           \
  X(Element, 1, BlockTeam, Mean, Residual)          \
  X(Element, 2, BlockTeam, Mean, Residual)          \
  X(Element, 4, BlockTeam, Mean, Residual) X(Element, 8, BlockTeam, Mean, Residual)
#define ASSAY_NORM_FORWARD_INSTANCES(X)                                                                           \
  ASSAY_NORM_ROWS(X, Bf16, false, false)                                                                          \
  ASSAY_NORM_ROWS(X, Bf16, false, true)                                                                           \
  ASSAY_NORM_ROWS(X, Bf16, true, false)                                                                           \
  ASSAY_NORM_ROWS(X, Bf16, true, true) ASSAY_NORM_ROWS(X, F32, false, false) ASSAY_NORM_ROWS(X, F32, false, true) \
      ASSAY_NORM_ROWS(X, F32, true, false) ASSAY_NORM_ROWS(X, F32, true, true)
#define ASSAY_NORM_BACKWARD_INSTANCES(X) \
  ASSAY_NORM_ROWS(X, Bf16, false, false) \
  ASSAY_NORM_ROWS(X, Bf16, true, false) ASSAY_NORM_ROWS(X, F32, false, false) ASSAY_NORM_ROWS(X, F32, true, false)
#define ASSAY_NORM_FORWARD_NAME(Element, Vectors, Team, Mean, Residual) \
  "norm_forward<assay::layer_cuda::" #Element ", " #Vectors ", assay::layer_cuda::" #Team ", " #Mean ", " #Residual ">"
#define ASSAY_NORM_BACKWARD_NAME(Element, Vectors, Team, Mean) \
  "norm_backward<assay::layer_cuda::" #Element ", " #Vectors ", assay::layer_cuda::" #Team ", " #Mean ">"

/// A norm on a GPU: what both contracts have in common.
struct NormLaunch {
  std::int64_t tokens = 0, hidden = 0;
  DType dtype = DType::f32;
  bool backward = false, with_mean = false, residual = false;
};
NormLaunch norm_launch_of(const RmsNormProblem&);
NormLaunch norm_launch_of(const LayerNormProblem&);

/// `aligned`: every array begins on 16 bytes.
NormShape norm_shape(const NormLaunch&, const Target&, bool aligned);

/// Floats of `partials`; 0 for forward.
std::int64_t norm_workspace_floats(const NormLaunch&, const Target&);

/// One behind the other on one stream.  No tokens: forward has nothing to launch, backward only clears dw.
std::vector<LaunchPlan<NormParams>> norm_plans(const RmsNormProblem&, const RmsNormBuffers&, float* workspace,
                                               const Target&);
std::vector<LaunchPlan<NormParams>> norm_plans(const LayerNormProblem&, const LayerNormBuffers&, float* workspace,
                                               const Target&);

}  // namespace assay
