#include "kernels/layer/cuda/norm.h"

#include <algorithm>
#include <stdexcept>

#include "kernels/layer/cuda/plan.h"

namespace assay {
namespace {

struct Instance {
  DType dtype;
  int per_lane;
  bool warp_rows, with_mean, residual;
  const char* name;
};

constexpr DType kBf16 = DType::bf16, kF32 = DType::f32;
constexpr bool kWarpTeam = true, kBlockTeam = false;
constexpr Instance kForward[] = {
#define ROW(E, V, T, M, R) {k##E, V, k##T, M, R, ASSAY_NORM_FORWARD_NAME(E, V, T, M, R)},
    ASSAY_NORM_FORWARD_INSTANCES(ROW)
#undef ROW
};
constexpr Instance kBackward[] = {
#define ROW(E, V, T, M, R) {k##E, V, k##T, M, R, ASSAY_NORM_BACKWARD_NAME(E, V, T, M)},
    ASSAY_NORM_BACKWARD_INSTANCES(ROW)
#undef ROW
};

template <std::size_t kCount>
const char* find_instance(const Instance (&instances)[kCount], const NormLaunch& launch, const NormShape& shape,
                          bool residual) {
  for (const Instance& i : instances)
    if (i.dtype == launch.dtype && i.per_lane == shape.per_lane && i.warp_rows == shape.warp_rows &&
        i.with_mean == launch.with_mean && i.residual == residual)
      return i.name;
  throw std::runtime_error("no norm kernel for this shape");
}

enum AnyKernel { kForwardAny, kBackwardAny, kPartialsAny };

/// The kernels that go element by element.
const char* any_kernel(AnyKernel which, const NormLaunch& launch) {
  static constexpr const char* kNames[3][2][2] = {
      {{"norm_forward_any<assay::layer_cuda::F32, false>", "norm_forward_any<assay::layer_cuda::F32, true>"},
       {"norm_forward_any<assay::layer_cuda::Bf16, false>", "norm_forward_any<assay::layer_cuda::Bf16, true>"}},
      {{"norm_backward_any<assay::layer_cuda::F32, false>", "norm_backward_any<assay::layer_cuda::F32, true>"},
       {"norm_backward_any<assay::layer_cuda::Bf16, false>", "norm_backward_any<assay::layer_cuda::Bf16, true>"}},
      {{"norm_backward_partials_any<assay::layer_cuda::F32, false>",
        "norm_backward_partials_any<assay::layer_cuda::F32, true>"},
       {"norm_backward_partials_any<assay::layer_cuda::Bf16, false>",
        "norm_backward_partials_any<assay::layer_cuda::Bf16, true>"}}};
  return kNames[which][launch.dtype == DType::bf16][launch.with_mean];
}

int per_vector(const NormLaunch& launch) { return int(kVectorBytes) / int(size_bytes(launch.dtype)); }
int sums(const NormLaunch& launch) { return launch.with_mean ? 2 : 1; }

unsigned shared_bytes(const NormLaunch& launch, const NormShape& shape) {
  if (!launch.backward || !shape.vectors) return 0;
  return norm_backward_shared_bytes(shape.threads, shape.per_lane, per_vector(launch), sums(launch));
}

constexpr int kAnyColumns = int(kNormThreads);  // of a block of norm_backward_partials_any

std::int64_t resident_blocks(const NormShape& shape, const Target& target) {
  return std::int64_t(shape.blocks_per_multiprocessor) * std::max(1, target.multiprocessors);
}

/// Blocks that take turns at the rows: as many as are resident at once, or have a row.
unsigned row_blocks(const NormLaunch& launch, const NormShape& shape, const Target& target) {
  const std::int64_t rows_of_block = shape.warp_rows ? shape.threads / 32 : 1;
  return unsigned(std::min(resident_blocks(shape, target), ceil_div(launch.tokens, rows_of_block)));
}

/// Rows of partial sums: one a block of norm_backward, or of the grid of norm_backward_partials_any.
unsigned partial_rows(const NormLaunch& launch, const NormShape& shape, const Target& target) {
  if (shape.vectors) return row_blocks(launch, shape, target);
  const std::int64_t wanted = resident_blocks(shape, target) / ceil_div(launch.hidden, kAnyColumns);
  return unsigned(std::min(std::max<std::int64_t>(1, wanted), launch.tokens));
}

using Plans = std::vector<LaunchPlan<NormParams>>;

Plans forward_plans(const NormLaunch& launch, const NormShape& shape, const NormParams& params, const Target& target) {
  if (launch.tokens == 0) return {};
  const char* kernel =
      shape.vectors ? find_instance(kForward, launch, shape, launch.residual) : any_kernel(kForwardAny, launch);
  return {{kernel, {row_blocks(launch, shape, target)}, {shape.threads}, {}, 0, params}};
}

Plans backward_plans(const NormLaunch& launch, const NormShape& shape, NormParams params, const Target& target) {
  const unsigned rows = partial_rows(launch, shape, target);
  params.partial_rows = int(rows);
  Plans plans;
  if (launch.tokens > 0 && shape.vectors) {
    plans.push_back({find_instance(kBackward, launch, shape, false),
                     {rows},
                     {shape.threads},
                     {},
                     shared_bytes(launch, shape),
                     params});
  } else if (launch.tokens > 0) {
    const auto tiles = unsigned(ceil_div(launch.hidden, kAnyColumns));
    plans.push_back({any_kernel(kPartialsAny, launch), {tiles, rows}, {kNormThreads}, {}, 0, params});
    plans.push_back(
        {any_kernel(kBackwardAny, launch), {row_blocks(launch, shape, target)}, {kNormThreads}, {}, 0, params});
  }
  const auto columns = unsigned(ceil_div(launch.hidden * sums(launch), 32));  // kNormSumColumns, kNormSumSlices
  plans.push_back({"norm_backward_sum", {columns}, {32, 8}, {}, 0, params});
  return plans;
}

template <class Problem, class Buffers>
NormParams common_params(const Problem& problem, const Buffers& b, float* workspace) {
  NormParams p;
  p.x = b.x, p.weight = b.weight, p.y = b.y, p.rstd = b.rstd, p.dy = b.dy, p.dx = b.dx, p.dw = b.dw;
  if (problem.residual) p.residual = b.residual, p.sum = b.sum, p.d_sum = b.d_sum;
  p.partials = workspace;
  p.tokens = problem.tokens, p.hidden = std::int32_t(problem.hidden);
  p.accumulate = problem.accumulate ? 1 : 0, p.epsilon = problem.epsilon;
  return p;
}

template <class Problem>
NormLaunch launch_of(const Problem& problem, bool with_mean) {
  return {problem.tokens, problem.hidden,  problem.dtype, problem.pass == LayerPass::backward,
          with_mean,      problem.residual};
}

bool aligned(const NormParams& p) {
  return aligned_vectors({p.x, p.residual, p.weight, p.bias, p.sum, p.y, p.dy, p.d_sum, p.dx});
}

Plans plans_of(const NormLaunch& launch, const NormParams& params, const Target& target) {
  const NormShape shape = norm_shape(launch, target, aligned(params));
  return launch.backward ? backward_plans(launch, shape, params, target) : forward_plans(launch, shape, params, target);
}

}  // namespace

NormLaunch norm_launch_of(const RmsNormProblem& problem) { return launch_of(problem, false); }
NormLaunch norm_launch_of(const LayerNormProblem& problem) { return launch_of(problem, true); }

NormShape norm_shape(const NormLaunch& launch, const Target& target, bool aligned) {
  NormShape shape;
  const std::int64_t vectors = launch.hidden / per_vector(launch);
  if (!aligned || launch.hidden % per_vector(launch) != 0 || vectors > kNormThreads * kNormLargestPerLane) return shape;
  shape.warp_rows = vectors <= kNormWarpVectors;
  shape.per_lane = shape.warp_rows ? 2 : 1;
  while (!shape.warp_rows && vectors > std::int64_t(kNormThreads) * shape.per_lane) shape.per_lane *= 2;
  if (!shape.warp_rows) shape.threads = unsigned(ceil_div(ceil_div(vectors, shape.per_lane), 32) * 32);
  const int full = launch.backward ? norm_backward_blocks(shape.per_lane, launch.with_mean)
                                   : norm_forward_blocks(shape.per_lane, launch.with_mean && launch.residual);
  shape.blocks_per_multiprocessor = unsigned(full) * kNormThreads / shape.threads;
  shape.vectors = true;
  if (const unsigned bytes = shared_bytes(launch, shape); bytes > 0) {
    // A multiprocessor has a little more than what one block may ask for; each block costs 1 KiB beside its own.
    const std::size_t blocks = target.shared_bytes_per_block / (bytes + 1024);
    if (blocks == 0) return {};
    shape.blocks_per_multiprocessor = std::min(shape.blocks_per_multiprocessor, unsigned(blocks));
  }
  return shape;
}

std::int64_t norm_workspace_floats(const NormLaunch& launch, const Target& target) {
  if (!launch.backward) return 0;
  // Whether arrays are aligned is known per launch: room for either way.
  const unsigned rows = std::max(partial_rows(launch, norm_shape(launch, target, true), target),
                                 partial_rows(launch, norm_shape(launch, target, false), target));
  return std::int64_t(rows) * launch.hidden * sums(launch);
}

Plans norm_plans(const RmsNormProblem& problem, const RmsNormBuffers& buffers, float* workspace, const Target& target) {
  return plans_of(norm_launch_of(problem), common_params(problem, buffers, workspace), target);
}

Plans norm_plans(const LayerNormProblem& problem, const LayerNormBuffers& buffers, float* workspace,
                 const Target& target) {
  NormParams params = common_params(problem, buffers, workspace);
  params.bias = buffers.bias, params.mean = buffers.mean, params.db = buffers.db;
  return plans_of(norm_launch_of(problem), params, target);
}

}  // namespace assay
