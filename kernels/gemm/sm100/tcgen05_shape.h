// Tile shapes of tcgen05_sm100: what a CTA holds in shared and in tensor memory, known at compile time to the kernel
// and to its launch plan.  CUDA-free; C++17.
#pragma once
#include <algorithm>
#include <cstdint>

#include "kernels/common/tcgen05_descriptors.h"

namespace assay {

// ---- what an instance is made of ----------------------------------------------------------------------------------
/// Operands.  kScaleTiles: 512-byte tiles of scale factors per 128 rows and stage of the ring.
struct Tcgen05F16 {  // bf16, f16
  static constexpr Tcgen05Kind kKind = Tcgen05Kind::f16;
  static constexpr int kElementBits = 16, kScaleTiles = 0;
  static constexpr bool kTensorScale = false;
};
struct Tcgen05F8 {  // e4m3, e5m2
  static constexpr Tcgen05Kind kKind = Tcgen05Kind::f8f6f4;
  static constexpr int kElementBits = 8, kScaleTiles = 0;
  static constexpr bool kTensorScale = true;
};
struct Tcgen05Mx8 {  // e4m3, e5m2; a factor per 32 elements: 4 along a stage
  static constexpr Tcgen05Kind kKind = Tcgen05Kind::mxf8f6f4;
  static constexpr int kElementBits = 8, kScaleTiles = 1;
  static constexpr bool kTensorScale = false;
};
struct Tcgen05Nv4 {  // e2m1; a factor per 16 elements: 16 along a stage
  static constexpr Tcgen05Kind kKind = Tcgen05Kind::mxf4nvf4;
  static constexpr int kElementBits = 4, kScaleTiles = 4;
  static constexpr bool kTensorScale = true;
};

/// Tiles of d: by a pair of CTAs (one above the other, 128 rows each), or by one.
struct Pair256x256 {
  static constexpr int kCtas = 2, kN = 256;
};
struct Pair256x128 {
  static constexpr int kCtas = 2, kN = 128;
};
struct Single128x128 {
  static constexpr int kCtas = 1, kN = 128;
};

/// What becomes of the accumulators.
struct ToBf16 {
  static constexpr int kBytes = 2;
};
struct ToF16 {
  static constexpr int kBytes = 2;
};
struct AddToF32 {
  static constexpr int kBytes = 4;
};

// ---- what follows from it -----------------------------------------------------------------------------------------
inline constexpr int kTcgen05EpilogueWarps = 4;  // a warp reaches only the 32 lanes of tensor memory of its index % 4
inline constexpr int kTcgen05Threads = 32 * (2 + kTcgen05EpilogueWarps);
inline constexpr int kTcgen05Columns = 512;             // all of tensor memory: one CTA fills a multiprocessor
inline constexpr int kTcgen05SharedLimit = 227 * 1024;  // per block of sm_100 and sm_103
inline constexpr int kStagingBytes = 32 * 128;          // 32 rows of d, 128 bytes of each

template <class Kind, class Tile>
struct Tcgen05Shape {
  static constexpr int kCtas = Tile::kCtas;
  static constexpr int kTileM = 128 * kCtas, kTileN = Tile::kN;
  static constexpr int kRowsA = 128, kRowsB = kTileN / kCtas;  // of a stage, per CTA: each of a pair has half of b
  static constexpr int kTileK = 128 * 8 / Kind::kElementBits;  // 128 bytes: the widest swizzle
  // The same as tensor maps count it: a pair of 4-bit elements is one of theirs.
  static constexpr int kBoxK = 128 * 8 / std::max(Kind::kElementBits, 8);
  static constexpr int kBytesA = kRowsA * 128, kBytesB = kRowsB * 128;
  static constexpr int kScaleRowTiles = kTileN / 128;  // b's factors: each of a pair needs those of all columns
  static constexpr int kScaleBytesA = Kind::kScaleTiles * 512, kScaleBytesB = kScaleBytesA * kScaleRowTiles;
  static constexpr int kStageBytes = kBytesA + kBytesB + kScaleBytesA + kScaleBytesB;
  static constexpr int kStages =
      std::min(8, (kTcgen05SharedLimit - 2 * kTcgen05EpilogueWarps * kStagingBytes - 1024) / kStageBytes);

  // Tensor memory: an accumulator from column 0, another behind it or partly over it, scale factors at the end.
  static constexpr int kScaleColumnsA = Kind::kScaleTiles * 4, kScaleColumnsB = kScaleColumnsA * kScaleRowTiles;
  static constexpr int kScaleColumns = kScaleColumnsA + kScaleColumnsB;  // of one stage
  // A stage's factors are overwritten by a copy that runs beside multiplications: those that read them must be over.
  // With as many slots as stages they are (the stage was refilled); two slots cost a wait, but fit beside 256 columns.
  static constexpr bool kSlotPerStage = kStages * kScaleColumns <= std::max(64, kTcgen05Columns - 2 * kTileN);
  static constexpr int kScaleSlots = Kind::kScaleTiles == 0 ? 0 : kSlotPerStage ? kStages : 2;
  static constexpr int kScaleAt = kTcgen05Columns - (kScaleSlots * kScaleColumns + 31) / 32 * 32;
  static constexpr int kSecondAccumulator = std::min(kTileN, kScaleAt - kTileN);
  // Columns of both accumulators; the epilogue empties them first, and then the next tile may begin.
  static constexpr int kOverlap = kTileN - kSecondAccumulator;
  static constexpr int kAccumulatorLag = kOverlap ? 1 : 2;  // a tile waits for the release of the one this far back
  static_assert(kStages >= 4 && kSecondAccumulator > 0);
};

/// Ring of the scale factors; empty where there are none.
template <int kStages, int kBytesA, int kBytesB>
struct Tcgen05ScaleRing {
  alignas(128) unsigned char a_scales[kStages][kBytesA];
  alignas(128) unsigned char b_scales[kStages][kBytesB];
};
template <int kStages>
struct Tcgen05ScaleRing<kStages, 0, 0> {};

/// A CTA's shared memory.
template <class Shape>
struct Tcgen05Shared {
  alignas(1024) unsigned char a[Shape::kStages][Shape::kBytesA];  // 1024: the swizzle's atom
  alignas(1024) unsigned char b[Shape::kStages][Shape::kBytesB];
  alignas(1024) unsigned char staging[kTcgen05EpilogueWarps][2][kStagingBytes];
  Tcgen05ScaleRing<Shape::kStages, Shape::kScaleBytesA, Shape::kScaleBytesB> scales;
  // mbarriers.  In a pair, `full` and `accumulator_empty` are the leader's, who multiplies; the others each CTA's own.
  alignas(8) std::uint64_t full[Shape::kStages], empty[Shape::kStages];
  alignas(8) std::uint64_t accumulator_full[2], accumulator_empty[2];
  std::uint32_t tensor_memory;  // where the allocation begins
};

}  // namespace assay
