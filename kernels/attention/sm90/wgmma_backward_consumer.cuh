// A consumer warpgroup of wgmma_backward.cuh: its products, and how their results leave it.  sm_90a, C++17.
#pragma once
#include "kernels/attention/sm90/wgmma_backward_copies.cuh"
#include "kernels/attention/sm90/wgmma_backward_scores.cuh"
#include "kernels/common/ptx/fence.cuh"
#include "kernels/common/ptx/mbarrier.cuh"
#include "kernels/common/ptx/shared_address.cuh"
#include "kernels/common/ptx/stmatrix.cuh"
#include "kernels/common/ptx/warpgroup.cuh"
#include "kernels/common/ptx/wgmma.cuh"
#include "kernels/common/ptx/wgmma_registers.cuh"

namespace assay::wgmma_sm90_backward {

/// What a consumer keeps from one query tile to the next.
template <class Element, class Tile>
struct Consumer {
  static constexpr int kQueries = Tile::kQueries, kHeadDim = Tile::kHeadDim, kValueDim = Tile::kValueDim;
  static constexpr int kSteps = kQueries / 16;         // wgmmas that add up a query tile
  static constexpr std::uint64_t kStepK = 32 / 16;     // from one to the next, in a descriptor: k-major
  static constexpr std::uint64_t kStepMn = 2048 / 16;  // 16 rows of 128 bytes: mn-major
  using Operand = std::uint32_t[kSteps][4];
  static constexpr int kShare =
      Tile::kWide ? 4 : 2;  // accumulators of a 64-row product are half its columns; kWide: of half

  typename Tile::Shared& shared;
  const int consumer, thread = int(threadIdx.x) % 128, lane = int(threadIdx.x) % 32;
  float dk[kHeadDim / kShare] = {}, dv[kValueDim / kShare] = {};

  /// The same in all lanes, and by the shuffle known to be: what follows from it stays out of the lanes' registers.
  __device__ Consumer(typename Tile::Shared& s)
      : shared(s), consumer(__shfl_sync(0xffffffff, int(threadIdx.x) / 128 - 1, 0)) {}

  /// Its first row of the key tile, and its first panel of dk and dv.
  __device__ __forceinline__ int key_row() const { return Tile::kWide ? 0 : consumer * 64; }
  __device__ __forceinline__ int panel() const { return Tile::kWide ? consumer * (Tile::kQPanels / 2) : 0; }

  /// Starts d = rows of `keys` (this consumer's 64) times kCount of the queries at `queries`, transposed; both have
  /// kDim columns.
  template <int kCount, int kDim>
  __device__ __forceinline__ void multiply_keys(float (&d)[kCount / 2], const unsigned char* keys,
                                                const unsigned char* queries, int first = 0) const {
    const std::uint64_t a = ptx::wgmma_descriptor(shared_address(keys) + key_row() * 128, 16, 1024);
    const std::uint64_t b = ptx::wgmma_descriptor(shared_address(queries) + first * 128, 16, 1024);
    ptx::wgmma_fence();
    ptx::wgmma_first<Element::kTypes, kCount>(d, a, b);
#pragma unroll
    for (int k = 1; k < kDim / 16; ++k)
      ptx::wgmma<Element::kTypes, kCount>(d, a + k / 4 * (Tile::kKeyPanelBytes / 16) + k % 4 * kStepK,
                                          b + k / 4 * (Tile::kQueryPanelBytes / 16) + k % 4 * kStepK, true);
    ptx::wgmma_commit();
  }

  /// Starts d += a times queries at `queries`, 16 for each step.
  template <int kCount, int kSteps>
  __device__ __forceinline__ void multiply_queries(float (&d)[kCount], const std::uint32_t (&a)[kSteps][4],
                                                   const unsigned char* queries) const {
    const std::uint64_t b = ptx::wgmma_descriptor(shared_address(queries), Tile::kQueryPanelBytes, 1024);
    ptx::wgmma_fence();
#pragma unroll
    for (int k = 0; k < kSteps; ++k)
      ptx::wgmma_registers<Element::kTypes, 2 * kCount, ptx::Major::mn>(d, a[k], b + k * kStepMn, true);
    ptx::wgmma_commit();
  }

  /// Starts d += p or ds, as it lies in shared memory, times the 64 queries at `queries`, this consumer's columns.
  template <int kCount>
  __device__ __forceinline__ void multiply_stored(float (&d)[kCount], const unsigned char* stored,
                                                  const unsigned char* queries) const {
    const std::uint64_t a = ptx::wgmma_descriptor(shared_address(stored) + key_row() * 128, 16, 1024);
    const std::uint64_t b =
        ptx::wgmma_descriptor(shared_address(queries) + panel() * Tile::kQueryPanelBytes, Tile::kQueryPanelBytes, 1024);
    ptx::wgmma_fence();
#pragma unroll
    for (int k = 0; k < 4; ++k)
      ptx::wgmma<Element::kTypes, 2 * kCount, ptx::Major::k, ptx::Major::mn>(d, a + k * kStepK, b + k * kStepMn, true);
    ptx::wgmma_commit();
  }

