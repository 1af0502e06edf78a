// C[M][N] = A[M][K] * B[K][N], bf16 in, fp32 accumulation, bf16 out.  Ampere: cp.async + ldmatrix + mma.sync.
#include "tests/simt/kernels/ptx.cuh"
#include "tests/simt/kernels/layout.cuh"

struct GemmSm80 {
  static constexpr int BM = 128, BN = 128, BK = 32, kStages = 3, kThreads = 128;
  struct Shared {
    bf16 a[kStages][BM * BK];   // rows of 64 bytes:  4 chunks, permuted by row / 2
    bf16 b[kStages][BK * BN];   // rows of 256 bytes: 16 chunks, permuted by row
  };
  DEVICE static constexpr uint32_t a_offset(int row, int chunk) { return row * 64 + ((chunk ^ (row >> 1 & 3)) << 4); }
  DEVICE static constexpr uint32_t b_offset(int row, int chunk) { return row * 256 + ((chunk ^ (row & 7)) << 4); }
};

__global__ void __launch_bounds__(GemmSm80::kThreads)
gemm_sm80(const bf16* __restrict__ A, const bf16* __restrict__ B, bf16* __restrict__ C, int M, int N, int K) {
  using T = GemmSm80;
  auto& shared = ptx::dynamic_smem<T::Shared>();
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int m0 = blockIdx.y * T::BM, n0 = blockIdx.x * T::BN;
  const int k_tiles = ceil_div(K, T::BK);

  auto load_stage = [&](int kt) {
    const int stage = kt % T::kStages, k0 = kt * T::BK;
    const uint32_t a = ptx::smem(shared.a[stage]), b = ptx::smem(shared.b[stage]);
#pragma unroll
    for (int i = threadIdx.x; i < T::BM * T::BK / 8; i += T::kThreads) {
      const int row = i / 4, chunk = i % 4;
      const bool in = m0 + row < M && k0 + chunk * 8 < K;
      ptx::cp_async_16(a + T::a_offset(row, chunk), in ? A + size_t(m0 + row) * K + k0 + chunk * 8 : A, in ? 16 : 0);
    }
#pragma unroll
    for (int i = threadIdx.x; i < T::BK * T::BN / 8; i += T::kThreads) {
      const int row = i / 16, chunk = i % 16;
      const bool in = k0 + row < K && n0 + chunk * 8 < N;
      ptx::cp_async_16(b + T::b_offset(row, chunk), in ? B + size_t(k0 + row) * N + n0 + chunk * 8 : B, in ? 16 : 0);
    }
  };

  // Each of the 2 x 2 warps owns a 64 x 64 tile of C.
  const int wm = warp / 2 * 64, wn = warp % 2 * 64;
  float acc[4][8][4] = {};

#pragma unroll
  for (int kt = 0; kt < T::kStages - 1; ++kt) {
    if (kt < k_tiles) load_stage(kt);
    ptx::cp_async_commit();
  }
  for (int kt = 0; kt < k_tiles; ++kt) {
    ptx::cp_async_wait<T::kStages - 2>();
    __syncthreads();                       // stage kt has landed; everyone is done with stage kt - 1
    if (kt + T::kStages - 1 < k_tiles) load_stage(kt + T::kStages - 1);
    ptx::cp_async_commit();

    const uint32_t a = ptx::smem(shared.a[kt % T::kStages]), b = ptx::smem(shared.b[kt % T::kStages]);
#pragma unroll
    for (int kk = 0; kk < T::BK; kk += 16) {
      uint32_t fa[4][4], fb[4][4];
#pragma unroll
      for (int i = 0; i < 4; ++i) ptx::ldmatrix_x4(fa[i], a + T::a_offset(wm + i * 16 + lane % 16, kk / 8 + lane / 16));
#pragma unroll
      for (int j = 0; j < 4; ++j) ptx::ldmatrix_x4_trans(fb[j], b + T::b_offset(kk + lane % 16, (wn + j * 16) / 8 + lane / 16));
#pragma unroll
      for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int j = 0; j < 8; ++j) ptx::mma_bf16(acc[i][j], fa[i], fb[j / 2][j % 2 * 2], fb[j / 2][j % 2 * 2 + 1]);
    }
  }
  ptx::cp_async_wait<0>();

#pragma unroll
  for (int i = 0; i < 4; ++i)
#pragma unroll
    for (int j = 0; j < 8; ++j)
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const int row = m0 + wm + i * 16 + h * 8 + lane / 4, col = n0 + wn + j * 8 + lane % 4 * 2;
        if (row < M && col < N)
          *reinterpret_cast<uint32_t*>(&C[size_t(row) * N + col]) = ptx::pack_bf16(acc[i][j][h * 2], acc[i][j][h * 2 + 1]);
      }
}
