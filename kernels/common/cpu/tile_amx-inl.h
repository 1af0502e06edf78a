// The micro-kernel for tile registers, for any tile unit.  No include guard and no namespace: this text is included
// inside the namespace and target attributes of the unit's instructions, after tile.h, tile_amx.h, <hwy/base.h> and
// <utility>.
//
//   c [32, 32] (+)= a [32, units] * b [units, 32]      registers: 0 1   sums     6 7   b, 16 units of 32 columns
//                                                                 2 3          4       a, 16 units of 16 rows
//                                                                              5
// Each of a step's four loads feeds two of its four products, each of 16 x 16 x 32 bf16.  Up to 16 rows take the upper
// half alone.
//
// `T` names the instructions: configure, release; load<register>(rows, bytes between them), store, zero<register>,
// dot<sums, a, b>; and for the epilogue vectors of fp32: Vec, kLanes, load_c, store_c, store_bf16, splat, add,
// fused_multiply_add.

inline constexpr int kAmxTile = 2 * kAmxRegisterRows;  // rows and columns of c

template <class T, int kRowRegisters>
void amx_zero_sums() {
  T::template zero<0>();
  T::template zero<1>();
  if constexpr (kRowRegisters == 2) {
    T::template zero<2>();
    T::template zero<3>();
  }
}

template <class T, int kRowRegisters>
void amx_load_sums(const float* c, std::int64_t stride) {
  const auto bytes = stride * static_cast<std::int64_t>(sizeof *c);
  T::template load<0>(c, bytes);
  T::template load<1>(c + kAmxRegisterRows, bytes);
  if constexpr (kRowRegisters == 2) {
    T::template load<2>(c + kAmxRegisterRows * stride, bytes);
    T::template load<3>(c + kAmxRegisterRows * stride + kAmxRegisterRows, bytes);
  }
}

template <class T, int kRowRegisters>
void amx_store_sums(float* c, std::int64_t stride) {
  const auto bytes = stride * static_cast<std::int64_t>(sizeof *c);
  T::template store<0>(c, bytes);
  T::template store<1>(c + kAmxRegisterRows, bytes);
  if constexpr (kRowRegisters == 2) {
    T::template store<2>(c + kAmxRegisterRows * stride, bytes);
    T::template store<3>(c + kAmxRegisterRows * stride + kAmxRegisterRows, bytes);
  }
}

/// What memory is to be asked for meanwhile: as in tile-inl.h a step for four units, so four for each of AMX's pieces.
class AmxPrefetch {
 public:
  explicit AmxPrefetch(const TileTask& task) {
    if (task.prefetch != nullptr) step_ = task.prefetch, next_step_ = 1;
    for (int i = 0; i < PrefetchStep::kLines; ++i)
      from_[i] = next_step_ != 0 ? task.prefetch_from[i] : reinterpret_cast<const char*>(&task);
  }
  void step() {
    for (int i = 0; i < PrefetchStep::kLines; ++i) __builtin_prefetch(from_[i] + step_->offsets[i]);
    step_ += next_step_;
  }

 private:
  static constexpr PrefetchStep kNothing{};
  const PrefetchStep* step_ = &kNothing;
  std::int64_t next_step_ = 0;
  const char* from_[PrefetchStep::kLines];
};

/// Not inlined: shared by all numbers of rows.
template <class T, int kRowRegisters, bool kStrided>
HWY_NOINLINE void amx_multiply(const TileTask& task) {
  constexpr std::int64_t kRowUnits = kStrided ? kStridedRowUnits : kAmxUnitsPerPiece;
  constexpr std::int64_t kPieceOfA = kStrided ? kAmxUnitsPerPiece : kAmxUnitsPerPiece * kAmxTile;
  constexpr std::int64_t kLower = kRowUnits * kAmxRegisterRows;
  constexpr std::int64_t kBytesOfA = kRowUnits * 4, kBytesOfB = kAmxTile * 4;
  const std::uint32_t* a = task.a;
  const std::uint32_t* b = task.b;
  AmxPrefetch prefetch(task);
  for (std::int64_t piece = task.units / kAmxUnitsPerPiece; piece > 0; --piece) {
    T::template load<4>(a, kBytesOfA);
    T::template load<6>(b, kBytesOfB);
    prefetch.step();
    T::template dot<0, 4, 6>();
    T::template load<7>(b + kAmxRegisterRows, kBytesOfB);
    prefetch.step();
    T::template dot<1, 4, 7>();
    if constexpr (kRowRegisters == 2) {
      T::template load<5>(a + kLower, kBytesOfA);
      T::template dot<2, 5, 6>();
      T::template dot<3, 5, 7>();
    }
    prefetch.step();
    prefetch.step();
    a += kPieceOfA;
    b += kAmxUnitsPerPiece * kAmxTile;
  }
}

