// What the attention kernels on a GPU and the host code that launches them share: the parameter struct and the tiles.
// C++17, no CUDA and no contract header, so that a kernel's PTX compiles in a second.
#pragma once
#include <cstdint>

namespace assay {

/// The only parameter of every hand-written attention kernel.  Layouts are attention.h's.
struct AttentionKernelParams {
  const void* q = nullptr;
  const void* k = nullptr;
  const void* v = nullptr;
  void* o = nullptr;
  float* lse = nullptr;
  std::int32_t heads = 1, kv_heads = 1;
  std::int32_t group = 1;  // query heads that share a kv head: heads / kv_heads
  std::int32_t seq_q = 1, seq_kv = 1;
  /// Query i sees keys 0 .. first_visible + i * visible_step - 1.  Causal, bottom-right aligned: from seq_kv - seq_q +
  /// 1 (which may be negative), one more each query; no mask: always seq_kv.  One formula, so kernels need no causal
  /// variant.
  std::int32_t first_visible = 1, visible_step = 0;
  std::int32_t query_tiles = 1;  // per head; see locate_block
  std::int32_t batch = 1;
  float scale_log2 = 1;  // softmax scale * log2(e): exp(scale * s) = 2^(scale_log2 * s)
};

/// One block of a kernel computes kQueries rows of o and walks over the keys kKeys at a time.
template <int HeadDim>
struct SimtF32Tile {
  static constexpr int kThreads = 256;  // 16 x 16: thread (y, x) owns 4 query rows and every 16th column
  static constexpr int kQueries = 64;
  static constexpr int kKeys = 4096 / HeadDim;  // 64 or 32: two blocks fit the shared memory of one A100 SM
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

template <int HeadDim>
struct MmaSm80Tile {
  static constexpr int kWarps = 4, kThreads = 32 * kWarps;
  static constexpr int kQueries = 128;  // 32 rows a warp: two m16 tiles
  // o + s are 160 accumulators a thread.  FlashAttention-2 has 128 and 64 keys here, 192 accumulators: with those this
  // kernel spilled on some architectures whatever was tried.
  static constexpr int kKeys = HeadDim == 64 ? 96 : 32;
  static constexpr int kWarpTiles = kQueries / kWarps / 16;  // m16 tiles of a warp
  struct Shared {                                            // rows of 16-byte chunks, swizzled (see mma_sm80.cuh)
    alignas(1024) std::uint16_t q[kQueries * HeadDim];       // at the end: o, on its way out
    alignas(1024) std::uint16_t k[kKeys * HeadDim];
    alignas(1024) std::uint16_t v[kKeys * HeadDim];
  };
};

}  // namespace assay
