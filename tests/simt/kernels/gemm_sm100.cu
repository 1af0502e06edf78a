// C[M][N] = A[M][K] * B[N][K]^T, bf16 in, fp32 accumulation, bf16 out.
// Blackwell: persistent, warp-specialised.  One warp drives TMA, one tcgen05.mma, four bring the accumulators from tensor
// memory to global memory while the next tile is being multiplied (two accumulators of 256 columns).
// gemm_sm100: every CTA has its own tile of 128 x 256.  gemm_sm100_pair: the two CTAs of a cluster have one of 256 x 256;
// each loads its 128 rows of A and half of the rows of B, the even one issues the products of both.
#include "tests/simt/kernels/ptx_tcgen05.cuh"
#include "tests/simt/kernels/layout.cuh"

template <int kCtas>
struct GemmSm100 {
  static constexpr int BM = 128, BN = 256, BK = 64, kStages = 3;   // BM: rows of one CTA
  static constexpr int kEpilogueWarps = 4, kThreads = 32 * (2 + kEpilogueWarps);
  static constexpr int kSlab = 64;                       // columns of C staged at once
  static constexpr int kAccumulators = 2, kColumns = kAccumulators * BN;
  struct Shared {
    alignas(1024) bf16 a[kStages][BM * BK];
    alignas(1024) bf16 b[kStages][BN / kCtas * BK];
    alignas(1024) bf16 c[kEpilogueWarps][2][32 * kSlab];
    alignas(8) uint64_t full[kStages], empty[kStages], done[kAccumulators], drained[kAccumulators];
    uint32_t tensor_memory;
  };
  static constexpr uint32_t kStageBytes = (BM + BN / kCtas) * BK * sizeof(bf16);  // that each CTA loads
};

/// All threads of the CTA, or of the pair.
template <int kCtas>
DEVICE void sync_group() {
  if constexpr (kCtas == 1) __syncthreads();
  else ptx::cluster_arrive(), ptx::cluster_wait();
}

