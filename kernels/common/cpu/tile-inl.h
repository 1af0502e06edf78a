// The micro-kernel's loop, for any vector type.  No include guard and no namespace: this text is included once for
// every instruction set, inside that instruction set's namespace and target attributes, after tile.h and <utility>.
//
// `S` names the vectors: Vec (fp32 sums), kLanes, kVectors (in a row of c), load(units), broadcast(unit) and
// multiply_add(a, b, sum), which for bf16 pairs adds both products; and on fp32: zero, splat, add, fused_multiply_add,
// load_c, store_c.

/// One tile of kRows x (S::kVectors * S::kLanes).  Registers: the sums, one row of b, and one broadcast of a.
template <class S, int kRows, bool kStrided>
void tile(const TileTask& task) {
  constexpr int kRowStride = kStrided ? kStridedRowUnits : kUnitsPerPiece;
  constexpr int kPieceStride = kStrided ? kUnitsPerPiece : kUnitsPerPiece * kRows;
  // c is fetched while the last 64 units are multiplied, so that its cache misses overlap with work.
  constexpr std::int64_t kPrefetchPieces = 64 / kUnitsPerPiece;

  constexpr int kVectors = S::kVectors;
  constexpr int kColumns = kVectors * S::kLanes;

  typename S::Vec sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) sum[r][v] = S::zero();

  const std::uint32_t* a = task.a;
  const std::uint32_t* b = task.b;
  const std::int64_t pieces = task.units / kUnitsPerPiece;
  const std::int64_t before_prefetch = pieces > kPrefetchPieces ? pieces - kPrefetchPieces : 0;
  for (int part = 0; part < 2; ++part) {
    const std::int64_t count = part == 0 ? before_prefetch : pieces - before_prefetch;
    if (part == 1)
      for (int r = 0; r < kRows; ++r)
        for (int v = 0; v < kVectors; ++v) __builtin_prefetch(task.c + r * task.c_stride + v * S::kLanes, 1);
    for (std::int64_t piece = 0; piece < count; ++piece) {
#pragma GCC unroll 4
      for (int u = 0; u < kUnitsPerPiece; ++u) {
        typename S::Operand b_row[kVectors];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) b_row[v] = S::load(b + u * kColumns + v * S::kLanes);
#pragma GCC unroll 16
        for (int r = 0; r < kRows; ++r) {
          const auto a_r = S::broadcast(a + r * kRowStride + u);
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) sum[r][v] = S::multiply_add(a_r, b_row[v], sum[r][v]);
        }
      }
      a += kPieceStride;
      b += kUnitsPerPiece * kColumns;
    }
  }

#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      float* c = task.c + r * task.c_stride + v * S::kLanes;
      if (task.row_scale != nullptr)
        sum[r][v] = S::fused_multiply_add(S::splat(task.row_scale[r]), S::load_c(c), sum[r][v]);
      else if (task.accumulate)
        sum[r][v] = S::add(sum[r][v], S::load_c(c));
      S::store_c(c, sum[r][v]);
    }
  }
}

template <class S, int... kRowsMinusOne>
constexpr TileSet tile_set(const char* name, int elements_per_unit, std::integer_sequence<int, kRowsMinusOne...>) {
  return {name,
          static_cast<int>(sizeof...(kRowsMinusOne)),
          S::kVectors * S::kLanes,
          elements_per_unit,
          {tile<S, kRowsMinusOne + 1, false>...},
          {tile<S, kRowsMinusOne + 1, true>...}};
}
