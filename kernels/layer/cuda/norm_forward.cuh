// RMSNorm and LayerNorm forward, alone or behind the skip connection's addition, for any GPU from sm_80 on.
//
// Algorithm   A row is read once and stays in registers: a block (short rows: a warp) takes row after row, and asks
//             for its next one before it reduces the one it has.  LayerNorm's variance is of x - mean, so it reduces
//             twice.
// Tile        One row: 1, 2, 4 or 8 vectors of 16 bytes a lane, up to 256 lanes: 16384 bf16, 8192 fp32.  Longer or
//             unaligned rows: norm_forward_any, element by element, reading the row again for each step (L2 has it).
// In flight   By Little's law a multiprocessor needs latency x bandwidth: 0.7 us x 3.35 TB/s / 132 = 18 KB on an
//             H100, 25 KB on an H200 (4.8 TB/s), 38 KB on a B200 (8 TB/s, 148).  Blocks x lanes x vectors x 16 bytes
//             of next rows are 24, 32, 48 and 64 KB for 1, 2, 4 and 8 vectors, requested before the barrier and the
//             stores of the current row: memory never waits for a reduction.  cp.async or TMA would save registers,
//             which do not run short here, and add shared memory traffic.
// Resources   Registers bounded by norm_forward_blocks (40 to 128; 255 for 8 vectors with a mean and a residual); 256
//             or 512 bytes of shared memory for the warps' sums.
// Hints       x and residual past L1 (read once); weights through it, for every row anew: kept in registers, the
//             compiler unpacks them once, and spills.  y and sum as usual, since the next kernel reads them.
// Status      Proven in tests/simt; not yet run on a GPU.
// Source      Written for this project.
#pragma once
#include "kernels/layer/cuda/norm.h"
#include "kernels/layer/cuda/rows.cuh"
#include "kernels/layer/cuda/teams.cuh"