template <int kCtas>
DEVICE void gemm(const ptx::TensorMap& map_a, const ptx::TensorMap& map_b, const ptx::TensorMap& map_c, int M, int N, int K) {
  using T = GemmSm100<kCtas>;
  auto& shared = ptx::dynamic_smem<typename T::Shared>();
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int rank = kCtas == 1 ? 0 : ptx::cluster_rank();
  const int tiles_m = ceil_div(M, T::BM * kCtas), tiles_n = ceil_div(N, T::BN), k_tiles = ceil_div(K, T::BK);
  const int first_tile = blockIdx.x / kCtas, tile_step = gridDim.x / kCtas;

  if (threadIdx.x == 0) {
    for (int s = 0; s < T::kStages; ++s) {
      ptx::mbarrier_init(ptx::smem(&shared.full[s]), kCtas);                   // every CTA announces its bytes
      ptx::mbarrier_init(ptx::smem(&shared.empty[s]), 1);                      // a commit
    }
    for (int i = 0; i < T::kAccumulators; ++i) {
      ptx::mbarrier_init(ptx::smem(&shared.done[i]), 1);                       // a commit
      ptx::mbarrier_init(ptx::smem(&shared.drained[i]), kCtas * T::kEpilogueWarps);
    }
    ptx::fence_mbarrier_init();
  }
  sync_group<kCtas>();
  if (warp == 5) {
    ptx::tcgen05_alloc<kCtas>(ptx::smem(&shared.tensor_memory), T::kColumns);
    ptx::tcgen05_relinquish_alloc_permit<kCtas>();
  }
  sync_group<kCtas>();                                   // also: no product before the peer has its columns
  const uint32_t accumulators = shared.tensor_memory;

  if (warp == 4 && ptx::elect_one()) {                   // ---- loads
    PipelineState<T::kStages> pipe;
    for (int tile = first_tile; tile < tiles_m * tiles_n; tile += tile_step) {
      const int m0 = (tile / tiles_n * kCtas + rank) * T::BM, n0 = tile % tiles_n * T::BN + rank * (T::BN / kCtas);
      for (int kt = 0; kt < k_tiles; ++kt, pipe.advance()) {
        const uint32_t full = ptx::smem(&shared.full[pipe.stage]);
        ptx::mbarrier_wait(ptx::smem(&shared.empty[pipe.stage]), pipe.parity ^ 1);
        ptx::mbarrier_arrive_expect_tx_for<kCtas>(full, T::kStageBytes);
        ptx::tma_load_for<kCtas>(ptx::smem(shared.a[pipe.stage]), map_a, full, kt * T::BK, m0);
        ptx::tma_load_for<kCtas>(ptx::smem(shared.b[pipe.stage]), map_b, full, kt * T::BK, n0);
      }
    }
  } else if (warp == 5 && rank == 0 && ptx::elect_one()) {   // ---- products
    PipelineState<T::kStages> pipe;
    PipelineState<T::kAccumulators> accumulator;
    for (int tile = first_tile; tile < tiles_m * tiles_n; tile += tile_step, accumulator.advance()) {
      ptx::mbarrier_wait(ptx::smem(&shared.drained[accumulator.stage]), accumulator.parity ^ 1);
      ptx::tcgen05_fence_after();
      const uint32_t d = accumulators + accumulator.stage * T::BN;
      for (int kt = 0; kt < k_tiles; ++kt, pipe.advance()) {
        ptx::mbarrier_wait(ptx::smem(&shared.full[pipe.stage]), pipe.parity);
        const uint64_t a = tcgen05_desc_k(ptx::smem(shared.a[pipe.stage])), b = tcgen05_desc_k(ptx::smem(shared.b[pipe.stage]));
#pragma unroll
        for (int kk = 0; kk < T::BK / 16; ++kk)          // 16 bf16 = 32 bytes = 2 descriptor units
          ptx::tcgen05_mma_f16<kCtas>(d, a + kk * 2, b + kk * 2, tcgen05_instruction_bf16(T::BM * kCtas, T::BN), kt + kk > 0);
        ptx::tcgen05_commit<kCtas>(ptx::smem(&shared.empty[pipe.stage]));
      }
      ptx::tcgen05_commit<kCtas>(ptx::smem(&shared.done[accumulator.stage]));
    }
  } else if (warp < 4) {                                 // ---- results: 32 rows to a warp, 64 columns at a time
    PipelineState<T::kAccumulators> accumulator;
    for (int tile = first_tile; tile < tiles_m * tiles_n; tile += tile_step, accumulator.advance()) {
      const int m0 = (tile / tiles_n * kCtas + rank) * T::BM + warp * 32, n0 = tile % tiles_n * T::BN;
      ptx::mbarrier_wait(ptx::smem(&shared.done[accumulator.stage]), accumulator.parity);
      ptx::tcgen05_fence_after();
      for (int slab = 0; slab < T::BN / T::kSlab; ++slab) {
        const uint32_t from = accumulators + accumulator.stage * T::BN + slab * T::kSlab + (uint32_t(warp * 32) << 16);
        uint32_t r[2][32];
        ptx::tcgen05_ld_x32(r[0], from);
        ptx::tcgen05_ld_x32(r[1], from + 32);
        ptx::tcgen05_wait_ld();
        if (slab + 1 == T::BN / T::kSlab) {              // all of it is in registers or on its way out
          ptx::tcgen05_fence_before();
          __syncwarp();
          if (lane == 0) ptx::mbarrier_arrive_for<kCtas>(ptx::smem(&shared.drained[accumulator.stage]));
        }
        bf16* staging = shared.c[warp][slab % 2];
        if (lane == 0) ptx::tma_store_wait_read<1>();
        __syncwarp();
#pragma unroll
        for (int chunk = 0; chunk < 8; ++chunk) {        // 8 columns = 16 bytes
          uint32_t p[4];
          for (int i = 0; i < 4; ++i)
            p[i] = ptx::pack_bf16(__uint_as_float(r[chunk / 4][chunk % 4 * 8 + 2 * i]), __uint_as_float(r[chunk / 4][chunk % 4 * 8 + 2 * i + 1]));
          ptx::st_shared_16(ptx::smem(staging) + swizzle128(lane, chunk), p[0], p[1], p[2], p[3]);
        }
        ptx::fence_proxy_async();
        __syncwarp();
        if (lane == 0) {
          ptx::tma_store(map_c, ptx::smem(staging), n0 + slab * T::kSlab, m0);
          ptx::tma_store_commit();
        }
      }
    }
    if (lane == 0) ptx::tma_store_wait_read<0>();
  }

  __syncwarp();
  sync_group<kCtas>();                                   // nobody reads tensor memory any more, nor signals a peer
  if (warp == 5) ptx::tcgen05_dealloc<kCtas>(accumulators, T::kColumns);
}

__global__ void __launch_bounds__(GemmSm100<1>::kThreads, 1)
gemm_sm100(const __grid_constant__ ptx::TensorMap map_a, const __grid_constant__ ptx::TensorMap map_b,
           const __grid_constant__ ptx::TensorMap map_c, int M, int N, int K) {
  gemm<1>(map_a, map_b, map_c, M, N, K);
}

__global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(GemmSm100<2>::kThreads, 1)
gemm_sm100_pair(const __grid_constant__ ptx::TensorMap map_a, const __grid_constant__ ptx::TensorMap map_b,
                const __grid_constant__ ptx::TensorMap map_c, int M, int N, int K) {
  gemm<2>(map_a, map_b, map_c, M, N, K);
}
