// Compiled once for every vector instruction set by Highway's foreach_target; the best one is chosen at run time.
#include "kernels/all_reduce/vector_sum.h"

#include <stdexcept>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/all_reduce/vector_sum.cpp"
// clang-format off: foreach_target.h must come first
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on
#include <hwy/cache_control.h>

HWY_BEFORE_NAMESPACE();
namespace assay::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct F32 {
  using Lane = float;
  template <class D, class V>
  static HWY_INLINE V sum(D, V a, V b) {
    return hn::Add(a, b);
  }
  static float sum_one(float a, float b) { return a + b; }
};

// A 32-bit lane holds two bf16, each the upper half of an fp32: widening is a shift or a mask.
struct Bf16 {
  using Lane = std::uint16_t;
  template <class D, class V>
  static HWY_INLINE V sum(D d, V a, V b) {
#if HWY_TARGET == HWY_SCALAR  // one lane cannot hold two halves
    return hn::Set(d, sum_one(hn::GetLane(a), hn::GetLane(b)));
#else
    const hn::RepartitionToWide<D> d32;
    const hn::Rebind<float, decltype(d32)> df;
    const auto upper = hn::Set(d32, 0xffff0000u);
    const auto a32 = hn::BitCast(d32, a), b32 = hn::BitCast(d32, b);
    const auto low = hn::Add(hn::BitCast(df, hn::ShiftLeft<16>(a32)), hn::BitCast(df, hn::ShiftLeft<16>(b32)));
    const auto high = hn::Add(hn::BitCast(df, hn::And(a32, upper)), hn::BitCast(df, hn::And(b32, upper)));
    return hn::BitCast(d, hn::Or(hn::ShiftRight<16>(rounded(d32, low)), hn::And(rounded(d32, high), upper)));
#endif
  }
  // To nearest even in the upper half.  A NaN stays one: the sum of two widened bf16 that is NaN has a zero lower half,
  // so nothing carries into the exponent.
  template <class D32, class V>
  static HWY_INLINE hn::Vec<D32> rounded(D32 d32, V value) {
    const auto bits = hn::BitCast(d32, value);
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d32, 1u));
    return hn::Add(bits, hn::Add(odd, hn::Set(d32, 0x7fffu)));
  }
  static std::uint16_t sum_one(std::uint16_t a, std::uint16_t b) {
    return float_to_bf16(bf16_to_float(a) + bf16_to_float(b));
  }
};

// `value(i)` gives the vector of elements i .., `one(i)` the element i: written to `to` and, where it is there, `also`.
template <class D, class Value, class One, class Lane>
HWY_INLINE void write_all(D d, const Value& value, const One& one, Lane* to, Lane* also, std::size_t count,
                          bool streaming) {
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  // A streaming store needs an aligned address: `to` may be a user's buffer.
  streaming = streaming && reinterpret_cast<std::uintptr_t>(to) % (lanes * sizeof(Lane)) == 0;
  for (; i + lanes <= count; i += lanes) {
    const auto v = value(i);
    if (streaming)
      hn::Stream(v, d, to + i);
    else
      hn::StoreU(v, d, to + i);
    if (also) hn::StoreU(v, d, also + i);
  }
  for (; i < count; ++i) {
    const Lane v = one(i);
    to[i] = v;
    if (also) also[i] = v;
  }
  if (streaming) hwy::FlushStream();
}

template <class Type>
HWY_INLINE void sum_typed(const void* a, const void* b, void* to, void* also, std::size_t count, bool streaming) {
  using Lane = typename Type::Lane;
  const hn::ScalableTag<Lane> d;
  const auto* pa = static_cast<const Lane*>(a);
  const auto* pb = static_cast<const Lane*>(b);
  write_all(
      d, [&](std::size_t i) HWY_ATTR { return Type::sum(d, hn::LoadU(d, pa + i), hn::LoadU(d, pb + i)); },
      [&](std::size_t i) { return Type::sum_one(pa[i], pb[i]); }, static_cast<Lane*>(to), static_cast<Lane*>(also),
      count, streaming);
}

void sum_f32(const void* a, const void* b, void* to, void* also, std::size_t count, bool streaming) {
  sum_typed<F32>(a, b, to, also, count, streaming);
}

void sum_bf16(const void* a, const void* b, void* to, void* also, std::size_t count, bool streaming) {
  sum_typed<Bf16>(a, b, to, also, count, streaming);
}

// 16-bit lanes carry any element type: a copy does not look at them.
void copy_halfwords(const void* from, void* to, void* also, std::size_t count, bool streaming) {
  using Lane = std::uint16_t;
  const hn::ScalableTag<Lane> d;
  const auto* source = static_cast<const Lane*>(from);
  write_all(
      d, [&](std::size_t i) HWY_ATTR { return hn::LoadU(d, source + i); }, [&](std::size_t i) { return source[i]; },
      static_cast<Lane*>(to), static_cast<Lane*>(also), count, streaming);
}

}  // namespace assay::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace assay {

HWY_EXPORT(sum_f32);
HWY_EXPORT(sum_bf16);
HWY_EXPORT(copy_halfwords);

void sum_elements(DType dtype, const void* a, const void* b, void* to, void* also, std::int64_t count, StoreKind kind) {
  const bool streaming = kind == StoreKind::streaming;
  if (dtype == DType::f32)
    HWY_DYNAMIC_DISPATCH(sum_f32)(a, b, to, also, std::size_t(count), streaming);
  else if (dtype == DType::bf16)
    HWY_DYNAMIC_DISPATCH(sum_bf16)(a, b, to, also, std::size_t(count), streaming);
  else
    throw std::runtime_error(std::string("all-reduce: no sum of ") + name(dtype));
}

void copy_elements(DType dtype, const void* from, void* to, void* also, std::int64_t count, StoreKind kind) {
  HWY_DYNAMIC_DISPATCH(copy_halfwords)
  (from, to, also, std::size_t(count) * (size_bytes(dtype) / 2), kind == StoreKind::streaming);
}

}  // namespace assay
#endif
