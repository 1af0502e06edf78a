// Softmax and its gradient, compiled by Highway for every instruction set and chosen at run time.
#include "kernels/attention/cpu/softmax.h"

#include <algorithm>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/cpu/softmax.cpp"
#include "kernels/common/cpu/highway_targets.h"
// clang-format off: foreach_target.h must come first
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace assay::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#include "kernels/attention/cpu/softmax-inl.h"

struct F32 {
  using D = hn::CappedTag<float, 16>;
  using Vec = hn::Vec<D>;
  static constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));
  static constexpr bool kBf16 = false;

  static HWY_INLINE Vec set(float x) { return hn::Set(D(), x); }
  static HWY_INLINE Vec load(const float* from) { return hn::LoadU(D(), from); }
  static HWY_INLINE void store(Vec x, float* to) { hn::StoreU(x, D(), to); }
  static HWY_INLINE Vec add(Vec x, Vec y) { return hn::Add(x, y); }
  static HWY_INLINE Vec sub(Vec x, Vec y) { return hn::Sub(x, y); }
  static HWY_INLINE Vec mul(Vec x, Vec y) { return hn::Mul(x, y); }
  static HWY_INLINE Vec mul_sub(Vec x, Vec y, Vec z) { return hn::MulSub(x, y, z); }
  static HWY_INLINE Vec max(Vec x, Vec y) { return hn::Max(x, y); }
  static HWY_INLINE float max_of_lanes(Vec x) { return hn::GetLane(hn::MaxOfLanes(D(), x)); }
  static HWY_INLINE float sum_of_lanes(Vec x) { return hn::GetLane(hn::SumOfLanes(D(), x)); }

  static HWY_INLINE hn::Mask<D> first_lanes(std::int64_t n) {
    return hn::FirstN(D(), static_cast<std::size_t>(std::clamp<std::int64_t>(n, 0, kLanes)));
  }
  static HWY_INLINE Vec choose(Vec v, std::int64_t from, std::int64_t to, Vec other) {
    return hn::IfThenElse(first_lanes(from), other, hn::IfThenElse(first_lanes(to), v, other));
  }

  // 2^x with a relative error of 1.2 * 2^-24; 0 below the normal numbers, at the latest where even subnormal ones end.
  // Highway's own Exp serves large arguments too, at 1.6 times the cost.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  static HWY_INLINE Vec exp2(Vec x) {
    const Vec fraction{_mm512_reduce_ps(x.raw, 0x09)};  // x - floor(x), silently
    // 1 + f q(f) nearest to 2^f on [0, 1] in relative error: 2e-9
    Vec p = set(0.00021612915f);
    p = hn::MulAdd(p, fraction, set(0.00124678464f));
    p = hn::MulAdd(p, fraction, set(0.00967545157f));
    p = hn::MulAdd(p, fraction, set(0.0554852806f));
    p = hn::MulAdd(p, fraction, set(0.240229306f));
    p = hn::MulAdd(p, fraction, set(0.693147044f));
    p = hn::MulAdd(p, fraction, set(1.0f));
    return Vec{_mm512_scalef_ps(p.raw, x.raw)};  // p 2^floor(x)
  }
#else
  static HWY_INLINE Vec exp2(Vec x) {
    const hn::RebindToUnsigned<D> u;
    // Adding 1.5 * 2^23 leaves round(x) in the lowest mantissa bits; subtracting it again gives round(x) as a float.
    const Vec rounder = set(0x1.8p23f);
    const Vec shifted = hn::Add(x, rounder);
    const Vec fraction = hn::Sub(x, hn::Sub(shifted, rounder));  // in [-1/2, 1/2]
    // 1 + f q(f), with q of degree 5 through (2^f - 1) / f at its Chebyshev nodes: 5e-9 from 2^f
    Vec p = set(0.00015453163f);
    p = hn::MulAdd(p, fraction, set(0.0013390863f));
    p = hn::MulAdd(p, fraction, set(0.009618083f));
    p = hn::MulAdd(p, fraction, set(0.05550357f));
    p = hn::MulAdd(p, fraction, set(0.2402265f));
    p = hn::MulAdd(p, fraction, set(0.6931472f));
    p = hn::MulAdd(p, fraction, set(1.0f));
    // The low bits move into the exponent: 2^round(x), times p, so that a NaN stays one.
    const auto exponent = hn::ShiftLeft<23>(hn::BitCast(u, shifted));
    const Vec power = hn::BitCast(D(), hn::Add(exponent, hn::BitCast(u, set(1.0f))));
    return hn::IfThenZeroElse(hn::Lt(x, set(-126.0f)), hn::Mul(p, power));
  }
