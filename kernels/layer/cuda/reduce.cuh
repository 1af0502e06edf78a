// Sums and maxima over a warp or a block, in an order that depends on nothing but the number of threads.  C++17.
#pragma once

namespace assay::layer_cuda {

inline constexpr int kMaxWarps = 32;  // of a block

struct Sum {
  static __device__ __forceinline__ float identity() { return 0.F; }
  static __device__ __forceinline__ float combine(float a, float b) { return a + b; }
};

/// Butterfly: every lane adds the same pairs, so every lane has the same bits.
template <class Operation, int kLanes = 32>
__device__ __forceinline__ float warp_reduce(float value) {
#pragma unroll
  for (int distance = kLanes / 2; distance > 0; distance /= 2)
    value = Operation::combine(value, __shfl_xor_sync(0xffffffffU, value, distance));
  return value;
}

/// Scratch of block_reduce: two places, used in turn, so that a loop needs one barrier a turn: whoever writes place 0
/// again has passed the barrier of place 1, which everybody reaches after reading place 0.
template <int kValues>
struct ReduceScratch {
  float of_warp[2][kValues][kMaxWarps];
};

/// Reduces each of `values` over the block (whole warps); every thread gets every result, in the same bits.
/// Hazard: `turn` must alternate from call to call on the same scratch.
template <class Operation, int kValues>
__device__ __forceinline__ void block_reduce(float (&values)[kValues], ReduceScratch<kValues>& scratch, int turn) {
  const int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32, warps = int(blockDim.x) / 32;
#pragma unroll
  for (int i = 0; i < kValues; ++i) {
    values[i] = warp_reduce<Operation>(values[i]);
    if (lane == 0) scratch.of_warp[turn & 1][i][warp] = values[i];
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < kValues; ++i)
    values[i] = warp_reduce<Operation>(lane < warps ? scratch.of_warp[turn & 1][i][lane] : Operation::identity());
}

}  // namespace assay::layer_cuda
