// The CPU's micro-kernels: c[rows, columns] (+)= a[rows, units] * b[units, columns] held in registers.
//
// A "unit" is 32 bits along k: one fp32, or a pair of bf16 (k, k + 1) with the even one in the low half.  Both types
// therefore share one packed form, one loop and one set of tile sizes; only the multiply-add differs.
#pragma once
#include <cstdint>

namespace assay::cpu {

inline constexpr int kMaxTileRows = 32;
inline constexpr int kMaxTileColumns = 32;
/// Units of one row of a that are moved together when packing: 16 bytes.
inline constexpr int kUnitsPerPiece = 4;
/// The same for AMX, whose registers take 64 bytes of each row.
inline constexpr int kAmxUnitsPerPiece = 16;
/// Units between the rows of a `strided` a.  A constant, so that 14 row addresses need one register.
/// 16 more than the 512 an attention block uses: rows 2 KiB apart would share a few cache sets.
inline constexpr int kStridedRowUnits = 528;

/// Cache lines asked for while one piece (four units) is multiplied: offsets, in bytes, from TileTask's addresses.
/// A few at a time, because a core waits once about twenty are under way.
struct PrefetchStep {
  static constexpr int kLines = 4;
  std::int64_t offsets[kLines] = {};
};

struct TileTask {
  std::int64_t units = 0;  // whole pieces
  /// packed:  [units / 4][rows][4]; strided: [rows][kStridedRowUnits]
  /// AMX reads 16 or 32 rows, whatever it is asked to compute; packed: [units / 16][32][16]
  const std::uint32_t* a = nullptr;
  const std::uint32_t* b = nullptr;  // [units][columns]
  float* c = nullptr;                // [rows][c_stride]
  std::int64_t c_stride = 0;
  bool accumulate = false;           // c = c + a * b; else c = a * b
  const float* row_scale = nullptr;  // [rows], with accumulate only: c = c * row_scale + a * b
  // Where set, the result goes here, rounded to the nearest bf16, and c stays as it was.
  std::uint16_t* bf16 = nullptr;  // [rows][bf16_stride]
  std::int64_t bf16_stride = 0;
  const PrefetchStep* prefetch = nullptr;  // [units / 4], or null: nothing is asked for
  const char* prefetch_from[PrefetchStep::kLines] = {};
};

using TileFunction = void (*)(const TileTask&);

/// The micro-kernels of one instruction set and element type.
struct TileSet {
  const char* name = "";
  int rows = 0, columns = 0;  // of the full tile
  int elements_per_unit = 1;
  // [r - 1] computes r rows, so that a last panel of few rows costs only those rows
  TileFunction packed[kMaxTileRows] = {};
  TileFunction strided[kMaxTileRows] = {};
  // Called by each thread before its first tile of a launch and after its last; null where there is nothing to do
  void (*begin)() = nullptr;
  void (*end)() = nullptr;
};

/// A thread's use of a set's micro-kernels, from before the first to after the last of one launch.
class TilesInUse {
 public:
  explicit TilesInUse(const TileSet& tiles) : end_(tiles.end) {
    if (tiles.begin != nullptr) tiles.begin();
  }
  ~TilesInUse() {
    if (end_ != nullptr) end_();
  }
  TilesInUse(const TilesInUse&) = delete;
  TilesInUse& operator=(const TilesInUse&) = delete;

 private:
  void (*end_)();
};

/// fp32 for the best instruction set of this CPU.
const TileSet& f32_tiles();
/// bf16 pairs through AVX-512 BF16; null where the compiler or this CPU has none.
const TileSet* bf16_tiles();
/// bf16 pairs through AMX; null where the compiler, this CPU or its operating system grants none.
const TileSet* amx_tiles();

}  // namespace assay::cpu
