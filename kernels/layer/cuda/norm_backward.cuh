// RMSNorm and LayerNorm backward, for any GPU from sm_80 on: dx, and the gradients of weight and bias.
//
// Algorithm   x and dy of a row are read once and stay in registers: a block (short rows: a warp) takes row after row
//             and asks for its next one before it reduces the one it has.  dw and db are sums over tokens: each lane
//             adds up its own columns in shared memory (its own words: no barrier, no conflict), each block leaves
//             one row of partial sums, and norm_backward_sum adds those in a fixed order.  No atomics: the same bits
//             on every launch on GPUs of as many multiprocessors.
// Tile        One row: 1, 2, 4 or 8 vectors of 16 bytes a lane, up to 256 lanes: 16384 bf16, 8192 fp32.  Longer or
//             unaligned rows: the _any kernels, which read x and dy twice, and again for dw.
// In flight   Little's law asks for 18 KB a multiprocessor of an H100, 25 KB of an H200, 38 KB of a B200
//             (cuda/norm_forward.cuh).  Blocks x lanes x vectors x 2 tensors x 16 bytes of next rows are 40, 48
//             (LayerNorm 32), 64 and 64 KB for 1, 2, 4 and 8 vectors.
// Traffic     Partial sums: blocks x hidden x 4 bytes, written and read once: 0.8 % of the tensors' bytes at 16384 x
//             8192 bf16 on an H100 (264 blocks), 6 % at 2048 tokens.
// Resources   Registers bounded by norm_backward_blocks (48 to 255); shared memory by norm_backward_shared_bytes (8
//             to 64 KB for RMSNorm, twice that for LayerNorm).
// Hints       x, dy and d_sum past L1 (read once); weights through it: every row's, and not kept in registers.
// Status      Proven in tests/simt; not yet run on a GPU.
// Source      Written for this project.
#pragma once
#include "kernels/common/ptx/shared_access.cuh"
#include "kernels/common/ptx/shared_address.cuh"
#include "kernels/layer/cuda/norm.h"
#include "kernels/layer/cuda/rows.cuh"
#include "kernels/layer/cuda/teams.cuh"

namespace assay::layer_cuda {

template <int kVectors>
struct NormGradient {
  RowPart<kVectors> x, dy;
  float mean = 0.F, rstd = 0.F;
};

template <class Element, int kVectors, class Team, bool kMean>
__device__ __forceinline__ NormGradient<kVectors> load_gradient(const NormParams& p, std::int64_t row, int vectors) {
  NormGradient<kVectors> in;
  in.x = load_row<Team, kVectors>(row_of<Element>(p.x, row, p.hidden), vectors);
  in.dy = load_row<Team, kVectors>(row_of<Element>(p.dy, row, p.hidden), vectors);
  in.rstd = p.rstd[row];
  if constexpr (kMean) in.mean = p.mean[row];
  return in;
}

/// The sums of a thread over tokens, four columns to a place: place k of thread t is sums[k * threads + t], so that a
/// warp's are neighbours.  Place of part q of vector j: j * (kPerVector / 4) + q; of db: behind those of dw.
template <class Element, int kVectors>
struct NormSums {
  static constexpr int kParts = Element::kPerVector / 4, kPlaces = kVectors * kParts;
  float4* of_thread;  // place 0

