// How the warpgroups of wgmma.cuh bring their accumulators to d: through shared memory, by bulk stores.  C++17.
#pragma once
#include <cuda_runtime.h>

#include "kernels/common/ptx/fence.cuh"
#include "kernels/common/ptx/global_access.cuh"
#include "kernels/common/ptx/shared_access.cuh"
#include "kernels/common/ptx/shared_address.cuh"
#include "kernels/common/ptx/stmatrix.cuh"
#include "kernels/common/ptx/tma.cuh"
#include "kernels/common/ptx/warpgroup.cuh"
#include "kernels/common/ptx/wgmma_descriptor.h"
#include "kernels/gemm/sm90/wgmma_params.h"

namespace assay::sm90 {

constexpr int kStagingBytes = 64 * 128;  // a box of d

/// A warpgroup's two staging buffers: boxes of 64 rows of 128 bytes on their way from registers to d.
class Staging {
 public:
  __device__ Staging(unsigned char (&buffers)[2][kStagingBytes], int consumer)
      : address_(ptx::shared_address(buffers)), consumer_(consumer) {}

  /// A buffer's address, once the store from it has read it; all 128 threads.
  __device__ std::uint32_t acquire() {
    if (threadIdx.x % 128 == 0) ptx::tma_store_wait_read<1>();
    ptx::barrier_sync(1 + consumer_, 128);
    return address_ + buffer_ * kStagingBytes;
  }
  /// Stores the buffer that was acquired at (row, column) of `map`'s matrix.
  __device__ void store(const CUtensorMap& map, int row, int column) {
    ptx::fence_proxy_async();
    ptx::barrier_sync(1 + consumer_, 128);
    if (threadIdx.x % 128 == 0) {
      ptx::tma_store(map, address_ + buffer_ * kStagingBytes, column, row);
      ptx::tma_store_commit();
    }
    buffer_ ^= 1;
  }

 private:
  std::uint32_t address_;
  int consumer_, buffer_ = 0;
};

/// d = accumulators in 16 bits; (row, column) is where the warpgroup's 64 rows begin.
template <class I>
__device__ __forceinline__ void store_16(const CUtensorMap& map, Staging& staging, const float (&d)[I::kN / 2], int row,
                                         int column) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32 % 4;
  const int block = lane / 8, block_row = warp * 16 + block % 2 * 8 + lane % 8;  // whose address this lane gives
#pragma unroll
  for (int slab = 0; slab < I::kN / 64; ++slab) {
    const std::uint32_t buffer = staging.acquire();
#pragma unroll
    for (int j = 0; j < 8; j += 2) {  // 8-column blocks, two per stmatrix
      const float* v = &d[(slab * 8 + j) * 4];
      ptx::stmatrix_x4(buffer + ptx::swizzle_128b(block_row * 128 + (j + block / 2) * 16), I::Element::pack(v[0], v[1]),
                       I::Element::pack(v[2], v[3]), I::Element::pack(v[4], v[5]), I::Element::pack(v[6], v[7]));
    }
    staging.store(map, row, column + slab * 64);
  }
}

/// A thread's elements of one 64 x 32 slab of an fp32 d: rows `row` and row + 8, pairs in four 8-column groups. Threads
/// in odd rows take the groups in another order, so that the four rows that a half-warp stores at once lie in different
/// banks: under the swizzle rows 0, 1 (2, 3) differ only in the last chunk bit, within a group.
struct SlabPosition {
  int row, pair, odd;
  __device__ SlabPosition()
      : row(threadIdx.x / 32 % 4 * 16 + threadIdx.x % 32 / 4), pair(threadIdx.x % 4 * 2), odd(threadIdx.x / 4 % 2) {}
  __device__ int column(int i) const { return (i ^ odd * 2) * 8 + pair; }
  /// The pair that the thread stores as its i-th.
  template <int kCount>
  __device__ float2 select(const float (&d)[kCount], int slab, int half, int i) const {
    const float* even = &d[(slab * 4 + i) * 4 + half * 2];
    const float* other = &d[(slab * 4 + (i ^ 2)) * 4 + half * 2];
    return odd ? make_float2(other[0], other[1]) : make_float2(even[0], even[1]);
  }
};

/// The old values of a thread's part of a slab; zeros outside d.
struct OldSlab {
  float2 value[2][4];
  template <class Schedule>
  __device__ void load(const WgmmaSm90Params<Schedule>& p, const SlabPosition& at, int row, int column) {
#pragma unroll
    for (int half = 0; half < 2; ++half)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int r = row + at.row + half * 8, c = column + at.column(i);
        value[half][i] = r < p.m && c < p.n
                             ? ptx::load_global_l2(reinterpret_cast<const float2*>(p.d + std::int64_t(r) * p.n + c))
                             : make_float2(0, 0);
      }
  }
};

/// d (+)= accumulators in fp32; (row, column) is where the warpgroup's 64 rows begin.
template <class I, class Schedule>
__device__ __forceinline__ void store_f32(const WgmmaSm90Params<Schedule>& p, Staging& staging,
                                          const float (&d)[I::kN / 2], int row, int column) {
  // Slabs whose old values are on their way: L2 gives 64 bytes a clock after some 700, so 45 KiB have to be; a slab of
  // both warpgroups is 16 KiB.
  constexpr int kSlabs = I::kN / 32, kAhead = 4;
  const bool add = p.output == WgmmaOutput::add_f32;
  const SlabPosition at;
  OldSlab old[kAhead] = {};
  if (add)
#pragma unroll
    for (int slab = 0; slab < kAhead; ++slab) old[slab].load(p, at, row, column + slab * 32);
#pragma unroll
  for (int slab = 0; slab < kSlabs; ++slab) {
    const std::uint32_t buffer = staging.acquire();
#pragma unroll
    for (int half = 0; half < 2; ++half)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float2 sum = at.select(d, slab, half, i), before = old[slab % kAhead].value[half][i];
        ptx::store_shared(buffer + ptx::swizzle_128b((at.row + half * 8) * 128 + at.column(i) * 4), before.x + sum.x,
                          before.y + sum.y);
      }
    if (add && slab + kAhead < kSlabs) old[slab % kAhead].load(p, at, row, column + (slab + kAhead) * 32);
    staging.store(p.map_d, row, column + slab * 32);
  }
}

}  // namespace assay::sm90
