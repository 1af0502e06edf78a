// C[M][N] = A[M][K] * B[N][K]^T, bf16 in, fp32 accumulation, bf16 out.
// As gemm_sm90, but two CTAs of a cluster, stacked along M, share each tile of B: every CTA multicasts half of it.
// Hopper: persistent, warp-specialised; TMA feeds a 4-stage ring of mbarriers, two warpgroups run wgmma m64n256k16.
#include "tests/simt/kernels/ptx.cuh"
#include "tests/simt/kernels/layout.cuh"

struct GemmSm90Cluster {
  static constexpr int BM = 128, BN = 256, BK = 64, kStages = 4;
  static constexpr int kConsumers = 2, kCluster = 2, kThreads = 128 * (1 + kConsumers);
  static constexpr int kSlab = 64;                       // columns of C staged at once
  struct Shared {
    alignas(1024) bf16 a[kStages][BM * BK];
    alignas(1024) bf16 b[kStages][BN * BK];
    alignas(1024) bf16 c[kConsumers][2][64 * kSlab];
    alignas(8) uint64_t full[kStages], empty[kStages];
  };
  static constexpr uint32_t kStageBytes = (BM + BN) * BK * sizeof(bf16);
};

__global__ void __cluster_dims__(GemmSm90Cluster::kCluster, 1, 1) __launch_bounds__(GemmSm90Cluster::kThreads, 1)
gemm_sm90_cluster(const __grid_constant__ ptx::TensorMap map_a, const __grid_constant__ ptx::TensorMap map_b,
          const __grid_constant__ ptx::TensorMap map_c, int M, int N, int K) {
  using T = GemmSm90Cluster;
  auto& shared = ptx::dynamic_smem<T::Shared>();
  const int warpgroup = threadIdx.x / 128, warp = threadIdx.x / 32 % 4, lane = threadIdx.x % 32;
  const int rank = ptx::cluster_rank();
  const int tiles_m = ceil_div(M, T::BM * T::kCluster), tiles_n = ceil_div(N, T::BN), k_tiles = ceil_div(K, T::BK);

  if (threadIdx.x == 0) {
    for (int s = 0; s < T::kStages; ++s) {
      ptx::mbarrier_init(ptx::smem(&shared.full[s]), 1);
      ptx::mbarrier_init(ptx::smem(&shared.empty[s]), T::kCluster * T::kConsumers * 4);    // one arrival per consumer warp of the cluster
    }
    ptx::fence_mbarrier_init();
  }
  ptx::cluster_arrive();
  ptx::cluster_wait();                                    // every barrier of the cluster is initialised

  PipelineState<T::kStages> pipe;

  if (warpgroup == 0) {                                   // ---- producer: one thread drives TMA
    ptx::setmaxnreg_dec<24>();
    if (warp == 0 && ptx::elect_one()) {
      ptx::tma_prefetch(map_a), ptx::tma_prefetch(map_b);
      for (int tile = blockIdx.x / T::kCluster; tile < tiles_m * tiles_n; tile += gridDim.x / T::kCluster) {
        const int m0 = (tile / tiles_n * T::kCluster + rank) * T::BM, n0 = tile % tiles_n * T::BN;
        for (int kt = 0; kt < k_tiles; ++kt, pipe.advance()) {
          const uint32_t full = ptx::smem(&shared.full[pipe.stage]);
          ptx::mbarrier_wait(ptx::smem(&shared.empty[pipe.stage]), pipe.parity ^ 1);
          ptx::mbarrier_arrive_expect_tx(full, T::kStageBytes);
          ptx::tma_load(ptx::smem(shared.a[pipe.stage]), map_a, full, kt * T::BK, m0);
          ptx::tma_load_multicast(ptx::smem(shared.b[pipe.stage] + rank * (T::BN / 2) * T::BK), map_b, full, kt * T::BK, n0 + rank * (T::BN / 2), 3);
        }
      }
    }
    ptx::cluster_arrive();
    ptx::cluster_wait();
    return;
  }

  ptx::setmaxnreg_inc<240>();                             // ---- consumers: 64 rows of the tile each
  const int consumer = warpgroup - 1;
  float acc[T::BN / 2];
  for (int tile = blockIdx.x / T::kCluster; tile < tiles_m * tiles_n; tile += gridDim.x / T::kCluster) {
    const int m0 = (tile / tiles_n * T::kCluster + rank) * T::BM + consumer * 64, n0 = tile % tiles_n * T::BN;

    uint32_t previous = 0;                                // empty-barrier of the stage still being read
    for (int kt = 0; kt < k_tiles; ++kt, pipe.advance()) {
      ptx::mbarrier_wait(ptx::smem(&shared.full[pipe.stage]), pipe.parity);
      const uint64_t a = wgmma_desc_k(ptx::smem(shared.a[pipe.stage] + consumer * 64 * T::BK));
      const uint64_t b = wgmma_desc_k(ptx::smem(shared.b[pipe.stage]));
      ptx::wgmma_fence();
#pragma unroll
      for (int kk = 0; kk < T::BK / 16; ++kk)             // 16 bf16 = 32 bytes = 2 descriptor units
        ptx::wgmma_bf16<T::BN>(acc, a + kk * 2, b + kk * 2, kt + kk > 0);
      ptx::wgmma_commit();
      ptx::wgmma_wait<1>();                               // the previous stage has been read
      if (previous && lane < T::kCluster) ptx::mbarrier_arrive_cluster(previous, lane);
      previous = ptx::smem(&shared.empty[pipe.stage]);
    }
    ptx::wgmma_wait<0>();
    if (previous && lane < T::kCluster) ptx::mbarrier_arrive_cluster(previous, lane);

    // Epilogue: 64 columns at a time through shared memory, double buffered, out by TMA.
#pragma unroll
    for (int slab = 0; slab < T::BN / T::kSlab; ++slab) {
      bf16* staging = shared.c[consumer][slab % 2];
      if (threadIdx.x % 128 == 0) ptx::tma_store_wait_read<1>();
      ptx::barrier_sync(1 + consumer, 128);
#pragma unroll
      for (int j = 0; j < 8; j += 2) {                    // two 8-column blocks per stmatrix
        const float* d = &acc[(slab * 8 + j) * 4];
        const int matrix = lane / 8, row = warp * 16 + matrix % 2 * 8 + lane % 8;
        ptx::stmatrix_x4(ptx::smem(staging) + swizzle128(row, j + matrix / 2), ptx::pack_bf16(d[0], d[1]), ptx::pack_bf16(d[2], d[3]),
                         ptx::pack_bf16(d[4], d[5]), ptx::pack_bf16(d[6], d[7]));
      }
      ptx::fence_proxy_async();
      ptx::barrier_sync(1 + consumer, 128);
      if (threadIdx.x % 128 == 0) {
        ptx::tma_store(map_c, ptx::smem(staging), n0 + slab * T::kSlab, m0);
        ptx::tma_store_commit();
      }
    }
  }
  if (threadIdx.x % 128 == 0) ptx::tma_store_wait_read<0>();
  ptx::cluster_arrive();                                  // stay while others may still signal our barriers
  ptx::cluster_wait();
}
