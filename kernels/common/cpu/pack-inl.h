// Packing, for any length of vector.  No include guard and no namespace: this text is included once for every
// instruction set, inside that instruction set's namespace and target attributes (see pack.cpp).

/// Units in a vector: four at least (the compiler makes do where there are no vectors), sixteen at most: a cache line.
constexpr int kLanes = static_cast<int>(std::clamp<std::size_t>(
    hwy::HWY_NAMESPACE::MaxLanes(hwy::HWY_NAMESPACE::CappedTag<std::uint32_t, 16>()), kUnitsPerPiece, 16));
constexpr int kPieces = kLanes / kUnitsPerPiece;  // in a vector

typedef std::uint32_t Units __attribute__((vector_size(4 * kLanes)));
typedef std::uint16_t Halves __attribute__((vector_size(2 * kLanes)));

/// A vector anywhere in memory.  Not by memcpy: GCC would copy a vector of 64 bytes by halves, through the stack.
template <class Vector>
struct InMemory {
  typedef Vector Type __attribute__((aligned(2), may_alias));
};

template <class Vector>
HWY_INLINE Vector load(const void* from) {
  return *static_cast<const typename InMemory<Vector>::Type*>(from);
}

HWY_INLINE void store(Units value, std::uint32_t* to) {
  *reinterpret_cast<typename InMemory<Units>::Type*>(to) = value;
}

/// The first `pieces` of a vector.
HWY_INLINE void store_pieces(Units value, std::int64_t pieces, std::uint32_t* to) {
  if (pieces >= kPieces) return store(value, to);
#pragma GCC unroll 4
  for (int i = 0; i < kPieces; ++i)
    if (i < pieces)
      std::memcpy(to + i * kUnitsPerPiece, reinterpret_cast<const std::uint32_t*>(&value) + i * kUnitsPerPiece,
                  kUnitsPerPiece * sizeof *to);
}

template <int... kLane>
HWY_INLINE Units interleave(Halves low, Halves high, std::integer_sequence<int, kLane...>) {
  return (Units)__builtin_shufflevector(low, high, (kLane / 2 + (kLane & 1 ? kLanes : 0))...);
}

/// Units of a low and a high half each.
HWY_INLINE Units interleave(Halves low, Halves high) {
  return interleave(low, high, std::make_integer_sequence<int, 2 * kLanes>());
}

template <int kDistance, int... kLane>
HWY_INLINE void exchange(Units& x, Units& y, std::integer_sequence<int, kLane...>) {
  const Units low = __builtin_shufflevector(x, y, (kLane & kDistance ? kLanes + kLane - kDistance : kLane)...);
  y = __builtin_shufflevector(x, y, (kLane & kDistance ? kLanes + kLane : kLane + kDistance)...);
  x = low;
}

/// One step of a transposition: among vectors `kDistance` apart, the lanes `kDistance` apart change places.
template <int kDistance, int kBetween, int kCount>
HWY_INLINE void exchange_all(Units (&x)[kCount]) {
#pragma GCC unroll 16
  for (int i = 0; i < kCount; ++i)
    if ((i & kBetween) == 0) exchange<kDistance>(x[i], x[i + kBetween], std::make_integer_sequence<int, kLanes>());
}

/// Piece by piece: kSpan units of x, then of y, in turn, beginning with unit kFirst of the piece.
template <int kSpan, int kFirst, int... kLane>
HWY_INLINE Units unpack(Units x, Units y, std::integer_sequence<int, kLane...>) {
  return __builtin_shufflevector(x, y,
                                 (kLane / 4 * 4 + kFirst + kLane % 4 / (2 * kSpan) * kSpan + kLane % kSpan +
                                  (kLane % 4 / kSpan % 2 ? kLanes : 0))...);
}
template <int kSpan, int kFirst>
HWY_INLINE Units unpack(Units x, Units y) {
  return unpack<kSpan, kFirst>(x, y, std::make_integer_sequence<int, kLanes>());
}

/// Four by four vectors: in each piece, rows to columns.
template <int kCount>
HWY_INLINE void transpose_units(Units (&x)[kCount]) {
#pragma GCC unroll 4
  for (int i = 0; i < kCount; i += 4) {
    const Units a = unpack<1, 0>(x[i], x[i + 1]), b = unpack<1, 2>(x[i], x[i + 1]);
    const Units c = unpack<1, 0>(x[i + 2], x[i + 3]), d = unpack<1, 2>(x[i + 2], x[i + 3]);
    x[i] = unpack<2, 0>(a, c);
    x[i + 1] = unpack<2, 2>(a, c);
    x[i + 2] = unpack<2, 0>(b, d);
    x[i + 3] = unpack<2, 2>(b, d);
  }
}

