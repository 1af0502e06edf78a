// Packing moves 16 bytes at a time with the compiler's generic vectors: every CPU we run on has such registers, so
// nothing here depends on the instruction set chosen at run time.
#include "kernels/common/cpu/pack.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace assay::cpu {
namespace {

typedef std::uint32_t Units __attribute__((vector_size(16)));  // four units
typedef std::uint16_t Halves __attribute__((vector_size(8)));  // four bf16

/// One cache line: packing along k goes this far in one row before it turns to the next, because rows a power of two
/// apart share a cache set and would evict each other's line half read.
constexpr std::int64_t kPiecesPerLine = 4;

template <class Vector>
Vector load(const void* from) {
  Vector value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

void store(Units value, std::uint32_t* to) { std::memcpy(to, &value, sizeof value); }

Units widen(Halves halves) { return __builtin_convertvector(halves, Units); }

/// Rows to columns.
void transpose(Units (&x)[4]) {
  const Units a = __builtin_shufflevector(x[0], x[1], 0, 4, 1, 5), b = __builtin_shufflevector(x[2], x[3], 0, 4, 1, 5);
  const Units c = __builtin_shufflevector(x[0], x[1], 2, 6, 3, 7), d = __builtin_shufflevector(x[2], x[3], 2, 6, 3, 7);
  x[0] = __builtin_shufflevector(a, b, 0, 1, 4, 5);
  x[1] = __builtin_shufflevector(a, b, 2, 3, 6, 7);
  x[2] = __builtin_shufflevector(c, d, 0, 1, 4, 5);
  x[3] = __builtin_shufflevector(c, d, 2, 3, 6, 7);
}

// A format says how elements become units.  `along_k`: four units of one row, elements contiguous along k.
// `across`: one unit of four neighbouring rows, elements contiguous across rows; `stride` leads to the next k.
struct F32 {
  using Element = std::uint32_t;
  static constexpr int kPerUnit = 1;
  static Units along_k(const Element* p) { return load<Units>(p); }
  static Units across(const Element* p, std::int64_t) { return load<Units>(p); }
};

struct Bf16Pairs {
  using Element = std::uint16_t;
  static constexpr int kPerUnit = 2;
  static Units along_k(const Element* p) { return load<Units>(p); }
  static Units across(const Element* p, std::int64_t stride) {
    return widen(load<Halves>(p)) | widen(load<Halves>(p + stride)) << 16;
  }
};

struct Bf16Widened {
  using Element = std::uint16_t;
  static constexpr int kPerUnit = 1;
  static Units along_k(const Element* p) { return widen(load<Halves>(p)) << 16; }
  static Units across(const Element* p, std::int64_t) { return widen(load<Halves>(p)) << 16; }
};

/// Four units of one row of which the source holds `left` elements; the rest is zero.
template <class F>
inline Units along_k(const typename F::Element* p, std::int64_t left) {
  constexpr std::int64_t kWhole = kUnitsPerPiece * F::kPerUnit;
  if (left >= kWhole) return F::along_k(p);
  typename F::Element padded[kWhole] = {};
  if (left > 0) std::memcpy(padded, p, static_cast<std::size_t>(left) * sizeof *p);
  return F::along_k(padded);
}

/// One unit of four rows of which the source holds `rows` rows and `left` elements along k; the rest is zero.
template <class F>
Units across_edge(const typename F::Element* p, std::int64_t stride, std::int64_t rows, std::int64_t left) {
  typename F::Element padded[F::kPerUnit][4] = {};
  for (std::int64_t e = 0; e < std::min<std::int64_t>(F::kPerUnit, left); ++e)
    for (std::int64_t r = 0; r < std::min<std::int64_t>(4, rows); ++r) padded[e][r] = p[e * stride + r];
  return F::across(padded[0], 4);
}

template <class F>
inline Units across(const typename F::Element* p, std::int64_t stride, std::int64_t rows, std::int64_t left) {
  return rows >= 4 && left >= F::kPerUnit ? F::across(p, stride) : across_edge<F>(p, stride, rows, left);
}

/// Where in a panel, and how much of it, one step of packing works on.
struct Chunk {
  std::int64_t first, width;            // row of a, or column of b
  std::int64_t first_piece, end_piece;  // along k
};

/// Panels of a: piece g of row r goes to packed[(g * rows + r) * 4].
template <class F>
struct PanelA {
  using Element = typename F::Element;
  static constexpr std::int64_t kPerPiece = kUnitsPerPiece * F::kPerUnit;

  static std::int64_t stored_width(std::int64_t, std::int64_t width) { return width; }

  static void along_k(const PackSource& s, const Chunk& c, std::uint32_t* packed) {
    for (std::int64_t r = 0; r < c.width; ++r) {
      const Element* row = static_cast<const Element*>(s.data) + (c.first + r) * s.stride;
      for (std::int64_t g = c.first_piece; g < c.end_piece; ++g)
        store(cpu::along_k<F>(row + g * kPerPiece, s.k - g * kPerPiece), packed + (g * c.width + r) * kUnitsPerPiece);
    }
  }

  static void across(const PackSource& s, const Chunk& c, std::uint32_t* packed) {
    for (std::int64_t g = c.first_piece; g < c.end_piece; ++g)
      for (std::int64_t r = 0; r < c.width; r += 4) {
        Units x[4];
        for (int u = 0; u < kUnitsPerPiece; ++u) {
          const std::int64_t k = g * kPerPiece + u * F::kPerUnit, row = c.first + r;
          // Rows of the next panel are read where there are any: cheaper than stopping at this panel's end.
          x[u] = cpu::across<F>(static_cast<const Element*>(s.data) + k * s.stride + row, s.stride, s.count - row,
                                s.k - k);
        }
        transpose(x);
        for (std::int64_t i = 0; i < std::min<std::int64_t>(4, c.width - r); ++i)
          store(x[i], packed + (g * c.width + r + i) * kUnitsPerPiece);
      }
  }
};

/// Panels of b: unit u of column c goes to packed[u * columns + c].
template <class F>
struct PanelB {
  using Element = typename F::Element;
  static constexpr std::int64_t kPerPiece = kUnitsPerPiece * F::kPerUnit;

  static std::int64_t stored_width(std::int64_t panel, std::int64_t) { return panel; }

  static void along_k(const PackSource& s, const Chunk& c, std::uint32_t* packed) {
    for (std::int64_t column = 0; column < c.width; column += 4)
      for (std::int64_t g = c.first_piece; g < c.end_piece; ++g) {
        Units x[4];
        for (std::int64_t i = 0; i < 4; ++i) {
          const std::int64_t row = c.first + column + i;
          const std::int64_t left = row < s.count ? s.k - g * kPerPiece : 0;
          x[i] = cpu::along_k<F>(static_cast<const Element*>(s.data) + row * s.stride + g * kPerPiece, left);
        }
        transpose(x);
        for (int u = 0; u < kUnitsPerPiece; ++u) store(x[u], packed + (g * kUnitsPerPiece + u) * c.width + column);
      }
  }

  static void across(const PackSource& s, const Chunk& c, std::uint32_t* packed) {
    for (std::int64_t u = c.first_piece * kUnitsPerPiece; u < c.end_piece * kUnitsPerPiece; ++u) {
      const std::int64_t k = u * F::kPerUnit;
      const Element* row = static_cast<const Element*>(s.data) + k * s.stride + c.first;
      if (c.first + c.width <= s.count && k + F::kPerUnit <= s.k)
        for (std::int64_t column = 0; column < c.width; column += 4)
          store(F::across(row + column, s.stride), packed + u * c.width + column);
      else
        for (std::int64_t column = 0; column < c.width; column += 4)
          store(across_edge<F>(row + column, s.stride, s.count - c.first - column, s.k - k),
                packed + u * c.width + column);
    }
  }
};

/// Walks the source along the direction it is stored in: panel by panel where k is contiguous, else a few rows of k
/// through all panels, since each row is a page of its own in a large matrix.
template <template <class> class Panel, class F>
void pack_panels(const PackSource& s, int width, std::uint32_t* packed) {
  const std::int64_t per_piece = kUnitsPerPiece * F::kPerUnit;
  const std::int64_t pieces = (s.k + per_piece - 1) / per_piece;
  const auto chunk = [&](std::int64_t first, std::int64_t piece) {
    const std::int64_t present = std::min<std::int64_t>(width, s.count - first);
    return Chunk{first, Panel<F>::stored_width(width, present), piece, std::min(pieces, piece + kPiecesPerLine)};
  };
  if (s.k_major) {
    for (std::int64_t first = 0; first < s.count; first += width)
      for (std::int64_t piece = 0; piece < pieces; piece += kPiecesPerLine)
        Panel<F>::along_k(s, chunk(first, piece), packed + first * pieces * kUnitsPerPiece);
    return;
  }
  for (std::int64_t piece = 0; piece < pieces; piece += kPiecesPerLine)
    for (std::int64_t first = 0; first < s.count; first += width)
      Panel<F>::across(s, chunk(first, piece), packed + first * pieces * kUnitsPerPiece);
}

template <template <class> class Panel>
void pack(PackFormat format, const PackSource& source, int width, std::uint32_t* packed) {
  switch (format) {
    case PackFormat::f32:
      return pack_panels<Panel, F32>(source, width, packed);
    case PackFormat::bf16_pairs:
      return pack_panels<Panel, Bf16Pairs>(source, width, packed);
    case PackFormat::bf16_widened:
      return pack_panels<Panel, Bf16Widened>(source, width, packed);
  }
}

}  // namespace

PackedTiles best_tiles(DType dtype) {
  if (dtype == DType::f32) return {&f32_tiles(), PackFormat::f32};
  if (const TileSet* tiles = bf16_tiles()) return {tiles, PackFormat::bf16_pairs};
  return {&f32_tiles(), PackFormat::bf16_widened};
}

void pack_a(PackFormat format, const PackSource& source, int rows, std::uint32_t* packed) {
  pack<PanelA>(format, source, rows, packed);
}

void pack_b(PackFormat format, const PackSource& source, int columns, std::uint32_t* packed) {
  pack<PanelB>(format, source, columns, packed);
}

}  // namespace assay::cpu
