// Copying matrix operands into the order the micro-kernels read them in (see tile.h).
#pragma once
#include <cstdint>

#include "kernels/common/cpu/tile.h"
#include "kernels/common/dtype.h"

namespace assay::cpu {

/// What is stored, and what a packed unit holds.
enum class PackFormat : std::uint8_t {
  f32,           // fp32 -> fp32
  bf16_pairs,    // bf16 -> two bf16
  bf16_widened,  // bf16 -> fp32
  bf16_amx,      // bf16 -> two bf16, in AMX's pieces; panels of a have all their rows
};

constexpr int elements_per_unit(PackFormat f) {
  return f == PackFormat::bf16_pairs || f == PackFormat::bf16_amx ? 2 : 1;
}
constexpr int units_per_piece(PackFormat f) { return f == PackFormat::bf16_amx ? kAmxUnitsPerPiece : kUnitsPerPiece; }

/// Units that `k` elements take: whole pieces, the rest zero.
constexpr std::int64_t packed_units(PackFormat f, std::int64_t k) {
  const std::int64_t per_piece = units_per_piece(f) * elements_per_unit(f);
  return (k + per_piece - 1) / per_piece * units_per_piece(f);
}

/// Micro-kernels and the packed form that feeds them.
struct PackedTiles {
  const TileSet* tiles = nullptr;
  PackFormat format = PackFormat::f32;
};

/// The best of this CPU for f32 or bf16; without a bf16 instruction, bf16 is widened for the fp32 micro-kernels.
PackedTiles best_tiles(DType);

/// A block of one operand: `count` rows of a (or columns of b), `k` elements deep.
struct PackSource {
  const void* data = nullptr;  // the block's first element
  std::int64_t stride = 0;     // elements from one stored row to the next
  /// k contiguous: element (i, p) is data[i * stride + p]; else data[p * stride + i]
  bool k_major = false;
  std::int64_t count = 0;
  std::int64_t k = 0;
  /// Rows of a that exist from the first on, if more than `count`: reading them too spares a copy at the block's end.
  std::int64_t readable = 0;
};

/// Where panels go.  A source may be only a part along k of what they hold.
struct PackedPanels {
  PackedPanels(std::uint32_t* first_panel, std::int64_t units_of_panel = 0, std::int64_t first = 0)
      : data(first_panel), units(units_of_panel), first_unit(first) {}
  std::uint32_t* data;
  std::int64_t units;       // that a panel holds; 0: packed_units of the source
  std::int64_t first_unit;  // that the source makes
};

/// a in panels of `rows` rows, the last with as many as are left (for AMX filled up with rows of no meaning): panel p
/// starts at p * rows * units.
void pack_a(PackFormat, const PackSource&, int rows, const PackedPanels&);

/// b in panels of `columns` (as many as this CPU's micro-kernels have), the last filled up with zeros: panel p starts
/// at p * columns * units.
void pack_b(PackFormat, const PackSource&, int columns, const PackedPanels&);

}  // namespace assay::cpu
