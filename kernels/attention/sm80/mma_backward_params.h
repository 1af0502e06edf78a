// What mma_sm80's backward kernels and the host code that launches them share.  C++17, no CUDA and no contract header.
#pragma once
#include <cstdint>

namespace assay {

/// The only parameter of each of the backward kernels.  Layouts are attention.h's.
struct AttentionBackwardSm80Params {
  const void* q = nullptr;
  const void* k = nullptr;
  const void* v = nullptr;
  const void* o = nullptr;
  const void* d_o = nullptr;
  const float* lse = nullptr;
  void* dq = nullptr;
  void* dk = nullptr;
  void* dv = nullptr;
  const std::int32_t* q_offsets = nullptr;  // [batch + 1]; null: not packed, every sequence has seq_q and seq_kv
  const std::int32_t* kv_offsets = nullptr;
  // Workspaces.  lse_log2 is lse log2(e), +infinity for a query that sees no key; delta as in attention.h; both laid
  // out as lse.  dq_sum is [16-query blocks, heads, head_dim / 8, 4, 32]: dq / scale in fp32, in the order of mma's
  // accumulators (see dq_block in mma_backward_sequence.cuh); null: dq comes from a kernel of its own.
  float* lse_log2 = nullptr;
  float* delta = nullptr;
  float* dq_sum = nullptr;
  std::int64_t lse_head_stride = 1;  // seq_q; packed: queries of all sequences
  std::int32_t heads = 1, kv_heads = 1;
  std::int32_t group = 1;  // query heads that share a kv head: heads / kv_heads
  std::int32_t seq_q = 1, seq_kv = 1;
  /// Query i of a sequence sees keys end - window .. end - 1 (those that there are), where end is the number of keys,
  /// or causal: keys - queries + 1 + i.
  std::int32_t causal = 0;
  std::int32_t window = std::int32_t(1) << 30;  // without a window: beyond the longest sequence, and overflows nowhere
  float scale = 1, scale_log2 = 1;              // of the scores; times log2(e): exp(scale s) = 2^(scale_log2 s)
};

/// Rows of dq that dq_sum keeps together: those of one mma.
inline constexpr int kDqBlock = 16;

/// The main kernel: a block owns kKeys rows of dk and dv and walks over the queries kQueries at a time.
template <int HeadDim, int ValueDim = HeadDim>
struct MmaSm80BackwardTile {
  static constexpr int kHeadDim = HeadDim, kValueDim = ValueDim;
  static constexpr int kWarps = 8, kThreads = 32 * kWarps;
  // FlashAttention-2's tiles.  Per thread dk, dv and two products of scores fill 192 registers (64 and 128), 160 (96
  // and 256), 112 (192).
  static constexpr int kKeys = HeadDim > 128 ? 64 : 128, kQueries = HeadDim == 64 ? 128 : 64;
  static constexpr int kBuffers = HeadDim == 256 ? 1 : 2;  // of q and do: two do not fit an A100 at 256
  // How the warps share each product: warps along its rows, and along its columns (of 96: no more than two, as warps
  // take 16 columns in turn).
  static constexpr int kScoreRows = 2, kScoreColumns = kWarps / kScoreRows;                 // of [queries, keys]
  static constexpr int kKeyRows = HeadDim == 256 ? 2 : 4, kKeyColumns = kWarps / kKeyRows;  // of [keys, head_dim]
  static constexpr int kDqRows = HeadDim == 128 || HeadDim == 192 ? 2 : 4, kDqColumns = kWarps / kDqRows;  // of dq
  struct Shared {                                     // rows of 16-byte chunks, swizzled (swizzled_operand.cuh)
    alignas(1024) std::uint16_t k[kKeys * HeadDim];   // at the end: dk, on its way out
    alignas(1024) std::uint16_t v[kKeys * ValueDim];  // at the end: dv
    alignas(1024) std::uint16_t q[kBuffers][kQueries * HeadDim];
    alignas(1024) std::uint16_t d_o[kBuffers][kQueries * ValueDim];
    alignas(1024) std::uint16_t p[kQueries * kKeys];
    alignas(1024) std::uint16_t ds[kQueries * kKeys];
    alignas(16) float lse_log2[2][kQueries];
    float delta[2][kQueries];
  };
};

/// The kernel of dq alone: a block owns kQueries rows of dq and walks over the keys kKeys at a time.
template <int HeadDim, int ValueDim = HeadDim>
struct MmaSm80DqTile {
  static constexpr int kHeadDim = HeadDim, kValueDim = ValueDim;
  static constexpr int kWarps = 4, kThreads = 32 * kWarps;
  static constexpr int kQueries = 16 * kWarps, kKeys = HeadDim == 256 ? 32 : 64;  // two blocks fit Hopper's SM
  struct Shared {
    alignas(1024) std::uint16_t q[kQueries * HeadDim];  // at the end: dq, on its way out
    alignas(1024) std::uint16_t d_o[kQueries * ValueDim];
    alignas(1024) std::uint16_t k[2][kKeys * HeadDim];
    alignas(1024) std::uint16_t v[kKeys * ValueDim];
  };
};

/// The kernels before and after: a block has kDqBlock rows of one head.
template <int HeadDim, int ValueDim = HeadDim>
struct MmaSm80BackwardRows {
  static constexpr int kHeadDim = HeadDim, kValueDim = ValueDim;
  static constexpr int kValueChunks = ValueDim / 8;
  static constexpr int kRowLanes = kValueChunks == 12 ? 16 : kValueChunks;  // that sum a row, in halves: a power of two
  static constexpr int kPrepareThreads = kDqBlock * kRowLanes;              // one 16-byte chunk of o each, or none
  static constexpr int kConvertThreads = HeadDim == 96 ? 96 : 128;          // warps with an even number of n8 tiles
};

}  // namespace assay