#endif

  static HWY_INLINE void store_weights(Vec x, Vec y, float* row, std::int64_t j) {
    store(x, row + j);
    store(y, row + j + kLanes);
  }
  static HWY_INLINE void store_unit(Vec x, Vec, std::uint32_t* to) {
    hn::StoreU(hn::BitCast(hn::RebindToUnsigned<D>(), x), hn::RebindToUnsigned<D>(), to);
  }
};

/// Weights in bf16, for CPUs whose AMX is only the tests'.
struct Bf16 : F32 {
  static constexpr bool kBf16 = true;
  using U = hn::RebindToUnsigned<D>;

  /// Bits whose upper half is the bf16 nearest to `x`, ties to even; infinities and arithmetic's own NaN stay.
  static HWY_INLINE hn::Vec<U> round(Vec x) {
    const auto bits = hn::BitCast(U(), x);
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(U(), 1));
    return hn::Add(hn::Add(bits, hn::Set(U(), 0x7fff)), odd);
  }
  static HWY_INLINE void store_half(Vec x, std::uint16_t* to) {
    const hn::Rebind<std::uint16_t, D> halves;
    const auto narrow = hn::BitCast(hn::RebindToSigned<D>(), hn::ShiftRight<16>(round(x)));
    hn::StoreU(hn::DemoteTo(halves, narrow), halves, to);
  }
  static HWY_INLINE void store_weights(Vec x, Vec y, float* row, std::int64_t j) {
    store_half(x, reinterpret_cast<std::uint16_t*>(row) + j);
    store_half(y, reinterpret_cast<std::uint16_t*>(row) + j + kLanes);
  }
  static HWY_INLINE void store_unit(Vec even, Vec odd, std::uint32_t* to) {
    const auto high = hn::And(round(odd), hn::Set(U(), 0xffff0000u));
    hn::StoreU(hn::Or(hn::ShiftRight<16>(round(even)), high), U(), to);
  }
};

void weigh(const SoftmaxBlock& block) { weigh_all<F32>(block); }
void gradients(const GradientBlock& block) { gradients_all<F32>(block); }
void weigh_to_bf16(const SoftmaxBlock& block) { weigh_all<Bf16>(block); }
void gradients_in_bf16(const GradientBlock& block) { gradients_all<Bf16>(block); }

}  // namespace HWY_NAMESPACE
}  // namespace assay::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace assay::cpu {
HWY_EXPORT(weigh);
HWY_EXPORT(gradients);
HWY_EXPORT(weigh_to_bf16);
HWY_EXPORT(gradients_in_bf16);

Softmax softmax_for(PackFormat format) {
  if (elements_per_unit(format) == 1)
    return {[](const SoftmaxBlock& block) {
              HWY_DYNAMIC_DISPATCH(weigh)
              (block);
            },
            [](const GradientBlock& block) {
              HWY_DYNAMIC_DISPATCH(gradients)
              (block);
            }};
  if (const Softmax native = bf16_softmax(); native.weigh != nullptr) return native;
  return {[](const SoftmaxBlock& block) {
            HWY_DYNAMIC_DISPATCH(weigh_to_bf16)
            (block);
          },
          [](const GradientBlock& block) {
            HWY_DYNAMIC_DISPATCH(gradients_in_bf16)
            (block);
          }};
}
}  // namespace assay::cpu
#endif