  __device__ __forceinline__ void clear(int places) {
    for (int k = 0; k < places; ++k)  // an instruction of its own: the compiler makes two of a zero, with conflicts
      ptx::store_shared(ptx::shared_address(of_thread + k * int(blockDim.x)), make_float4(0.F, 0.F, 0.F, 0.F));
  }
  __device__ __forceinline__ void add(int place, float a, float b, float c, float d) {
    float4& sum = of_thread[place * int(blockDim.x)];
    sum = make_float4(sum.x + a, sum.y + b, sum.z + c, sum.w + d);
  }
};

/// Adds dy xhat (and dy) of one row to the thread's sums; totals: of g xhat (and g), over the row.
template <class Element, int kVectors, class Team, bool kMean>
__device__ __forceinline__ void take_row(const NormParams& p, const NormGradient<kVectors>& in, int vectors,
                                         NormSums<Element, kVectors>& sums, float (&totals)[kMean ? 2 : 1]) {
  using Sums = NormSums<Element, kVectors>;
  for_row_vectors<Team, kVectors>(vectors, [&](int j, int i) {
    float x[Element::kPerVector], dy[Element::kPerVector], w[Element::kPerVector];
    Element::unpack(in.x.vector[j], x);
    Element::unpack(in.dy.vector[j], dy);
    Element::unpack(__ldg(static_cast<const uint4*>(p.weight) + i), w);
#pragma unroll
    for (int e = 0; e < Element::kPerVector; ++e) {
      const float g = dy[e] * w[e];
      x[e] = (x[e] - in.mean) * in.rstd;
      totals[0] = fmaf(g, x[e], totals[0]);
      if constexpr (kMean) totals[1] += g;
      x[e] *= dy[e];
    }
#pragma unroll
    for (int q = 0; q < Sums::kParts; ++q) {
      const int place = j * Sums::kParts + q, e = q * 4;
      sums.add(place, x[e], x[e + 1], x[e + 2], x[e + 3]);
      if constexpr (kMean) sums.add(Sums::kPlaces + place, dy[e], dy[e + 1], dy[e + 2], dy[e + 3]);
    }
  });
}

template <class Element, int kVectors, class Team, bool kMean>
__device__ __forceinline__ void store_dx(const NormParams& p, std::int64_t row, const NormGradient<kVectors>& in,
                                         int vectors, float mean_g_xhat, float mean_g) {
  auto* to = reinterpret_cast<uint4*>(row_of<Element>(p.dx, row, p.hidden));
  for_row_vectors<Team, kVectors>(vectors, [&](int j, int i) {
    float x[Element::kPerVector], dy[Element::kPerVector], w[Element::kPerVector];
    Element::unpack(in.x.vector[j], x);
    Element::unpack(in.dy.vector[j], dy);
    Element::unpack(__ldg(static_cast<const uint4*>(p.weight) + i), w);
#pragma unroll
    for (int e = 0; e < Element::kPerVector; ++e) {
      float g = dy[e] * w[e];
      if constexpr (kMean) g -= mean_g;
      x[e] = in.rstd * fmaf(-(x[e] - in.mean) * in.rstd, mean_g_xhat, g);
    }
    if (p.d_sum != nullptr) {
      const auto* d_sum = reinterpret_cast<const uint4*>(row_of<Element>(p.d_sum, row, p.hidden));
      Element::unpack(ptx::load_once(d_sum + i), w);
#pragma unroll
      for (int e = 0; e < Element::kPerVector; ++e) x[e] += w[e];
    }
    to[i] = Element::pack(x);
  });
}

/// The block's partial sums: of its teams (warps), in order.
template <class Element, int kVectors, class Team, bool kMean>
__device__ __forceinline__ void store_partials(const NormParams& p, const float4* sums, int vectors) {
  using Sums = NormSums<Element, kVectors>;
  if (Team::of_block() > 1) __syncthreads();
  auto* row = reinterpret_cast<float4*>(p.partials + std::int64_t(blockIdx.x) * p.hidden * (kMean ? 2 : 1));
  for (int item = int(threadIdx.x); item < Team::lanes() * Sums::kPlaces; item += int(blockDim.x)) {
    const int lane = item % Team::lanes(), place = item / Team::lanes();
    const int i = lane + place / Sums::kParts * Team::lanes();  // the vector
    if (i >= vectors) continue;
#pragma unroll
    for (int which = 0; which < (kMean ? 2 : 1); ++which) {
      float4 total = sums[(which * Sums::kPlaces + place) * int(blockDim.x) + lane];
      for (int team = 1; team < Team::of_block(); ++team) {
        const float4 more = sums[(which * Sums::kPlaces + place) * int(blockDim.x) + lane + team * Team::lanes()];
        total = make_float4(total.x + more.x, total.y + more.y, total.z + more.z, total.w + more.w);
      }
      row[which * (p.hidden / 4) + i * Sums::kParts + place % Sums::kParts] = total;
    }
  }
}

template <class Element, int kVectors, class Team, bool kMean>
__global__ void __launch_bounds__(kNormThreads, norm_backward_blocks(kVectors, kMean)) norm_backward(NormParams p) {
  __shared__ ReduceScratch<kMean ? 2 : 1> scratch;
  auto* places = reinterpret_cast<float4*>(ptx::dynamic_smem_bytes);
  NormSums<Element, kVectors> sums{places + threadIdx.x};
  sums.clear(NormSums<Element, kVectors>::kPlaces * (kMean ? 2 : 1));
  const int vectors = p.hidden / Element::kPerVector;
  std::int64_t row = Team::first();
  NormGradient<kVectors> next;
  if (row < p.tokens) next = load_gradient<Element, kVectors, Team, kMean>(p, row, vectors);
  for (int turn = 0; row < p.tokens; row += Team::count(), ++turn) {
    const auto in = next;
    if (row + Team::count() < p.tokens)
      next = load_gradient<Element, kVectors, Team, kMean>(p, row + Team::count(), vectors);
    float totals[kMean ? 2 : 1] = {};
    take_row<Element, kVectors, Team, kMean>(p, in, vectors, sums, totals);
    Team::template reduce<Sum>(totals, scratch, turn);
    const float mean_g = kMean ? totals[kMean ? 1 : 0] / float(p.hidden) : 0.F;
    store_dx<Element, kVectors, Team, kMean>(p, row, in, vectors, totals[0] / float(p.hidden), mean_g);
  }
  store_partials<Element, kVectors, Team, kMean>(p, places, vectors);
}

/// dx of rows of any length; comes after norm_backward_partials_any, since dx may take the place of dy or x.
template <class Element, bool kMean>
__global__ void __launch_bounds__(kNormThreads) norm_backward_any(NormParams p) {
  __shared__ ReduceScratch<2> scratch;
  const auto* weight = static_cast<const typename Element::Storage*>(p.weight);
  int turn = 0;
  for (std::int64_t row = blockIdx.x; row < p.tokens; row += gridDim.x, ++turn) {
    const auto* x = row_of<Element>(p.x, row, p.hidden);
    const auto* dy = row_of<Element>(p.dy, row, p.hidden);
    const float mean = kMean ? p.mean[row] : 0.F, rstd = p.rstd[row];
    float totals[2] = {0.F, 0.F};
    for (int c = int(threadIdx.x); c < p.hidden; c += int(blockDim.x)) {
      const float g = Element::load(dy[c]) * Element::load(weight[c]);
      totals[0] = fmaf(g, (Element::load(x[c]) - mean) * rstd, totals[0]);
      totals[1] += g;
    }
    block_reduce<Sum>(totals, scratch, turn);
    const float mean_g_xhat = totals[0] / float(p.hidden), mean_g = kMean ? totals[1] / float(p.hidden) : 0.F;
    auto* dx = row_of<Element>(p.dx, row, p.hidden);
    for (int c = int(threadIdx.x); c < p.hidden; c += int(blockDim.x)) {
      const float g = Element::load(dy[c]) * Element::load(weight[c]) - mean_g;
      float d = rstd * fmaf(-(Element::load(x[c]) - mean) * rstd, mean_g_xhat, g);
      if (p.d_sum != nullptr) d += Element::load(row_of<Element>(p.d_sum, row, p.hidden)[c]);
      dx[c] = Element::store(d);
    }
  }
}

/// Partial sums of rows of any length: a thread a column, every partial_rows-th row.
template <class Element, bool kMean>
__global__ void __launch_bounds__(kNormThreads) norm_backward_partials_any(NormParams p) {
  const int column = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (column >= p.hidden) return;
  float dw = 0.F, db = 0.F;
  for (std::int64_t row = blockIdx.y; row < p.tokens; row += gridDim.y) {
    const float dy = Element::load(row_of<Element>(p.dy, row, p.hidden)[column]);
    const float x = Element::load(row_of<Element>(p.x, row, p.hidden)[column]);
    dw += dy * ((x - (kMean ? p.mean[row] : 0.F)) * p.rstd[row]);
    db += dy;
  }
  float* partial = p.partials + std::int64_t(blockIdx.y) * p.hidden * (kMean ? 2 : 1);
  partial[column] = dw;
  if constexpr (kMean) partial[p.hidden + column] = db;
}

inline constexpr int kNormSumColumns = 32, kNormSumSlices = 8;  // a warp a slice of the partial sums

/// dw and db from the partial sums: slice s adds up rows s, s + 8, ... of 32 columns, then the slices are halved
/// three times.  Columns of db are numbered behind those of dw.
__global__ void __launch_bounds__(kNormSumColumns* kNormSumSlices) norm_backward_sum(NormParams p) {
  __shared__ float of_slice[kNormSumSlices][kNormSumColumns];
  const int columns = p.db != nullptr ? 2 * p.hidden : p.hidden;
  const int column = int(blockIdx.x) * kNormSumColumns + int(threadIdx.x), slice = int(threadIdx.y);
  float sum = 0.F;
  if (column < columns) {
#pragma unroll 8
    for (int row = slice; row < p.partial_rows; row += kNormSumSlices)
      sum += p.partials[std::int64_t(row) * columns + column];
  }
  of_slice[slice][threadIdx.x] = sum;
#pragma unroll
  for (int half = kNormSumSlices / 2; half > 0; half /= 2) {
    __syncthreads();
    if (slice < half) of_slice[slice][threadIdx.x] += of_slice[slice + half][threadIdx.x];
  }
  if (slice != 0 || column >= columns) return;
  float* to = column < p.hidden ? p.dw + column : p.db + (column - p.hidden);
  *to = (p.accumulate != 0 ? *to : 0.F) + of_slice[0][threadIdx.x];
}

}  // namespace assay::layer_cuda
