// Bulk reductions, loads for a pair of CTAs, and accesses of 256 bits.
#include "tests/simt/unit/ptx_tcgen05.cuh"

// Sums of several CTAs, added by bulk reduction to what is there.
extern "C" __global__ void add_bulk(float* sum) {
  __shared__ alignas(128) float mine[64];
  mine[threadIdx.x] = float(threadIdx.x);
  fence_proxy_async();
  __syncthreads();
  if (threadIdx.x == 0) {
    asm volatile("cp.reduce.async.bulk.global.shared::cta.bulk_group.add.f32 [%0], [%1], 256;\n" ::"l"(sum),
                 "r"(shared_address(mine))
                 : "memory");
    asm volatile("cp.async.bulk.commit_group;\ncp.async.bulk.wait_group 0;\n" ::: "memory");
  }
}

// Two threads store the same 16 bytes, one behind a barrier after the other.  The first waits until its store has been
// written, or (kRead) only until it has been read.
template <bool kRead>
__device__ void store_in_turn(float* word) {
  __shared__ alignas(128) float mine[2][4];
  if (threadIdx.x % 32 < 4) mine[threadIdx.x / 32][threadIdx.x % 32] = float(threadIdx.x / 32);
  fence_proxy_async();
  __syncthreads();
  for (unsigned turn = 0; turn < 2; ++turn) {
    if (threadIdx.x == turn * 32) {
      asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], 16;\ncp.async.bulk.commit_group;\n" ::"l"(word),
                   "r"(shared_address(mine[turn]))
                   : "memory");
      if (kRead && turn == 0)
        asm volatile("cp.async.bulk.wait_group.read 0;\n" ::: "memory");
      else
        asm volatile("cp.async.bulk.wait_group 0;\n" ::: "memory");
    }
    __syncthreads();
  }
}
extern "C" __global__ void store_after_written(float* word) { store_in_turn<false>(word); }
extern "C" __global__ void store_after_read(float* word) { store_in_turn<true>(word); }

struct alignas(64) Map {
  unsigned char bytes[128];
};
extern "C" __global__ void add_tensor(const __grid_constant__ Map map) {
  __shared__ alignas(128) float tile[16 * 16];
  const int element = threadIdx.y * 16 + threadIdx.x;
  tile[element] = float(element);
  fence_proxy_async();
  __syncthreads();
  if (element == 0) {  // 8 columns and 8 rows stick out
    asm volatile("cp.reduce.async.bulk.tensor.2d.global.shared::cta.add.bulk_group [%0, {%2, %2}], [%1];\n" ::"l"(&map),
                 "r"(shared_address(tile)), "r"(8)
                 : "memory");
    asm volatile("cp.async.bulk.commit_group;\ncp.async.bulk.wait_group 0;\n" ::: "memory");
  }
}

// Each CTA of a pair loads 32 words for both, and both loads signal the even CTA.
extern "C" __global__ void load_for_a_pair(const __grid_constant__ Map map, uint32_t* out) {
  __shared__ alignas(128) uint32_t tile[64];
  __shared__ alignas(8) uint64_t full;
  const uint32_t bar = shared_address(&full) & 0xfeffffff;
  uint32_t rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;\n" : "=r"(rank));
  if (threadIdx.x == 0) mbarrier_init(shared_address(&full), 1);
  cluster_sync();
  if (threadIdx.x == 0) {
    if (rank == 0)
      asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;\n" ::"r"(bar), "r"(4 * 128) : "memory");
    asm volatile(
        "cp.async.bulk.tensor.1d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster.cta_group:"
        ":2 "
        "[%0], [%1, {%2}], [%3], %4;\n" ::"r"(shared_address(&tile[rank * 32])),
        "l"(&map), "r"(rank * 32), "r"(bar), "h"(uint16_t(3))
        : "memory");
  }
  if (rank == 0) mbarrier_wait(bar, 0);
  cluster_sync();
  out[rank * 64 + threadIdx.x] = tile[threadIdx.x];
}

extern "C" __global__ void copy_256_bits(const uint32_t* in, uint32_t* out) {
  uint32_t r[8];
  asm volatile("ld.global.v8.b32 {%0, %1, %2, %3, %4, %5, %6, %7}, [%8];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]), "=r"(r[4]), "=r"(r[5]), "=r"(r[6]), "=r"(r[7])
               : "l"(in + threadIdx.x * 8)
               : "memory");
  asm volatile("st.global.v8.b32 [%0], {%1, %2, %3, %4, %5, %6, %7, %8};\n" ::"l"(out + threadIdx.x * 8), "r"(r[0]),
               "r"(r[1]), "r"(r[2]), "r"(r[3]), "r"(r[4]), "r"(r[5]), "r"(r[6]), "r"(r[7])
               : "memory");
}
