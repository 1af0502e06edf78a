// Packing for AMX (see tile.h).  Like pack-inl.h, and after it, included once for every instruction set.

/// a: row r of piece g, 16 units, goes to packed[(g * rows + r) * 16].  `rows` is a multiple of 16: of kLanes too.
struct AmxPanelA {
  using Element = Bf16Pairs::Element;
  static constexpr std::int64_t kPerPiece = kAmxUnitsPerPiece * Bf16Pairs::kPerUnit;

  /// A piece is 64 bytes as they lie.
  static void along_k(const PackSource& s, std::int64_t first, std::int64_t rows, std::uint32_t* packed) {
    const std::int64_t present = std::min(rows, std::max(s.count, s.readable) - first);
    for (std::int64_t r = 0; r < rows; ++r) {
      std::uint32_t* to = packed + r * kAmxUnitsPerPiece;
      std::int64_t k = 0;
      if (r < present) {
        const Element* from = static_cast<const Element*>(s.data) + (first + r) * s.stride;
        for (; k + kPerPiece <= s.k; k += kPerPiece, to += rows * kAmxUnitsPerPiece)
          std::memcpy(to, from + k, kPerPiece * sizeof(Element));
        if (k == s.k) continue;
        Element last[kPerPiece] = {};
        std::memcpy(last, from + k, static_cast<std::size_t>(s.k - k) * sizeof(Element));
        std::memcpy(to, last, sizeof last);
      } else {
        for (; k < s.k; k += kPerPiece, to += rows * kAmxUnitsPerPiece) std::fill_n(to, kAmxUnitsPerPiece, 0U);
      }
    }
  }

  /// A square of kLanes rows, kLanes units deep, at a time.
  static void across(const PackSource& s, std::int64_t first, std::int64_t rows, std::uint32_t* packed) {
    // A piece takes several squares where vectors are short; the last one's may end before it does.
    if (s.k % kPerPiece != 0)
      std::fill_n(packed + s.k / kPerPiece * rows * kAmxUnitsPerPiece, rows * kAmxUnitsPerPiece, 0U);
    for (std::int64_t r = 0; r < rows; r += kLanes)
      walk_k<Bf16Pairs, kLanes, kLanes * Bf16Pairs::kPerUnit>(
          s, first + r, [&](const Element* from, std::int64_t stride, auto k) {
            Units x[kLanes];
            for (int u = 0; u < kLanes; ++u) x[u] = Bf16Pairs::across(from + u * Bf16Pairs::kPerUnit * stride, stride);
            transpose_units(x);
            transpose_pieces<4>(x);  // now each vector is of one row
            std::uint32_t* to =
                packed + (k / kPerPiece * rows + r) * kAmxUnitsPerPiece + k % kPerPiece / Bf16Pairs::kPerUnit;
            for (int i = 0; i < kLanes; ++i) store(x[i], to + i * kAmxUnitsPerPiece);
          });
  }
};

inline void pack_amx_a(const PackSource& s, int rows, const PackedPanels& to) {
  const std::int64_t units = to.units > 0 ? to.units : packed_units(PackFormat::bf16_amx, s.k);
  for (std::int64_t first = 0; first < s.count; first += rows) {
    std::uint32_t* panel = to.data + first * units + to.first_unit * rows;
    s.k_major ? AmxPanelA::along_k(s, first, rows, panel) : AmxPanelA::across(s, first, rows, panel);
  }
}

/// b: as for other bf16 pairs, then zeros to the end of the piece.
inline void pack_amx_b(const PackSource& s, int columns, const PackedPanels& to) {
  const std::int64_t whole = packed_units(PackFormat::bf16_amx, s.k), units = to.units > 0 ? to.units : whole;
  const std::int64_t filled = packed_units(PackFormat::bf16_pairs, s.k);
  for (std::int64_t first = 0; first < s.count; first += columns)
    std::fill_n(to.data + first * units + (to.first_unit + filled) * columns, (whole - filled) * columns, 0U);
  pack<PanelB>(PackFormat::bf16_pairs, s, columns, PackedPanels(to.data, units, to.first_unit));
}
