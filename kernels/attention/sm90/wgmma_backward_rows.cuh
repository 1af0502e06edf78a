// What comes before and after the main kernel of wgmma_backward.cuh, row by row; and how blocks of accumulators
// become rows in memory.  Both kernels move bytes: o and do are read once and dq's sums written (zeroes), then read
// once.  sm_90a, C++17.
#pragma once
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "kernels/attention/sm90/wgmma_backward_params.h"
#include "kernels/common/ptx/convert.cuh"
#include "kernels/common/ptx/shared_address.cuh"
#include "kernels/common/ptx/stmatrix.cuh"
#include "kernels/common/ptx/warpgroup.cuh"
#include "kernels/common/ptx/wgmma.cuh"

namespace assay::wgmma_sm90_backward {

/// What differs between the two element types.
struct Bf16 {
  static constexpr ptx::WgmmaTypes kTypes = ptx::WgmmaTypes::bf16;
  static __device__ __forceinline__ std::uint32_t pack(float low, float high) { return ptx::pack_bf16x2(low, high); }
  static __device__ __forceinline__ float2 unpack(std::uint32_t pair) {
    return {__uint_as_float(pair << 16), __uint_as_float(pair & 0xffff0000)};
  }
};
struct F16 {
  static constexpr ptx::WgmmaTypes kTypes = ptx::WgmmaTypes::f16;
  static __device__ __forceinline__ std::uint32_t pack(float low, float high) { return ptx::pack_f16x2(low, high); }
  static __device__ __forceinline__ float2 unpack(std::uint32_t pair) {
    return {__half2float(__ushort_as_half(std::uint16_t(pair))),
            __half2float(__ushort_as_half(std::uint16_t(pair >> 16)))};
  }
};

// ---- blocks of 64 x 64 ----------------------------------------------------------------------------------------------
/// Byte offset of a 16-byte chunk in a tile of 128-byte rows under the 128-byte swizzle.
__device__ __forceinline__ std::uint32_t swizzled_chunk(int row, int chunk) {
  return ptx::swizzle_128b(std::uint32_t(row * 128 + chunk * 16));
}

/// 64 rows of 64 elements in global memory, of which the first `count` rows and the first `columns` elements exist.
struct Rows64 {
  std::uint16_t* first;
  std::int64_t stride;  // elements
  int count, columns;
};

/// Rounds a warpgroup's accumulators d[32], times `scale`, and stores them.  `staging` is kStagingBytes of shared
/// memory at a multiple of 1024; `barrier` is a named barrier of the warpgroup's own.
template <class Element>
__device__ __forceinline__ void store_block(const float* d, float scale, unsigned char* staging, const Rows64& rows,
                                            std::uint32_t barrier) {
  const int thread = int(threadIdx.x) % 128, lane = thread % 32, row = thread / 32 * 16 + lane % 16;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float* v = d + 8 * i;
    const auto pair = [&](int e) { return Element::pack(v[e] * scale, v[e + 1] * scale); };
    ptx::stmatrix_x4(ptx::shared_address(staging) + swizzled_chunk(row, 2 * i + lane / 16), pair(0), pair(2), pair(4),
                     pair(6));
  }
  ptx::barrier_sync(barrier, 128);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int r = i * 16 + thread / 8, chunk = thread % 8;
    if (r < rows.count && chunk * 8 < rows.columns)
      *reinterpret_cast<uint4*>(rows.first + r * rows.stride + chunk * 8) =
          *reinterpret_cast<const uint4*>(staging + swizzled_chunk(r, chunk));
  }
}

/// Which (batch, head, query tile) a block of the two kernels works on.
template <class Tile>
struct RowBlock {
  BackwardSequence sequence;
  int batch, head, tile;

  __device__ explicit RowBlock(const BackwardSchedule& s) {
    tile = int(blockIdx.x % unsigned(s.query_tiles));
    head = int(blockIdx.x / unsigned(s.query_tiles) % unsigned(s.heads));
    batch = int(blockIdx.x / unsigned(s.query_tiles) / unsigned(s.heads));
    sequence = s.sequence<Tile::kQueries>(batch);
  }
  __device__ bool exists() const { return tile * Tile::kQueries < sequence.queries; }
  __device__ std::int64_t index(const BackwardSchedule& s) const {
    return std::int64_t(head) * s.all_query_tiles + sequence.first_tile + tile;
  }
};

constexpr int kRowThreads = 256;

// ---- before ---------------------------------------------------------------------------------------------------------
/// The sum over one chunk of 8 elements of o do.
template <class Element>
__device__ __forceinline__ float dot_chunk(const uint4& a, const uint4& b) {
  const std::uint32_t x[4] = {a.x, a.y, a.z, a.w}, y[4] = {b.x, b.y, b.z, b.w};
  float sum = 0;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 u = Element::unpack(x[i]), v = Element::unpack(y[i]);
    sum += u.x * v.x;
    sum += u.y * v.y;
  }
  return sum;
}

