// O = softmax(Q K^T / sqrt(D)) V, optionally causal; [heads][sequence][D] bf16.
// Hopper: one producer thread streams K and V tiles by TMA; each consumer warpgroup owns 64 query rows,
// keeps the probabilities in registers (wgmma with A from registers) and reads V as an MN-major operand.
#include "tests/simt/kernels/ptx.cuh"
#include "tests/simt/kernels/layout.cuh"

struct AttentionSm90 {
  static constexpr int D = 128, kQueries = 128, kKeys = 128, kStages = 2;
  static constexpr int kConsumers = 2, kThreads = 128 * (1 + kConsumers);
  static constexpr int kHalf = kKeys * 64;               // a box is 64 columns (128 bytes) wide; two make a tile
  struct Shared {
    alignas(1024) bf16 q[2][kQueries * 64];
    alignas(1024) bf16 k[kStages][2][kHalf], v[kStages][2][kHalf];
    alignas(8) uint64_t q_full, full[kStages], empty[kStages];
  };
  static constexpr uint32_t kTileBytes = kKeys * D * sizeof(bf16);
};

__global__ void __launch_bounds__(AttentionSm90::kThreads, 1)
attention_sm90(const __grid_constant__ ptx::TensorMap map_q, const __grid_constant__ ptx::TensorMap map_k, const __grid_constant__ ptx::TensorMap map_v,
               bf16* __restrict__ O, int queries, int keys, float scale_log2, bool causal) {
  using T = AttentionSm90;
  auto& shared = ptx::dynamic_smem<T::Shared>();
  const int warpgroup = threadIdx.x / 128, warp = threadIdx.x / 32 % 4, lane = threadIdx.x % 32;
  const int q0 = blockIdx.x * T::kQueries, head = blockIdx.y;
  const int offset = keys - queries;                      // causal: query i sees keys 0 .. i + offset
  const int last_key = causal ? min(keys, q0 + T::kQueries + offset) : keys;
  const int tiles = ceil_div(max(last_key, 0), T::kKeys);

  if (threadIdx.x == 0) {
    ptx::mbarrier_init(ptx::smem(&shared.q_full), 1);
    for (int s = 0; s < T::kStages; ++s) {
      ptx::mbarrier_init(ptx::smem(&shared.full[s]), 1);
      ptx::mbarrier_init(ptx::smem(&shared.empty[s]), T::kConsumers * 4);
    }
    ptx::fence_mbarrier_init();
  }
  __syncthreads();

  PipelineState<T::kStages> pipe;

  if (warpgroup == 0) {
    ptx::setmaxnreg_dec<24>();
    if (warp == 0 && ptx::elect_one()) {
      const uint32_t q_full = ptx::smem(&shared.q_full);
      ptx::mbarrier_arrive_expect_tx(q_full, T::kQueries * T::D * sizeof(bf16));
      for (int h = 0; h < 2; ++h) ptx::tma_load(ptx::smem(shared.q[h]), map_q, q_full, h * 64, q0, head);
      for (int t = 0; t < tiles; ++t, pipe.advance()) {
        const uint32_t full = ptx::smem(&shared.full[pipe.stage]);
        ptx::mbarrier_wait(ptx::smem(&shared.empty[pipe.stage]), pipe.parity ^ 1);
        ptx::mbarrier_arrive_expect_tx(full, 2 * T::kTileBytes);
        for (int h = 0; h < 2; ++h) {
          ptx::tma_load(ptx::smem(shared.k[pipe.stage][h]), map_k, full, h * 64, t * T::kKeys, head);
          ptx::tma_load(ptx::smem(shared.v[pipe.stage][h]), map_v, full, h * 64, t * T::kKeys, head);
        }
      }
    }
    return;
  }

  ptx::setmaxnreg_inc<240>();
  const int row = q0 + (warpgroup - 1) * 64 + warp * 16 + lane / 4;          // this thread: rows `row` and `row + 8`
  float o[T::D / 2] = {}, row_max[2] = {-INFINITY, -INFINITY}, row_sum[2] = {};
  ptx::mbarrier_wait(ptx::smem(&shared.q_full), 0);

  for (int t = 0; t < tiles; ++t, pipe.advance()) {
    ptx::mbarrier_wait(ptx::smem(&shared.full[pipe.stage]), pipe.parity);

    float s[T::kKeys / 2];                                                    // S = Q K^T, 64 x 128
    ptx::wgmma_fence();
#pragma unroll
    for (int kk = 0; kk < T::D / 16; ++kk) {
      const uint64_t q = wgmma_desc_k(ptx::smem(shared.q[kk / 4] + (warpgroup - 1) * 64 * 64)) + kk % 4 * 2;
      const uint64_t k = wgmma_desc_k(ptx::smem(shared.k[pipe.stage][kk / 4])) + kk % 4 * 2;
      ptx::wgmma_bf16<T::kKeys>(s, q, k, kk > 0);
    }
    ptx::wgmma_commit();
    ptx::wgmma_wait<0>();

    float m[2] = {row_max[0], row_max[1]};
#pragma unroll
    for (int i = 0; i < T::kKeys / 2; ++i) {
      const int key = t * T::kKeys + i / 4 * 8 + lane % 4 * 2 + i % 2, r = i / 2 % 2;
      if (key >= keys || (causal && key > row + r * 8 + offset)) s[i] = -INFINITY;
      m[r] = max(m[r], s[i]);
    }
#pragma unroll
    for (int r = 0; r < 2; ++r) {                                             // a row is spread over four lanes
      m[r] = max(m[r], __shfl_xor_sync(0xffffffff, m[r], 1));
      m[r] = max(m[r], __shfl_xor_sync(0xffffffff, m[r], 2));
      const float shift = m[r] == -INFINITY ? 0.f : m[r], rescale = ptx::exp2((row_max[r] - shift) * scale_log2);
      row_max[r] = m[r], row_sum[r] *= rescale;
#pragma unroll
      for (int i = 0; i < T::D / 2; ++i) if (i / 2 % 2 == r) o[i] *= rescale;
#pragma unroll
      for (int i = 0; i < T::kKeys / 2; ++i) if (i / 2 % 2 == r) s[i] = ptx::exp2((s[i] - shift) * scale_log2), row_sum[r] += s[i];
    }

    // O += P V.  The accumulator layout of S, rounded to bf16, is the A-operand layout.
    uint32_t p[T::kKeys / 16][4];
#pragma unroll
    for (int i = 0; i < T::kKeys / 4; ++i) p[i / 4][i % 4] = ptx::pack_bf16(s[2 * i], s[2 * i + 1]);
    ptx::wgmma_fence();
#pragma unroll
    for (int kk = 0; kk < T::kKeys / 16; ++kk) {                              // 16 keys = 16 rows of 128 bytes
      const uint64_t v = wgmma_desc(ptx::smem(shared.v[pipe.stage][0]) + kk * 2048, T::kHalf * sizeof(bf16), 1024);
      ptx::wgmma_bf16<T::D, ptx::Major::MN>(o, p[kk], v, true);
    }
    ptx::wgmma_commit();
    ptx::wgmma_wait<0>();
    if (lane == 0) ptx::mbarrier_arrive(ptx::smem(&shared.empty[pipe.stage]));
  }

#pragma unroll
  for (int r = 0; r < 2; ++r) {
    row_sum[r] += __shfl_xor_sync(0xffffffff, row_sum[r], 1);
    row_sum[r] += __shfl_xor_sync(0xffffffff, row_sum[r], 2);
    const float inverse = row_sum[r] > 0 ? 1 / row_sum[r] : 0;
    if (row + r * 8 < queries)
#pragma unroll
      for (int j = 0; j < T::D / 8; ++j)
        *reinterpret_cast<uint32_t*>(&O[(size_t(head) * queries + row + r * 8) * T::D + j * 8 + lane % 4 * 2]) =
            ptx::pack_bf16(o[j * 4 + r * 2] * inverse, o[j * 4 + r * 2 + 1] * inverse);
  }
}