  /// Starts this consumer's block of dq = ds^T k, over the keys of both; of a block that both make, over its own.
  template <int kPass>
  __device__ __forceinline__ void multiply_ds_k(float (&dq)[32], const unsigned char* ds) const {
    constexpr bool kShared = Tile::shared_dq_block(kPass);
    const int block = Tile::dq_block(consumer, kPass), first_key = kShared ? consumer * 64 : 0;
    const int row_panel = block / Tile::kQPanels, column_panel = block % Tile::kQPanels;
    const std::uint64_t a = ptx::wgmma_descriptor(
        shared_address(ds) + row_panel * Tile::kKeyPanelBytes + first_key * 128, Tile::kKeyPanelBytes, 1024);
    const std::uint64_t b = ptx::wgmma_descriptor(
        shared_address(shared.k) + column_panel * Tile::kKeyPanelBytes + first_key * 128, Tile::kKeyPanelBytes, 1024);
    ptx::wgmma_fence();
    ptx::wgmma_first<Element::kTypes, 64, ptx::Major::mn, ptx::Major::mn>(dq, a, b);
#pragma unroll
    for (int k = 1; k < (kShared ? 64 : Tile::kKeys) / 16; ++k)
      ptx::wgmma<Element::kTypes, 64, ptx::Major::mn, ptx::Major::mn>(dq, a + k * kStepMn, b + k * kStepMn, true);
    ptx::wgmma_commit();
  }

  /// ds (or p) of 16 queries for each step, from step `first` of the tile on, into shared memory: a row for each key.
  /// Chunk 2 k + c of a row lies where chunk c does but for bits that 2 k flips: one address, not four, to keep.
  template <int kSteps>
  __device__ __forceinline__ void store_ds(const std::uint32_t (*a)[4], int first, unsigned char* ds) const {
    const int row = key_row() + thread / 32 * 16 + lane % 16;
    const std::uint32_t to =
        shared_address(ds) + first / 4 * Tile::kKeyPanelBytes + (swizzled_chunk(row, lane / 16) ^ first % 4 * 32);
#pragma unroll
    for (int k = 0; k < kSteps; ++k) ptx::stmatrix_x4(to ^ k * 32, a[k][0], a[k][1], a[k][2], a[k][3]);
  }

  /// Hands the block to the writer.
  __device__ __forceinline__ void stage_dq(const float (&dq)[32], std::uint32_t parity) {
    float4* to = reinterpret_cast<float4*>(shared.dq[consumer]) + thread;
    ptx::mbarrier_wait(shared_address(&shared.dq_empty[consumer]), parity);
#pragma unroll
    for (int i = 0; i < 8; ++i) to[i * 128] = make_float4(dq[4 * i], dq[4 * i + 1], dq[4 * i + 2], dq[4 * i + 3]);
    ptx::fence_proxy_async();
    __syncwarp();
    if (lane == 0) ptx::mbarrier_arrive(shared_address(&shared.dq_full[consumer]));
  }

  __device__ __forceinline__ void release(std::uint64_t& empty) const {
    if (lane == 0) ptx::mbarrier_arrive(shared_address(&empty));
  }

  /// After the last query tile.
  __device__ __forceinline__ void store_gradients(const Params& p) {
    ptx::wgmma_wait<0>();
    ptx::wgmma_registers_fence(dk);
    ptx::wgmma_registers_fence(dv);
    ptx::barrier_sync(kAllConsumers, 128 * Tile::kConsumers);  // nobody reads k any more
    const Work<Tile> work(p, shared.unit);                     // again, rather than registers held through the loop
    const KeyRows rows{work.sequence.key_row, work.unit.key_tile * Tile::kKeys + key_row(), work.sequence.keys,
                       work.unit.kv_head};
    const std::uint32_t barrier = kAllConsumers + 1 + consumer;
    const int staging = panel() * Tile::kKeyPanelBytes + key_row() * 128;
    store_keys<Element, Tile>(p, rows, dk, p.dk, p.head_dim, panel() * 64, shared.k + staging, p.scale, barrier);
    store_keys<Element, Tile>(p, rows, dv, p.dv, p.value_dim, panel() * 64, shared.v + staging, 1.f, barrier);
  }
};

}  // namespace assay::wgmma_sm90_backward
