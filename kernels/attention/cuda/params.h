// What the attention kernels on a GPU and the host code that launches them share: the parameter struct and the tiles.
// C++17, no CUDA and no contract header, so that a kernel's PTX compiles in a second.
#pragma once
#include <cstdint>

namespace assay {

/// A window that hides no key: beyond the longest sequence (2^29), and so that no position minus it overflows.
inline constexpr std::int32_t kNoWindow = std::int32_t(1) << 30;

/// The only parameter of every hand-written attention kernel.  Layouts are attention.h's.
struct AttentionKernelParams {
  const void* q = nullptr;
  const void* k = nullptr;
  const void* v = nullptr;
  void* o = nullptr;
  float* lse = nullptr;
  const std::int32_t* q_offsets = nullptr;  // [batch + 1]; null: sequences are not packed but of equal lengths
  const std::int32_t* kv_offsets = nullptr;
  std::int64_t lse_head_stride = 1;  // seq_q, or packed: queries of all sequences
  std::int32_t heads = 1, kv_heads = 1;
  std::int32_t group = 1;              // query heads that share a kv head: heads / kv_heads
  std::int32_t seq_q = 1, seq_kv = 1;  // where not packed
  /// Query i of a sequence sees keys first - window .. first - 1 (those that there are), where first is the number of
  /// keys, or causal: keys - queries + 1 + i, which may be negative.  One formula, so kernels need no variants.
  std::int32_t causal = 0;  // 1: each query sees one key more than the one before
  std::int32_t window = kNoWindow;
  std::int32_t query_tiles = 1;  // per head, of the longest sequence; see locate_block
  std::int32_t batch = 1;
  float scale_log2 = 1;  // softmax scale * log2(e): exp(scale * s) = 2^(scale_log2 * s)
};

/// One block of a kernel computes kQueries rows of o and walks over the keys kKeys at a time.
template <int HeadDim>
struct SimtF32Tile {
  static constexpr int kThreads = 256;  // 16 x 16: thread (y, x) owns 4 query rows and every 16th column
  static constexpr int kQueries = 64;
  static constexpr int kKeys = HeadDim == 64 ? 64 : 32;  // two blocks fit the shared memory of one A100 SM
  // Rows are padded by 16 bytes.  Threads that differ in x read 16 bytes each from consecutive rows of k: the padding
  // puts those rows four banks apart.  p's padding puts rows that are four apart (two y of a warp) 16 banks apart.
  static constexpr int kRow = HeadDim + 4, kProbabilityRow = kKeys + 4;
  struct Shared {
    alignas(16) float q[kQueries][kRow];
    alignas(16) float k[kKeys][kRow];
    alignas(16) float v[kKeys][HeadDim];  // read along the row: needs no padding
    alignas(16) float p[kQueries][kProbabilityRow];
  };
};

template <int HeadDim, int ValueDim = HeadDim>
struct MmaSm80Tile {
  static_assert(ValueDim <= HeadDim, "o leaves through q's place in shared memory");
  static constexpr int kHeadDim = HeadDim, kValueDim = ValueDim;
  static constexpr int kQueries = 128;
  // Of 32 rows a warp (two m16 tiles) each fragment of k and v serves twice; at 256 columns only 16 rows' o fits.
  static constexpr int kWarps = HeadDim == 256 ? 8 : 4, kThreads = 32 * kWarps;
  static constexpr int kWarpTiles = kQueries / kWarps / 16;  // m16 tiles of a warp
  // o + s are 160 accumulators a thread (256: 144).  FlashAttention-2 has 128 keys at 64 and 64 at 128, 192
  // accumulators: with those this kernel spilled on some architectures whatever was tried.  At 256 more keys would not
  // fit the 99 KiB a block of sm_86 and sm_89.
  static constexpr int kKeys = HeadDim == 64 ? 96 : HeadDim == 96 ? 64 : 32;
  struct Shared {                                       // rows of 16-byte chunks, swizzled (see sm80/mma.cuh)
    alignas(1024) std::uint16_t q[kQueries * HeadDim];  // at the end: o, on its way out
    alignas(1024) std::uint16_t k[kKeys * HeadDim];
    alignas(1024) std::uint16_t v[kKeys * ValueDim];
  };
};

}  // namespace assay