enum class AmxOldC : std::uint8_t { none, added, scaled };

/// `sums` [rows][32] into c, or rounded into bf16.
template <class T, AmxOldC kOldC, bool kRound>
void amx_finish_rows(const float* sums, int rows, const TileTask& task) {
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 2
    for (int column = 0; column < kAmxTile; column += T::kLanes) {
      typename T::Vec sum = T::load_c(sums + r * kAmxTile + column);
      float* c = task.c + r * task.c_stride + column;
      if constexpr (kOldC == AmxOldC::scaled)
        sum = T::fused_multiply_add(T::splat(task.row_scale[r]), T::load_c(c), sum);
      if constexpr (kOldC == AmxOldC::added) sum = T::add(sum, T::load_c(c));
      if constexpr (kRound)
        T::store_bf16(task.bf16 + r * task.bf16_stride + column, sum);
      else
        T::store_c(c, sum);
    }
}

template <class T, AmxOldC kOldC>
void amx_finish_rows(const float* sums, int rows, const TileTask& task) {
  task.bf16 != nullptr ? amx_finish_rows<T, kOldC, true>(sums, rows, task)
                       : amx_finish_rows<T, kOldC, false>(sums, rows, task);
}

/// The epilogue of tiles that cannot go from the registers straight to c.
template <class T>
HWY_NOINLINE void amx_finish(const float* sums, int rows, const TileTask& task) {
  if (task.row_scale != nullptr) return amx_finish_rows<T, AmxOldC::scaled>(sums, rows, task);
  if (task.accumulate) return amx_finish_rows<T, AmxOldC::added>(sums, rows, task);
  amx_finish_rows<T, AmxOldC::none>(sums, rows, task);
}

template <class T, int kRows, bool kStrided>
void amx_tile(const TileTask& task) {
  constexpr int kRowRegisters = kRows > kAmxRegisterRows ? 2 : 1;
  if (kRows % kAmxRegisterRows == 0 && task.bf16 == nullptr && task.row_scale == nullptr) {
    // c goes straight into the sums and out of them.
    if (task.accumulate)
      amx_load_sums<T, kRowRegisters>(task.c, task.c_stride);
    else
      amx_zero_sums<T, kRowRegisters>();
    amx_multiply<T, kRowRegisters, kStrided>(task);
    return amx_store_sums<T, kRowRegisters>(task.c, task.c_stride);
  }
  alignas(64) float sums[kAmxTile * kAmxTile];
  amx_zero_sums<T, kRowRegisters>();
  amx_multiply<T, kRowRegisters, kStrided>(task);
  amx_store_sums<T, kRowRegisters>(sums, kAmxTile);
  amx_finish<T>(sums, kRows, task);
}

template <class T, int... kRowsMinusOne>
constexpr TileSet amx_tile_set(const char* name, std::integer_sequence<int, kRowsMinusOne...>) {
  return {name,
          kAmxTile,
          kAmxTile,
          2,
          {amx_tile<T, kRowsMinusOne + 1, false>...},
          {amx_tile<T, kRowsMinusOne + 1, true>...},
          T::configure,
          T::release};
}

template <class T>
constexpr TileSet amx_tile_set(const char* name) {
  return amx_tile_set<T>(name, std::make_integer_sequence<int, kAmxTile>());
}
