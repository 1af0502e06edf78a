// Compiled once for every vector instruction set by Highway's foreach_target; the best one is chosen at run time.
#include "kernels/collectives/vector_sum.h"

#include <cstring>
#include <stdexcept>
#include <string>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/collectives/vector_sum.cpp"
// clang-format off: foreach_target.h must come first
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on
#include <hwy/cache_control.h>

HWY_BEFORE_NAMESPACE();
namespace assay::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Sources = std::span<const void* const>;
using Destinations = std::span<const Destination>;

// A type says how one vector is widened for summing (`Wide`), added to and rounded back, and the same of one element.
struct F32 {
  using Lane = float;
  static float widen(float a) { return a; }
  static float narrow(float a) { return a; }
#if HWY_TARGET != HWY_SCALAR
  template <class D>
  using Wide = hn::Vec<D>;
  template <class D>
  static HWY_INLINE Wide<D> load(D d, const Lane* p) {
    return hn::LoadU(d, p);
  }
  template <class D>
  static HWY_INLINE Wide<D> add(D, Wide<D> a, Wide<D> b) {
    return hn::Add(a, b);
  }
  template <class D>
  static HWY_INLINE hn::Vec<D> round(D, Wide<D> a) {
    return a;
  }
#endif
};

#if HWY_TARGET != HWY_SCALAR
// A vector of 16-bit elements as two of fp32.
template <class D>
struct Halves {
  using Df = hn::Rebind<float, hn::RepartitionToWide<D>>;
  hn::Vec<Df> low, high;
};
#endif

// A 32-bit lane holds two bf16, each the upper half of an fp32: widening is a shift or a mask.
struct Bf16 {
  using Lane = std::uint16_t;
  static float widen(Lane a) { return bf16_to_float(a); }
  static Lane narrow(float a) { return float_to_bf16(a); }
#if HWY_TARGET != HWY_SCALAR
  template <class D>
  using Wide = Halves<D>;
  template <class D>
  static HWY_INLINE Wide<D> load(D d, const Lane* p) {
    const hn::RepartitionToWide<D> d32;
    const typename Halves<D>::Df df;
    const auto bits = hn::BitCast(d32, hn::LoadU(d, p));
    return {hn::BitCast(df, hn::ShiftLeft<16>(bits)), hn::BitCast(df, hn::And(bits, hn::Set(d32, 0xffff0000u)))};
  }
  template <class D>
  static HWY_INLINE Wide<D> add(D, Wide<D> a, Wide<D> b) {
    return {hn::Add(a.low, b.low), hn::Add(a.high, b.high)};
  }
  template <class D>
  static HWY_INLINE hn::Vec<D> round(D d, Wide<D> a) {
    const hn::RepartitionToWide<D> d32;
    return hn::BitCast(
        d, hn::Or(hn::ShiftRight<16>(rounded(d32, a.low)), hn::And(rounded(d32, a.high), hn::Set(d32, 0xffff0000u))));
  }
  // To nearest even in the upper half.  A NaN stays one: a sum of widened bf16 that is NaN has a zero lower half, so
  // nothing carries into the exponent.
  template <class D32, class V>
  static HWY_INLINE hn::Vec<D32> rounded(D32 d32, V value) {
    const auto bits = hn::BitCast(d32, value);
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d32, 1u));
    return hn::Add(bits, hn::Add(odd, hn::Set(d32, 0x7fffu)));
  }
#endif
};

struct F16 {
  using Lane = std::uint16_t;
  static float widen(Lane a) { return f16_to_float(a); }
  static Lane narrow(float a) { return float_to_f16(a); }
#if HWY_TARGET != HWY_SCALAR
  template <class D>
  using Wide = Halves<D>;
  template <class D>
  static HWY_INLINE Wide<D> load(D d, const Lane* p) {
    const typename Halves<D>::Df df;
    const hn::Half<D> half;
    const hn::Rebind<hwy::float16_t, hn::Half<D>> df16;
    const auto bits = hn::LoadU(d, p);
    return {hn::PromoteTo(df, hn::BitCast(df16, hn::LowerHalf(half, bits))),
            hn::PromoteTo(df, hn::BitCast(df16, hn::UpperHalf(half, bits)))};
  }
  template <class D>
  static HWY_INLINE Wide<D> add(D, Wide<D> a, Wide<D> b) {
    return {hn::Add(a.low, b.low), hn::Add(a.high, b.high)};
  }
  template <class D>
  static HWY_INLINE hn::Vec<D> round(D d, Wide<D> a) {
    const hn::Half<D> half;
    const hn::Rebind<hwy::float16_t, hn::Half<D>> df16;
    return hn::Combine(d, hn::BitCast(half, hn::DemoteTo(df16, a.high)), hn::BitCast(half, hn::DemoteTo(df16, a.low)));
  }
#endif
};

template <class Lane>
void store_one(Destinations destinations, std::size_t i, Lane value) {
  for (const Destination& d : destinations) static_cast<Lane*>(d.to)[i] = value;
}

