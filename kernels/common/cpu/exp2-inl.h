// 2^x of vectors of fp32, for any instruction set of Highway's.  No include guard and no namespace: this text is
// included once for every instruction set, inside HWY_NAMESPACE, where `hn` is Highway's.
//
// Relative error 1.2 * 2^-24, for x up to 127; 0 below the normal numbers, at the latest where even subnormal ones end;
// NaN stays NaN, -infinity becomes 0.  Highway's own Exp serves larger arguments too, at 1.6 times the cost.

template <class D>
HWY_INLINE hn::Vec<D> exp2_of(D d, hn::Vec<D> x) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  if constexpr (hn::MaxLanes(D()) == 16) {
    const hn::Vec<D> fraction{_mm512_reduce_ps(x.raw, 0x09)};  // x - floor(x), silently
    // 1 + f q(f) nearest to 2^f on [0, 1] in relative error: 2e-9
    auto p = hn::Set(d, 0.00021612915f);
    p = hn::MulAdd(p, fraction, hn::Set(d, 0.00124678464f));
    p = hn::MulAdd(p, fraction, hn::Set(d, 0.00967545157f));
    p = hn::MulAdd(p, fraction, hn::Set(d, 0.0554852806f));
    p = hn::MulAdd(p, fraction, hn::Set(d, 0.240229306f));
    p = hn::MulAdd(p, fraction, hn::Set(d, 0.693147044f));
    p = hn::MulAdd(p, fraction, hn::Set(d, 1.0f));
    return hn::Vec<D>{_mm512_scalef_ps(p.raw, x.raw)};  // p 2^floor(x)
  }
#endif
  const hn::RebindToUnsigned<D> u;
  // Adding 1.5 * 2^23 leaves round(x) in the lowest mantissa bits; subtracting it again gives round(x) as a float.
  const auto rounder = hn::Set(d, 0x1.8p23f);
  const auto shifted = hn::Add(x, rounder);
  const auto fraction = hn::Sub(x, hn::Sub(shifted, rounder));  // in [-1/2, 1/2]
  // 1 + f q(f), with q of degree 5 through (2^f - 1) / f at its Chebyshev nodes: 5e-9 from 2^f
  auto p = hn::Set(d, 0.00015453163f);
  p = hn::MulAdd(p, fraction, hn::Set(d, 0.0013390863f));
  p = hn::MulAdd(p, fraction, hn::Set(d, 0.009618083f));
  p = hn::MulAdd(p, fraction, hn::Set(d, 0.05550357f));
  p = hn::MulAdd(p, fraction, hn::Set(d, 0.2402265f));
  p = hn::MulAdd(p, fraction, hn::Set(d, 0.6931472f));
  p = hn::MulAdd(p, fraction, hn::Set(d, 1.0f));
  // The low bits move into the exponent: 2^round(x), times p, so that a NaN stays one.
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(u, shifted));
  const auto power = hn::BitCast(d, hn::Add(exponent, hn::BitCast(u, hn::Set(d, 1.0f))));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -126.0f)), hn::Mul(p, power));
}
