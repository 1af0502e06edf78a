// Who works on a row: a whole block, or one warp of it where rows are short.  C++17.
#pragma once
#include <cstdint>

#include "kernels/layer/cuda/reduce.cuh"

namespace assay::layer_cuda {

/// One row a block, a turn.  In all teams, lane r of `lanes()` has vectors r, r + lanes(), ... of the row.
struct BlockTeam {
  static __device__ __forceinline__ int lane() { return int(threadIdx.x); }
  static __device__ __forceinline__ int lanes() { return int(blockDim.x); }
  static __device__ __forceinline__ int of_block() { return 1; }  // teams of a block
  static __device__ __forceinline__ std::int64_t first() { return blockIdx.x; }
  static __device__ __forceinline__ std::int64_t count() { return gridDim.x; }

  /// See block_reduce: `turn` must alternate.
  template <class Operation, int kValues>
  static __device__ __forceinline__ void reduce(float (&values)[kValues], ReduceScratch<kValues>& scratch, int turn) {
    block_reduce<Operation>(values, scratch, turn);
  }
};

/// One row a warp, a turn.
struct WarpTeam {
  static __device__ __forceinline__ int lane() { return int(threadIdx.x) % 32; }
  static __device__ __forceinline__ int lanes() { return 32; }
  static __device__ __forceinline__ int of_block() { return int(blockDim.x) / 32; }
  static __device__ __forceinline__ std::int64_t first() {
    return std::int64_t(blockIdx.x) * of_block() + int(threadIdx.x) / 32;
  }
  static __device__ __forceinline__ std::int64_t count() { return std::int64_t(gridDim.x) * of_block(); }

  template <class Operation, int kValues>
  static __device__ __forceinline__ void reduce(float (&values)[kValues], ReduceScratch<kValues>&, int) {
#pragma unroll
    for (int i = 0; i < kValues; ++i) values[i] = warp_reduce<Operation>(values[i]);
  }
};

}  // namespace assay::layer_cuda
