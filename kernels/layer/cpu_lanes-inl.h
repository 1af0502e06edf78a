// Vectors of fp32 as the layer's CPU kernels see them: loaded from and stored to fp32 or bf16.  No include guard and no
// namespace: this text is included once for every instruction set, inside HWY_NAMESPACE, where `hn` is Highway's.

using F32 = hn::CappedTag<float, 16>;
using Lanes = hn::Vec<F32>;
using Bits32 = hn::RebindToUnsigned<F32>;
using Bits16 = hn::Rebind<std::uint16_t, F32>;
constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(F32()));

HWY_INLINE Lanes splat(float x) { return hn::Set(F32(), x); }

HWY_INLINE Lanes load(const float* from) { return hn::LoadU(F32(), from); }
/// bf16
HWY_INLINE Lanes load(const std::uint16_t* from) {
  return hn::BitCast(F32(), hn::ShiftLeft<16>(hn::PromoteTo(Bits32(), hn::LoadU(Bits16(), from))));
}

/// The bf16 nearest to each lane, ties to even, as float_to_bf16; kNan: NaN too, which rounding would carry away.
template <bool kNan>
HWY_INLINE hn::Vec<Bits16> to_bf16(Lanes x) {
  const Bits32 u;
  const auto bits = hn::BitCast(u, x);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(u, 1));
  auto rounded = hn::Add(hn::Add(bits, hn::Set(u, 0x7fff)), odd);
  if constexpr (kNan) rounded = hn::IfThenElse(hn::RebindMask(u, hn::IsNaN(x)), hn::Set(u, 0x7fff0000u), rounded);
  return hn::DemoteTo(Bits16(), hn::BitCast(hn::RebindToSigned<F32>(), hn::ShiftRight<16>(rounded)));
}

HWY_INLINE void store(Lanes x, float* to) { hn::StoreU(x, F32(), to); }
HWY_INLINE void store(Lanes x, std::uint16_t* to) { hn::StoreU(to_bf16<true>(x), Bits16(), to); }

/// Past the caches: for what is not read again soon.  `to` is aligned (streams_to), and hwy::FlushStream comes after.
HWY_INLINE void stream(Lanes x, float* to) { hn::Stream(x, F32(), to); }
HWY_INLINE void stream(Lanes x, std::uint16_t* to) { hn::Stream(to_bf16<true>(x), Bits16(), to); }

template <class T>
bool streams_to(const T* to) {
  return reinterpret_cast<std::uintptr_t>(to) % (static_cast<std::size_t>(kLanes) * sizeof(T)) == 0;
}

/// The first `count` < kLanes elements; the others are `fill`.
template <class T>
Lanes load_first(const T* from, std::int64_t count, float fill) {
  alignas(64) float lanes[kLanes];
  for (std::int64_t i = 0; i < kLanes; ++i) lanes[i] = fill;
  for (std::int64_t i = 0; i < count; ++i) lanes[i] = to_float(from[i]);
  return load(lanes);
}

/// Only the first `count` lanes.
template <class T>
void store_first(Lanes x, T* to, std::int64_t count) {
  alignas(64) T lanes[kLanes];
  store(x, lanes);
  std::copy_n(lanes, count, to);
}