// Sum for kSources > 1; 0: as many as there are.
template <class Type, int kSources>
HWY_INLINE void sum_typed(Sources from, Destinations to, std::size_t count) {
  using Lane = typename Type::Lane;
  const std::size_t sources = kSources ? kSources : from.size();
  const auto source = [&](std::size_t s) { return static_cast<const Lane*>(from[s]); };
  std::size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<Lane> d;
  const std::size_t lanes = hn::Lanes(d);
  for (; i + lanes <= count; i += lanes) {
    auto sum = Type::load(d, source(0) + i);
    for (std::size_t s = 1; s < sources; ++s) sum = Type::add(d, sum, Type::load(d, source(s) + i));
    const auto value = Type::round(d, sum);
    for (const Destination& out : to) {
      Lane* const p = static_cast<Lane*>(out.to) + i;
      if (out.kind == StoreKind::streaming)
        hn::Stream(value, d, p);
      else
        hn::StoreU(value, d, p);
    }
  }
#endif
  for (; i < count; ++i) {
    float sum = Type::widen(source(0)[i]);
    for (std::size_t s = 1; s < sources; ++s) sum += Type::widen(source(s)[i]);
    store_one(to, i, Type::narrow(sum));
  }
}

template <class Type>
HWY_INLINE void sum_any(Sources from, Destinations to, std::size_t count) {
  if (from.size() == 2)
    sum_typed<Type, 2>(from, to, count);
  else
    sum_typed<Type, 0>(from, to, count);
}

void sum_f32(Sources from, Destinations to, std::size_t count) { sum_any<F32>(from, to, count); }
void sum_bf16(Sources from, Destinations to, std::size_t count) { sum_any<Bf16>(from, to, count); }
void sum_f16(Sources from, Destinations to, std::size_t count) { sum_any<F16>(from, to, count); }

// Bytes carry any element type: a copy does not look at them.
void copy_bytes(const void* from, Destinations to, std::size_t count) {
  const auto* source = static_cast<const std::uint8_t*>(from);
  std::size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<std::uint8_t> d;
  const std::size_t lanes = hn::Lanes(d);
  for (; i + lanes <= count; i += lanes) {
    const auto value = hn::LoadU(d, source + i);
    for (const Destination& out : to) {
      auto* const p = static_cast<std::uint8_t*>(out.to) + i;
      if (out.kind == StoreKind::streaming)
        hn::Stream(value, d, p);
      else
        hn::StoreU(value, d, p);
    }
  }
#endif
  for (; i < count; ++i) store_one(to, i, source[i]);
}

std::size_t vector_bytes() { return hn::Lanes(hn::ScalableTag<std::uint8_t>()); }

}  // namespace assay::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace assay {
namespace {

HWY_EXPORT(sum_f32);
HWY_EXPORT(sum_bf16);
HWY_EXPORT(sum_f16);
HWY_EXPORT(copy_bytes);
HWY_EXPORT(vector_bytes);

constexpr std::size_t kMostDestinations = 64;

void run(DType dtype, std::span<const void* const> from, std::span<const Destination> to, std::size_t count) {
  if (from.size() == 1) return HWY_DYNAMIC_DISPATCH(copy_bytes)(from[0], to, count * size_bytes(dtype));
  if (dtype == DType::f32) return HWY_DYNAMIC_DISPATCH(sum_f32)(from, to, count);
  if (dtype == DType::bf16) return HWY_DYNAMIC_DISPATCH(sum_bf16)(from, to, count);
  if (dtype == DType::f16) return HWY_DYNAMIC_DISPATCH(sum_f16)(from, to, count);
  throw std::runtime_error(std::string("no sum of ") + name(dtype));
}

}  // namespace

void sum_elements(DType dtype, std::span<const void* const> sources, std::span<const Destination> destinations,
                  std::int64_t count) {
  if (sources.empty() || destinations.size() > kMostDestinations)
    throw std::runtime_error("a sum of nothing, or to too many places");
  bool any_streaming = false;
  for (const Destination& d : destinations) any_streaming |= d.kind == StoreKind::streaming;
  if (!any_streaming) return run(dtype, sources, destinations, std::size_t(count));
  Destination aligned[kMostDestinations];
  const std::size_t vector = HWY_DYNAMIC_DISPATCH(vector_bytes)();
  for (std::size_t i = 0; i < destinations.size(); ++i) {
    aligned[i] = destinations[i];
    if (reinterpret_cast<std::uintptr_t>(aligned[i].to) % vector != 0) aligned[i].kind = StoreKind::cached;
  }
  run(dtype, sources, {aligned, destinations.size()}, std::size_t(count));
}

void complete_streaming_stores() { hwy::FlushStream(); }

void add_elements(DType dtype, const void* a, const void* b, Destination to, std::int64_t count) {
  const void* const sources[] = {a, b};
  sum_elements(dtype, sources, {&to, 1}, count);
}

void copy_elements(DType dtype, const void* from, Destination to, std::int64_t count) {
  sum_elements(dtype, {&from, 1}, {&to, 1}, count);
}

}  // namespace assay
#endif