/// Vectors of kPieces pieces each: piece j of vector i becomes piece i of vector j, in every group of kPieces vectors
/// `kStep` apart.
template <int kStep, int kCount>
HWY_INLINE void transpose_pieces(Units (&x)[kCount]) {
  if constexpr (kPieces >= 2) exchange_all<4, kStep>(x);
  if constexpr (kPieces >= 4) exchange_all<8, 2 * kStep>(x);
}

// A format says how elements become units.  `along_k`: the units of one row, elements contiguous along k.
// `across`: one unit of neighbouring rows, elements contiguous across rows; `stride` leads to the next k.
struct F32 {
  using Element = std::uint32_t;
  static constexpr int kPerUnit = 1;
  static HWY_INLINE Units along_k(const Element* p) { return load<Units>(p); }
  static HWY_INLINE Units across(const Element* p, std::int64_t) { return load<Units>(p); }
};

struct Bf16Pairs {
  using Element = std::uint16_t;
  static constexpr int kPerUnit = 2;
  static HWY_INLINE Units along_k(const Element* p) { return load<Units>(p); }
  static HWY_INLINE Units across(const Element* p, std::int64_t stride) {
    return interleave(load<Halves>(p), load<Halves>(p + stride));
  }
};

struct Bf16Widened {
  using Element = std::uint16_t;
  static constexpr int kPerUnit = 1;
  static HWY_INLINE Units along_k(const Element* p) { return interleave(Halves{}, load<Halves>(p)); }
  static HWY_INLINE Units across(const Element* p, std::int64_t) { return interleave(Halves{}, load<Halves>(p)); }
};

/// Walks kRows rows of the source from `row` on along k, kDepth elements at a time: visit(first, stride, k).  Steps
/// that stick out of the matrix visit a copy of what is inside, with zeros around it.
template <class F, int kRows, int kDepth, class Visit>
HWY_INLINE void walk_k(const PackSource& s, std::int64_t row, Visit visit) {
  using Element = typename F::Element;
  const std::int64_t rows = std::min<std::int64_t>(kRows, std::max(s.count, s.readable) - row);
  const std::int64_t row_step = s.k_major ? s.stride : 1, k_step = s.k_major ? 1 : s.stride;
  const Element* data = static_cast<const Element*>(s.data) + row * row_step;
  std::int64_t k = 0;
  if (rows == kRows)
    for (; k + kDepth <= s.k; k += kDepth) visit(data + k * k_step, s.stride, k);
  for (; k < s.k; k += kDepth) {
    Element copy[kRows * kDepth] = {};
    const std::int64_t depth = std::min<std::int64_t>(kDepth, s.k - k), stride = s.k_major ? kDepth : kRows;
    const std::int64_t lines = s.k_major ? rows : depth, length = s.k_major ? depth : rows;
    for (std::int64_t i = 0; i < lines && length > 0; ++i)
      std::memcpy(copy + i * stride, data + k * k_step + i * s.stride,
                  static_cast<std::size_t>(length) * sizeof(Element));
    visit(copy, stride, k);
  }
}

/// Panels of a: piece g of row r goes to packed[(g * rows + r) * 4].
template <class F>
struct PanelA {
  using Element = typename F::Element;
  static constexpr int kPerPiece = kUnitsPerPiece * F::kPerUnit;

  static std::int64_t stored_width(std::int64_t, std::int64_t width) { return width; }

  /// kPieces rows at a time, a vector of each.
  static void along_k(const PackSource& s, std::int64_t first, std::int64_t width, std::int64_t pieces,
                      std::uint32_t* packed) {
    for (std::int64_t r = 0; r < width; r += kPieces)
      walk_k<F, kPieces, kPieces * kPerPiece>(s, first + r, [&](const Element* from, std::int64_t stride, auto k) {
        Units x[kPieces];
        for (int i = 0; i < kPieces; ++i) x[i] = F::along_k(from + i * stride);
        transpose_pieces<1>(x);
        const std::int64_t g = k / kPerPiece;
        std::uint32_t* to = packed + (g * width + r) * kUnitsPerPiece;
        for (int i = 0; i < kPieces && g + i < pieces; ++i, to += width * kUnitsPerPiece)
          store_pieces(x[i], width - r, to);
      });
  }

