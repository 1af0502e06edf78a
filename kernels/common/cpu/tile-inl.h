// The micro-kernel's loop, for any vector type.  No include guard and no namespace: this text is included once for
// every instruction set, inside that instruction set's namespace and target attributes, after tile.h and <utility>.
//
// `S` names the vectors: Vec (fp32 sums), kLanes, kVectors (in a row of c), load(units), broadcast(unit) and
// multiply_add(a, b, sum), which for bf16 pairs adds both products; and on fp32: zero, splat, add, fused_multiply_add,
// load_c, store_c, store_bf16.

/// Not inlined: the registers it wants would be taken from the loop that multiplies.
template <class S>
HWY_NOINLINE void round_rows(const float* sums, int rows, const TileTask& task) {
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < S::kVectors; ++v, sums += S::kLanes)
      S::store_bf16(task.bf16 + r * task.bf16_stride + v * S::kLanes, S::load_c(sums));
}

/// One tile of kRows x (S::kVectors * S::kLanes).  Registers: the sums, one row of b, and one broadcast of a.
template <class S, int kRows, bool kStrided>
void tile(const TileTask& task) {
  constexpr int kRowStride = kStrided ? kStridedRowUnits : kUnitsPerPiece;
  constexpr int kPieceStride = kStrided ? kUnitsPerPiece : kUnitsPerPiece * kRows;
  constexpr int kVectors = S::kVectors;
  constexpr int kColumns = kVectors * S::kLanes;

  typename S::Vec sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) sum[r][v] = S::zero();

  const std::uint32_t* a = task.a;
  const std::uint32_t* b = task.b;
  // b is fetched a little ahead of its use: the hardware does so too late, which cost 2 % of peak.
  constexpr int kUnitsAhead = 6;
  static constexpr PrefetchStep kNothing;
  const bool prefetches = task.prefetch != nullptr;
  const PrefetchStep* step = prefetches ? task.prefetch : &kNothing;
  const std::int64_t next_step = prefetches ? 1 : 0;
  const char* from[PrefetchStep::kLines];
  for (int i = 0; i < PrefetchStep::kLines; ++i)
    from[i] = prefetches ? task.prefetch_from[i] : reinterpret_cast<const char*>(&task);
  for (std::int64_t piece = task.units / kUnitsPerPiece; piece > 0; --piece) {
    for (int i = 0; i < PrefetchStep::kLines; ++i) __builtin_prefetch(from[i] + step->offsets[i]);
    step += next_step;
#pragma GCC unroll 4
    for (int u = 0; u < kUnitsPerPiece; ++u) {
      typename S::Operand b_row[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        b_row[v] = S::load(b + u * kColumns + v * S::kLanes);
        __builtin_prefetch(b + (u + kUnitsAhead) * kColumns + v * S::kLanes);
      }
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

  if (task.row_scale != nullptr) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v)
        sum[r][v] = S::fused_multiply_add(S::splat(task.row_scale[r]),
                                          S::load_c(task.c + r * task.c_stride + v * S::kLanes), sum[r][v]);
  } else if (task.accumulate) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v)
        sum[r][v] = S::add(sum[r][v], S::load_c(task.c + r * task.c_stride + v * S::kLanes));
  }
  alignas(64) float before_rounding[kRows * kColumns];
  float* out = task.bf16 != nullptr ? before_rounding : task.c;
  const std::int64_t out_stride = task.bf16 != nullptr ? kColumns : task.c_stride;
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) S::store_c(out + r * out_stride + v * S::kLanes, sum[r][v]);
  if (task.bf16 != nullptr) round_rows<S>(before_rounding, kRows, task);
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