/// Fills the workspaces of one query tile of one head.
template <class Element, class Tile>
__device__ __forceinline__ void prepare_rows(const WgmmaSm90BackwardParams& p) {
  constexpr int kLanes = Tile::kValueDim / 8, kRows = kRowThreads / kLanes;  // lanes of a row; rows at once
  const BackwardSchedule& schedule = p.schedule;
  if (blockIdx.x == 0 && threadIdx.x == 0) *p.tickets = 0;
  if (schedule.query_tiles == 0) return;
  const RowBlock<Tile> block(schedule);
  if (!block.exists()) return;
  const std::int64_t index = block.index(schedule);
  float4* sums = reinterpret_cast<float4*>(p.dq_sums + index * (Tile::kQueries * Tile::kHeadDim));
#pragma unroll
  for (int i = 0; i < Tile::kQueries * Tile::kHeadDim / 4 / kRowThreads; ++i)
    sums[i * kRowThreads + threadIdx.x] = make_float4(0, 0, 0, 0);
  if (threadIdx.x < Tile::kDqBlocks) p.turns[index * Tile::kDqBlocks + threadIdx.x] = 0;
  const int first = block.tile * Tile::kQueries, chunk = int(threadIdx.x) % kLanes;
  const std::int64_t lse = block.batch * p.lse_batch_stride + block.head * p.lse_head_stride +
                           (schedule.q_offsets ? block.sequence.query_row : 0);
#pragma unroll
  for (int i = 0; i < Tile::kQueries / kRows; ++i) {
    const int row = i * kRows + int(threadIdx.x) / kLanes;
    const bool exists = first + row < block.sequence.queries;
    float delta = 0;
    if (exists && chunk * 8 < p.value_dim) {
      const std::int64_t element =
          ((block.sequence.query_row + first + row) * schedule.heads + block.head) * p.value_dim;
      delta =
          dot_chunk<Element>(reinterpret_cast<const uint4*>(static_cast<const std::uint16_t*>(p.o) + element)[chunk],
                             reinterpret_cast<const uint4*>(static_cast<const std::uint16_t*>(p.d_o) + element)[chunk]);
    }
#pragma unroll
    for (int distance = kLanes / 2; distance > 0; distance /= 2) delta += __shfl_xor_sync(0xffffffff, delta, distance);
    if (chunk != 0) continue;
    constexpr float kLog2E = 1.4426950408889634f;
    const float natural = exists ? p.lse[lse + first + row] : -INFINITY;
    p.lse_log2[index * Tile::kQueries + row] = natural == -INFINITY ? INFINITY : natural * kLog2E;
    p.delta[index * Tile::kQueries + row] = delta;
  }
}

// ---- after ----------------------------------------------------------------------------------------------------------
/// dq of one query tile of one head, from its sums, a warpgroup for each block of 64 x 64.  Wants kStagingBytes of
/// dynamic shared memory for each.
template <class Element, class Tile>
__device__ __forceinline__ void finish_dq(const WgmmaSm90BackwardParams& p) {
  auto& staging = ptx::dynamic_smem<unsigned char[Tile::kDqBlocks][Tile::kStagingBytes]>();
  const BackwardSchedule& schedule = p.schedule;
  const RowBlock<Tile> block(schedule);
  if (!block.exists()) return;
  const int part = int(threadIdx.x) / 128, thread = int(threadIdx.x) % 128;
  const float4* sums = reinterpret_cast<const float4*>(p.dq_sums + (block.index(schedule) * Tile::kDqBlocks + part) *
                                                                       Tile::kBlockFloats) +
                       thread;
  float d[32];
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const float4 v = sums[i * 128];
    d[4 * i] = v.x, d[4 * i + 1] = v.y, d[4 * i + 2] = v.z, d[4 * i + 3] = v.w;
  }
  const int first = block.tile * Tile::kQueries + part / Tile::kQPanels * 64, column = part % Tile::kQPanels * 64;
  Rows64 rows;
  rows.count = block.sequence.queries - first, rows.columns = p.head_dim - column;
  rows.stride = std::int64_t(schedule.heads) * p.head_dim;
  rows.first = static_cast<std::uint16_t*>(p.dq) + (block.sequence.query_row + first) * rows.stride +
               std::int64_t(block.head) * p.head_dim + column;
  store_block<Element>(d, p.scale, staging[part], rows, 1 + part);
}

}  // namespace assay::wgmma_sm90_backward