  /// One piece of kLanes rows at a time.
  static void across(const PackSource& s, std::int64_t first, std::int64_t width, std::int64_t, std::uint32_t* packed) {
    // Rows of the next panel are read where there are any: cheaper than stopping at this panel's end.
    for (std::int64_t r = 0; r < width; r += kLanes)
      walk_k<F, kLanes, kPerPiece>(s, first + r, [&](const Element* from, std::int64_t stride, auto k) {
        Units x[kUnitsPerPiece];
        for (int u = 0; u < kUnitsPerPiece; ++u) x[u] = F::across(from + u * F::kPerUnit * stride, stride);
        transpose_units(x);
        transpose_pieces<1>(x);  // now each vector holds kPieces rows
        for (int i = 0; i < kUnitsPerPiece; ++i) {
          const std::int64_t row = r + i % kPieces * kUnitsPerPiece + i / kPieces * kPieces;
          store_pieces(x[i], width - row, packed + (k / kPerPiece * width + row) * kUnitsPerPiece);
        }
      });
  }
};

/// Panels of b: unit u of column c goes to packed[u * columns + c].
template <class F>
struct PanelB {
  using Element = typename F::Element;
  static constexpr int kPerPiece = kUnitsPerPiece * F::kPerUnit;

  static std::int64_t stored_width(std::int64_t panel, std::int64_t) { return panel; }

  /// A square of kLanes columns, kLanes units deep, at a time.
  static void along_k(const PackSource& s, std::int64_t first, std::int64_t width, std::int64_t pieces,
                      std::uint32_t* packed) {
    for (std::int64_t column = 0; column < width; column += kLanes)
      walk_k<F, kLanes, kLanes * F::kPerUnit>(s, first + column, [&](const Element* from, std::int64_t stride, auto k) {
        Units x[kLanes];
        for (int i = 0; i < kLanes; ++i) x[i] = F::along_k(from + i * stride);
        transpose_units(x);
        transpose_pieces<4>(x);
        const std::int64_t u = k / F::kPerUnit, present = std::min<std::int64_t>(kLanes, pieces * kUnitsPerPiece - u);
        std::uint32_t* to = packed + u * width + column;
        for (int i = 0; i < kLanes && i < present; ++i) store(x[i], to + i * width);
      });
  }

  static void across(const PackSource& s, std::int64_t first, std::int64_t width, std::int64_t, std::uint32_t* packed) {
    // Whole rows of the panel where they take two vectors, as most do: each is a cache line, or two.
    if (width == 2 * kLanes) return copy_rows<2 * kLanes>(s, first, width, packed);
    for (std::int64_t column = 0; column < width; column += kLanes)
      copy_rows<kLanes>(s, first + column, width, packed + column);
  }

  template <int kColumns>
  static void copy_rows(const PackSource& s, std::int64_t first, std::int64_t width, std::uint32_t* packed) {
    walk_k<F, kColumns, kPerPiece>(s, first, [&](const Element* from, std::int64_t stride, auto k) {
      std::uint32_t* to = packed + k / F::kPerUnit * width;
      for (int u = 0; u < kUnitsPerPiece; ++u, from += F::kPerUnit * stride, to += width)
        for (int column = 0; column < kColumns; column += kLanes) store(F::across(from + column, stride), to + column);
    });
  }
};

template <template <class> class Panel, class F>
void pack_panels(const PackSource& s, int panel_width, const PackedPanels& to) {
  constexpr std::int64_t kPerPiece = kUnitsPerPiece * F::kPerUnit;
  const std::int64_t pieces = (s.k + kPerPiece - 1) / kPerPiece;
  const std::int64_t units = to.units > 0 ? to.units : pieces * kUnitsPerPiece;
  for (std::int64_t first = 0; first < s.count; first += panel_width) {
    const auto width = Panel<F>::stored_width(panel_width, std::min<std::int64_t>(panel_width, s.count - first));
    std::uint32_t* panel = to.data + first * units + to.first_unit * width;
    s.k_major ? Panel<F>::along_k(s, first, width, pieces, panel) : Panel<F>::across(s, first, width, pieces, panel);
  }
}

template <template <class> class Panel>
void pack(PackFormat format, const PackSource& source, int width, const PackedPanels& to) {
  switch (format) {
    case PackFormat::f32:
      return pack_panels<Panel, F32>(source, width, to);
    case PackFormat::bf16_pairs:
      return pack_panels<Panel, Bf16Pairs>(source, width, to);
    case PackFormat::bf16_widened:
      return pack_panels<Panel, Bf16Widened>(source, width, to);
    case PackFormat::bf16_amx:
      return;  // pack_amx-inl.h
  }
}
