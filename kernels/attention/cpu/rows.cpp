#include "kernels/attention/cpu/rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/cpu/rows.cpp"
#include "kernels/common/cpu/highway_targets.h"
// clang-format off: foreach_target.h must come first
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace assay::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F = hn::CappedTag<float, 16>;
using U = hn::RebindToUnsigned<F>;
using Half = hn::Rebind<std::uint16_t, F>;
using Vec = hn::Vec<F>;

HWY_INLINE Vec load(const float* from) { return hn::LoadU(F(), from); }
HWY_INLINE Vec load(const std::uint16_t* from) {
  return hn::BitCast(F(), hn::ShiftLeft<16>(hn::PromoteTo(U(), hn::LoadU(Half(), from))));
}

HWY_INLINE void store(Vec x, float* to) { hn::StoreU(x, F(), to); }
/// Halfway cases to even, as float_to_bf16: adding 0x7fff carries into the kept half, and 1 more where that is odd.
HWY_INLINE void store(Vec x, std::uint16_t* to) {
  const auto bits = hn::BitCast(U(), x);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(U(), 1));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(U(), 0x7fff))));
  const auto is_nan = hn::MaskFromVec(hn::BitCast(U(), hn::VecFromMask(F(), hn::IsNaN(x))));
  const auto halves = hn::IfThenElse(is_nan, hn::Set(U(), 0x7fff), rounded);
  hn::StoreU(hn::DemoteTo(Half(), hn::BitCast(hn::RebindToSigned<F>(), halves)), Half(), to);
}

HWY_INLINE void store_one(float x, float* to) { *to = x; }
HWY_INLINE void store_one(float x, std::uint16_t* to) { *to = float_to_bf16(x); }
HWY_INLINE float load_one(const float* from) { return *from; }
HWY_INLINE float load_one(const std::uint16_t* from) { return bf16_to_float(*from); }

template <class T>
void store_all(const StoreRows& s) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(F()));
  for (std::int64_t r = 0; r < s.rows; ++r) {
    const float factor = s.factors != nullptr ? s.factors[r] : s.factor;
    const float* from = s.from + r * s.from_stride;
    T* to = static_cast<T*>(s.to) + r * s.to_stride;
    std::int64_t c = 0;
    for (; c + lanes <= s.columns; c += lanes) store(hn::Mul(load(from + c), hn::Set(F(), factor)), to + c);
    for (; c < s.columns; ++c) store_one(from[c] * factor, to + c);
  }
}

template <class T>
void dot_all(const DotRows& d) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(F()));
  for (std::int64_t r = 0; r < d.rows; ++r) {
    const T* x = static_cast<const T*>(d.x) + r * d.stride;
    const T* y = static_cast<const T*>(d.y) + r * d.stride;
    Vec sum[2] = {hn::Zero(F()), hn::Zero(F())};
    std::int64_t c = 0;
    for (; c + 2 * lanes <= d.columns; c += 2 * lanes) {
      sum[0] = hn::MulAdd(load(x + c), load(y + c), sum[0]);
      sum[1] = hn::MulAdd(load(x + c + lanes), load(y + c + lanes), sum[1]);
    }
    float dot = hn::GetLane(hn::SumOfLanes(F(), hn::Add(sum[0], sum[1])));
    for (; c < d.columns; ++c) dot += load_one(x + c) * load_one(y + c);
    d.dots[r] = dot;
  }
}

void store_here(const StoreRows& s) { s.dtype == DType::f32 ? store_all<float>(s) : store_all<std::uint16_t>(s); }
void dot_here(const DotRows& d) { d.dtype == DType::f32 ? dot_all<float>(d) : dot_all<std::uint16_t>(d); }

}  // namespace HWY_NAMESPACE
}  // namespace assay::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace assay::cpu {
HWY_EXPORT(store_here);
HWY_EXPORT(dot_here);

void store_rows(const StoreRows& s) { HWY_DYNAMIC_DISPATCH(store_here)(s); }
void dot_rows(const DotRows& d) { HWY_DYNAMIC_DISPATCH(dot_here)(d); }
}  // namespace assay::cpu
#endif
