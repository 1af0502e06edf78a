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
Units along_k(const typename F::Element* p, std::int64_t left) {
  constexpr std::int64_t kWhole = kUnitsPerPiece * F::kPerUnit;
  if (left >= kWhole) return F::along_k(p);
  typename F::Element padded[kWhole] = {};
  if (left > 0) std::memcpy(padded, p, static_cast<std::size_t>(left) * sizeof *p);
  return F::along_k(padded);
}

/// One unit of four rows of which the source holds `rows` rows and `left` elements along k; the rest is zero.
template <class F>
Units across(const typename F::Element* p, std::int64_t stride, std::int64_t rows, std::int64_t left) {
  if (rows >= 4 && left >= F::kPerUnit) return F::across(p, stride);
  typename F::Element padded[F::kPerUnit][4] = {};
  for (std::int64_t e = 0; e < std::min<std::int64_t>(F::kPerUnit, left); ++e)
    for (std::int64_t r = 0; r < std::min<std::int64_t>(4, rows); ++r) padded[e][r] = p[e * stride + r];
  return F::across(padded[0], 4);
}

/// A panel of a: piece g of row r goes to packed[(g * rows + r) * 4].
template <class F>
void pack_a_panel(const PackSource& s, std::int64_t first, std::int64_t rows, std::int64_t pieces, std::uint32_t* packed) {
  using Element = typename F::Element;
  constexpr std::int64_t kPerPiece = kUnitsPerPiece * F::kPerUnit;
  const auto* data = static_cast<const Element*>(s.data);
  if (s.k_major) {
    for (std::int64_t line = 0; line < pieces; line += kPiecesPerLine)
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t g = line; g < std::min(pieces, line + kPiecesPerLine); ++g)
          store(along_k<F>(data + (first + r) * s.stride + g * kPerPiece, s.k - g * kPerPiece),
                packed + (g * rows + r) * kUnitsPerPiece);
    return;
  }
  for (std::int64_t g = 0; g < pieces; ++g)
    for (std::int64_t r = 0; r < rows; r += 4) {
      Units x[4];
      for (int u = 0; u < 4; ++u) {
        const std::int64_t k = g * kPerPiece + u * F::kPerUnit;
        x[u] = across<F>(data + k * s.stride + first + r, s.stride, rows - r, s.k - k);
      }
      transpose(x);
      for (std::int64_t i = 0; i < std::min<std::int64_t>(4, rows - r); ++i)
        store(x[i], packed + (g * rows + r + i) * kUnitsPerPiece);
    }
}

/// A panel of b: unit u of column c goes to packed[u * columns + c].
template <class F>
void pack_b_panel(const PackSource& s, std::int64_t first, std::int64_t columns, std::int64_t pieces,
                  std::uint32_t* packed) {
  using Element = typename F::Element;
  constexpr std::int64_t kPerPiece = kUnitsPerPiece * F::kPerUnit;
  const auto* data = static_cast<const Element*>(s.data);
  if (!s.k_major) {
    for (std::int64_t u = 0; u < pieces * kUnitsPerPiece; ++u)
      for (std::int64_t c = 0; c < columns; c += 4) {
        const std::int64_t k = u * F::kPerUnit;
        store(across<F>(data + k * s.stride + first + c, s.stride, s.count - first - c, s.k - k), packed + u * columns + c);
      }
    return;
  }
  for (std::int64_t line = 0; line < pieces; line += kPiecesPerLine)
    for (std::int64_t c = 0; c < columns; c += 4)
      for (std::int64_t g = line; g < std::min(pieces, line + kPiecesPerLine); ++g) {
        Units x[4];
        for (int i = 0; i < 4; ++i) {
          const std::int64_t left = first + c + i < s.count ? s.k - g * kPerPiece : 0;
          x[i] = along_k<F>(data + (first + c + i) * s.stride + g * kPerPiece, left);
        }
        transpose(x);
        for (int u = 0; u < 4; ++u) store(x[u], packed + (g * kUnitsPerPiece + u) * columns + c);
      }
}

template <class F>
void pack_a_panels(const PackSource& s, int rows, std::uint32_t* packed) {
  const std::int64_t pieces = (s.k + kUnitsPerPiece * F::kPerUnit - 1) / (kUnitsPerPiece * F::kPerUnit);
  for (std::int64_t first = 0; first < s.count; first += rows)
    pack_a_panel<F>(s, first, std::min<std::int64_t>(rows, s.count - first), pieces,
                    packed + first * pieces * kUnitsPerPiece);
}

template <class F>
void pack_b_panels(const PackSource& s, int columns, std::uint32_t* packed) {
  const std::int64_t pieces = (s.k + kUnitsPerPiece * F::kPerUnit - 1) / (kUnitsPerPiece * F::kPerUnit);
  for (std::int64_t first = 0; first < s.count; first += columns)
    pack_b_panel<F>(s, first, columns, pieces, packed + first * pieces * kUnitsPerPiece);
}

}  // namespace

PackedTiles best_tiles(DType dtype) {
  if (dtype == DType::f32) return {&f32_tiles(), PackFormat::f32};
  if (const TileSet* tiles = bf16_tiles()) return {tiles, PackFormat::bf16_pairs};
  return {&f32_tiles(), PackFormat::bf16_widened};
}

void pack_a(PackFormat format, const PackSource& source, int rows, std::uint32_t* packed) {
  switch (format) {
    case PackFormat::f32:
      return pack_a_panels<F32>(source, rows, packed);
    case PackFormat::bf16_pairs:
      return pack_a_panels<Bf16Pairs>(source, rows, packed);
    case PackFormat::bf16_widened:
      return pack_a_panels<Bf16Widened>(source, rows, packed);
  }
}

void pack_b(PackFormat format, const PackSource& source, int columns, std::uint32_t* packed) {
  switch (format) {
    case PackFormat::f32:
      return pack_b_panels<F32>(source, columns, packed);
    case PackFormat::bf16_pairs:
      return pack_b_panels<Bf16Pairs>(source, columns, packed);
    case PackFormat::bf16_widened:
      return pack_b_panels<Bf16Widened>(source, columns, packed);
  }
}

}  // namespace assay::cpu