namespace assay::layer_cuda {

template <class Element, int kVectors>
struct NormInput {
  RowPart<kVectors> x, residual;
};

template <class Element, int kVectors, class Team, bool kResidual>
__device__ __forceinline__ NormInput<Element, kVectors> load_input(const NormParams& p, std::int64_t row, int vectors) {
  NormInput<Element, kVectors> input;
  input.x = load_row<Team, kVectors>(row_of<Element>(p.x, row, p.hidden), vectors);
  if constexpr (kResidual)
    input.residual = load_row<Team, kVectors>(row_of<Element>(p.residual, row, p.hidden), vectors);
  return input;
}

/// x = x + residual, rounded to the type, which is what is normalised; written to `sum`.
template <class Element, int kVectors, class Team>
__device__ __forceinline__ void add_residual(const NormParams& p, std::int64_t row, int vectors,
                                             NormInput<Element, kVectors>& input) {
  auto* sum = reinterpret_cast<uint4*>(row_of<Element>(p.sum, row, p.hidden));
  for_row_vectors<Team, kVectors>(vectors, [&](int j, int i) {
    float a[Element::kPerVector], b[Element::kPerVector];
    Element::unpack(input.x.vector[j], a);
    Element::unpack(input.residual.vector[j], b);
#pragma unroll
    for (int e = 0; e < Element::kPerVector; ++e) a[e] += b[e];
    sum[i] = input.x.vector[j] = Element::pack(a);
  });
}

/// Sum over the row of x (kSquares: of (x - center)^2).
template <bool kSquares, class Element, int kVectors, class Team>
__device__ __forceinline__ float row_sum(const RowPart<kVectors>& x, int vectors, float center,
                                         ReduceScratch<1>& scratch, int turn) {
  float sum[1] = {0.F};
  for_row_vectors<Team, kVectors>(vectors, [&](int j, int) {
    float value[Element::kPerVector];
    Element::unpack(x.vector[j], value);
#pragma unroll
    for (int e = 0; e < Element::kPerVector; ++e) {
      const float centered = value[e] - center;
      sum[0] = kSquares ? fmaf(centered, centered, sum[0]) : sum[0] + value[e];
    }
  });
  Team::template reduce<Sum>(sum, scratch, turn);
  return sum[0];
}

template <class Element, int kVectors, class Team, bool kMean>
__device__ __forceinline__ void store_normalised(const NormParams& p, std::int64_t row, int vectors,
                                                 const RowPart<kVectors>& x, float mean, float rstd) {
  auto* y = reinterpret_cast<uint4*>(row_of<Element>(p.y, row, p.hidden));
  for_row_vectors<Team, kVectors>(vectors, [&](int j, int i) {
    float value[Element::kPerVector], w[Element::kPerVector], b[Element::kPerVector];
    Element::unpack(x.vector[j], value);
    Element::unpack(__ldg(static_cast<const uint4*>(p.weight) + i), w);
    if constexpr (kMean) Element::unpack(__ldg(static_cast<const uint4*>(p.bias) + i), b);
#pragma unroll
    for (int e = 0; e < Element::kPerVector; ++e) {
      if constexpr (kMean)
        value[e] = fmaf((value[e] - mean) * rstd, w[e], b[e]);
      else
        value[e] = value[e] * rstd * w[e];
    }
    y[i] = Element::pack(value);
  });
}

template <class Element, int kVectors, class Team, bool kMean, bool kResidual>
__global__ void __launch_bounds__(kNormThreads, norm_forward_blocks(kVectors, kMean&& kResidual))
    norm_forward(NormParams p) {
  __shared__ ReduceScratch<1> scratch;
  const int vectors = p.hidden / Element::kPerVector;
  std::int64_t row = Team::first();
  if (row >= p.tokens) return;  // a whole team: a warp, or the block
  auto next = load_input<Element, kVectors, Team, kResidual>(p, row, vectors);
  for (int turn = 0; row < p.tokens; row += Team::count()) {
    auto input = next;
    if constexpr (kResidual) add_residual<Element, kVectors, Team>(p, row, vectors, input);  // frees registers
    if (row + Team::count() < p.tokens)
      next = load_input<Element, kVectors, Team, kResidual>(p, row + Team::count(), vectors);
    float mean = 0.F;
    if constexpr (kMean)
      mean = row_sum<false, Element, kVectors, Team>(input.x, vectors, 0.F, scratch, turn++) / float(p.hidden);
    const float squares = row_sum<true, Element, kVectors, Team>(input.x, vectors, mean, scratch, turn++);
    const float rstd = 1.F / sqrtf(squares / float(p.hidden) + p.epsilon);
    if (Team::lane() == 0) {
      p.rstd[row] = rstd;
      if constexpr (kMean) p.mean[row] = mean;
    }
    store_normalised<Element, kVectors, Team, kMean>(p, row, vectors, input.x, mean, rstd);
  }
}

/// Any length, element by element; the same thread always has the same columns, so that it may read what it wrote.
template <class Element, bool kMean>
__global__ void __launch_bounds__(kNormThreads) norm_forward_any(NormParams p) {
  __shared__ ReduceScratch<1> scratch;
  const auto* weight = static_cast<const typename Element::Storage*>(p.weight);
  const auto* bias = static_cast<const typename Element::Storage*>(p.bias);
  int turn = 0;
  for (std::int64_t row = blockIdx.x; row < p.tokens; row += gridDim.x) {
    const auto* x = row_of<Element>(p.x, row, p.hidden);
    if (p.residual != nullptr) {
      auto* sum = row_of<Element>(p.sum, row, p.hidden);
      const auto* residual = row_of<Element>(p.residual, row, p.hidden);
      for (int c = int(threadIdx.x); c < p.hidden; c += int(blockDim.x))
        sum[c] = Element::store(Element::load(x[c]) + Element::load(residual[c]));
      x = sum;
    }
    float mean = 0.F;
    if constexpr (kMean) {
      float total[1] = {0.F};
      for (int c = int(threadIdx.x); c < p.hidden; c += int(blockDim.x)) total[0] += Element::load(x[c]);
      block_reduce<Sum>(total, scratch, turn++);
      mean = total[0] / float(p.hidden);
    }
    float squares[1] = {0.F};
    for (int c = int(threadIdx.x); c < p.hidden; c += int(blockDim.x)) {
      const float centered = Element::load(x[c]) - mean;
      squares[0] = fmaf(centered, centered, squares[0]);
    }
    block_reduce<Sum>(squares, scratch, turn++);
    const float rstd = 1.F / sqrtf(squares[0] / float(p.hidden) + p.epsilon);
    auto* y = row_of<Element>(p.y, row, p.hidden);
    for (int c = int(threadIdx.x); c < p.hidden; c += int(blockDim.x)) {
      const float w = Element::load(weight[c]);
      y[c] = kMean ? Element::store(fmaf((Element::load(x[c]) - mean) * rstd, w, Element::load(bias[c])))
                   : Element::store(Element::load(x[c]) * rstd * w);
    }
    if (threadIdx.x == 0) {
      p.rstd[row] = rstd;
      if constexpr (kMean) p.mean[row] = mean;
    }
  }
}

}  // namespace assay::layer_cuda
