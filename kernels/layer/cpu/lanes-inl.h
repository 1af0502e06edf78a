// Elements in the order of memory, for kernels whose lanes must keep their place: sums in a fixed order, indices,
// arrays of several types.  No include guard and no namespace: this text is included once for every instruction set,
// behind cpu/elements.h.

#include "kernels/layer/cpu/vector-inl.h"

using Half = hn::Rebind<std::uint16_t, D>;

HWY_INLINE Vec load(const float* from) { return hn::LoadU(D(), from); }
/// bf16
HWY_INLINE Vec load(const std::uint16_t* from) {
  return hn::BitCast(D(), hn::ShiftLeft<16>(hn::PromoteTo(U(), hn::LoadU(Half(), from))));
}

HWY_INLINE hn::Vec<Half> to_bf16(Vec x) {
  return hn::DemoteTo(Half(), hn::BitCast(hn::RebindToSigned<D>(), hn::ShiftRight<16>(Bf16::round(x))));
}
HWY_INLINE void store(Vec x, float* to) { hn::StoreU(x, D(), to); }
HWY_INLINE void store(Vec x, std::uint16_t* to) { hn::StoreU(to_bf16(x), Half(), to); }

/// Past the caches: for what is not read again soon.  `to` is_aligned, and hwy::FlushStream comes after.
HWY_INLINE void stream(Vec x, float* to) { hn::Stream(x, D(), to); }
HWY_INLINE void stream(Vec x, std::uint16_t* to) { hn::Stream(to_bf16(x), Half(), to); }
template <bool kStream, class T>
HWY_INLINE void put(Vec x, T* to) {
  if constexpr (kStream)
    stream(x, to);
  else
    store(x, to);
}

/// The first `count` < kLanes elements; the others are `fill`.
template <class T>
Vec load_first(const T* from, std::int64_t count, float fill) {
  alignas(64) float lanes[kLanes];
  for (std::int64_t i = 0; i < kLanes; ++i) lanes[i] = fill;
  for (std::int64_t i = 0; i < count; ++i) lanes[i] = to_float(from[i]);
  return load(lanes);
}

/// Only the first `count` lanes.
template <class T>
void store_first(Vec x, T* to, std::int64_t count) {
  alignas(64) T lanes[kLanes];
  store(x, lanes);
  std::copy_n(lanes, count, to);
}

inline constexpr std::int64_t kLine = 64;

/// Bits as they are.  kStream: past the caches; `to` is_aligned and `bytes` whole lines.
template <bool kStream>
void copy_row(const std::uint8_t* from, std::uint8_t* to, std::int64_t bytes) {
  const hn::CappedTag<std::uint8_t, 64> d;
  const auto step = static_cast<std::int64_t>(hn::MaxLanes(d));
  std::int64_t i = 0;
  for (; i + step <= bytes; i += step) {
    const auto value = hn::LoadU(d, from + i);
    if constexpr (kStream)
      hn::Stream(value, d, to + i);
    else
      hn::StoreU(value, d, to + i);
  }
  std::memcpy(to + i, from + i, static_cast<std::size_t>(bytes - i));
}

/// The beginning of a row that lies anywhere: the hardware's prefetcher sees where the rest is from there, and has more
/// requests of its own than a core has for instructions.
HWY_INLINE void fetch_row(const void* row, std::int64_t bytes) {
  constexpr std::int64_t kLines = 8;
  const auto* at = static_cast<const std::uint8_t*>(row);
  for (std::int64_t i = 0; i < std::min(bytes, kLines * kLine); i += kLine) hwy::Prefetch(at + i);
}
