// Vectors of a problem's type, in fp32, for the layer's CPU kernels.  No include guard and no namespace: this text is
// included once for every instruction set, inside that instruction set's namespace and target attributes, with `hn`
// for Highway's.
//
// A unit is two vectors of fp32: of f32 data two neighbouring ones, of bf16 data the even elements and the odd ones of
// one vector of memory, which a shift and a mask take apart and put together again without moving lanes.  What is done
// element by element, or summed in any order, need not know which.  Outputs that no cache will keep are streamed past
// the caches (non-temporal stores), whole vectors at a time: they must begin on kVectorBytes.

using D = hn::CappedTag<float, 16>;
using U = hn::RebindToUnsigned<D>;
using Vec = hn::Vec<D>;
inline constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(D()));
inline constexpr std::int64_t kUnit = 2 * kLanes;  // elements

struct Pair {
  Vec a, b;
};

// Behind the parameters of a lambda: called for every unit, it would fetch its constants each time.
#undef ASSAY_INLINED
#define ASSAY_INLINED __attribute__((always_inline))

HWY_INLINE Vec set(float x) { return hn::Set(D(), x); }

/// How near an exponential is to 2^x, in relative error.
enum class Power {
  f32,   // 8e-8
  sums,  // 2.6e-6: for sums of bf16's exponentials, which are kept in fp32
  bf16   // 7.5e-5, a 26th of what rounding to bf16 may do
};

template <bool kStream>
HWY_INLINE void store_words(hn::Vec<U> words, std::uint32_t* to) {
  if constexpr (kStream)
    hn::Stream(words, U(), to);
  else
    hn::StoreU(words, U(), to);
}

struct F32 {
  using Element = float;
  static constexpr Element kOne = 1;
  static constexpr Power kPower = Power::f32, kPowerOfSums = Power::f32;
  static HWY_INLINE Pair load(const float* from) { return {hn::LoadU(D(), from), hn::LoadU(D(), from + kLanes)}; }
  template <bool kStream>
  static HWY_INLINE void store(Pair x, float* to) {
    auto* words = reinterpret_cast<std::uint32_t*>(to);
    store_words<kStream>(hn::BitCast(U(), x.a), words);
    store_words<kStream>(hn::BitCast(U(), x.b), words + kLanes);
  }
  template <bool kStream>
  static HWY_INLINE void store_quickly(Pair x, float* to) {
    store<kStream>(x, to);
  }
  /// A sum of two elements as a store would round it.
  static HWY_INLINE Pair rounded(Pair x) { return x; }
  template <bool kStream>
  static HWY_INLINE void store_exact(Pair x, float* to) {
    store<kStream>(x, to);
  }
  /// A unit of fp32 numbers that belong to a unit of this type's data.
  static HWY_INLINE Pair load_f32(const float* from) { return load(from); }
  static HWY_INLINE void store_f32(Pair x, float* to) { store<false>(x, to); }
  /// Where element `e` of a unit is in the pair, the first vector before the second.
  static constexpr std::int64_t place(std::int64_t e) { return e; }
};

struct Bf16 {
  using Element = std::uint16_t;
  static constexpr Element kOne = 0x3f80;
  static constexpr Power kPower = Power::bf16, kPowerOfSums = Power::sums;
  static HWY_INLINE Pair load(const std::uint16_t* from) {
    const auto words = hn::LoadU(U(), reinterpret_cast<const std::uint32_t*>(from));
    return {hn::BitCast(D(), hn::ShiftLeft<16>(words)), hn::BitCast(D(), hn::And(words, hn::Set(U(), 0xffff0000u)))};
  }
  /// Bits whose upper half is the bf16 nearest to `x`, ties to even.  NaN only as arithmetic makes it of bf16, with a
  /// payload that the addition cannot carry into the sign.
  static HWY_INLINE hn::Vec<U> round_finite(Vec x) {
    const auto bits = hn::BitCast(U(), x);
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(U(), 1));
    return hn::Add(hn::Add(bits, hn::Set(U(), 0x7fff)), odd);
  }
  /// The same of any NaN, which becomes the one of all ones but the sign.
  static HWY_INLINE hn::Vec<U> round(Vec x) {
    const auto nan = hn::BitCast(D(), hn::Set(U(), 0x7fffffffu));
    return hn::BitCast(U(), hn::IfThenElse(hn::Eq(x, x), hn::BitCast(D(), round_finite(x)), nan));
  }
  /// In one operation of six: ties away from zero, for results that were rounded before, where a tie means nothing; and
  /// NaN only as in round_finite.
  static HWY_INLINE hn::Vec<U> round_quickly(Vec x) { return hn::Add(hn::BitCast(U(), x), hn::Set(U(), 0x8000)); }
  template <bool kStream>
  static HWY_INLINE void store_rounded(hn::Vec<U> even, hn::Vec<U> odd, std::uint16_t* to) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
    // One operation: under a mask of bytes, those that the even elements' upper halves go to.
    const __m512i upper_halves = _mm512_set4_epi32(0x80800f0e, 0x80800b0a, 0x80800706, 0x80800302);
    const hn::Vec<U> both{_mm512_mask_shuffle_epi8(odd.raw, 0x3333333333333333u, even.raw, upper_halves)};
#else
    const auto both = hn::Or(hn::And(odd, hn::Set(U(), 0xffff0000u)), hn::ShiftRight<16>(even));
#endif
    store_words<kStream>(both, reinterpret_cast<std::uint32_t*>(to));
  }
  template <bool kStream>
  static HWY_INLINE void store(Pair x, std::uint16_t* to) {
    store_rounded<kStream>(round(x.a), round(x.b), to);
  }
  template <bool kStream>
  static HWY_INLINE void store_quickly(Pair x, std::uint16_t* to) {
    store_rounded<kStream>(round_quickly(x.a), round_quickly(x.b), to);
  }
  static HWY_INLINE Pair rounded(Pair x) {
    const auto mask = hn::Set(U(), 0xffff0000u);
    return {hn::BitCast(D(), hn::And(round_finite(x.a), mask)), hn::BitCast(D(), hn::And(round_finite(x.b), mask))};
  }
  /// Of what is rounded.
  template <bool kStream>
  static HWY_INLINE void store_exact(Pair x, std::uint16_t* to) {
    store_rounded<kStream>(hn::BitCast(U(), x.a), hn::BitCast(U(), x.b), to);
  }
  static constexpr std::int64_t place(std::int64_t e) { return e % 2 * kLanes + e / 2; }
  static HWY_INLINE Pair load_f32(const float* from) {
#if HWY_TARGET == HWY_SCALAR
    return {hn::LoadU(D(), from), hn::LoadU(D(), from + 1)};
#else
    Pair x;
    hn::LoadInterleaved2(D(), from, x.a, x.b);
    return x;
#endif
  }
  static HWY_INLINE void store_f32(Pair x, float* to) {
#if HWY_TARGET == HWY_SCALAR
    hn::StoreU(x.a, D(), to), hn::StoreU(x.b, D(), to + 1);
#else
    hn::StoreInterleaved2(x.a, x.b, D(), to);
#endif
  }
};

/// Access to a whole unit.
template <class T>
struct Whole {
  static HWY_INLINE Pair load(const void* from, std::int64_t i) {
    return T::load(static_cast<const typename T::Element*>(from) + i);
  }
  template <bool kStream>
  static HWY_INLINE void store(Pair x, void* to, std::int64_t i) {
    T::template store<kStream>(x, static_cast<typename T::Element*>(to) + i);
  }
  template <bool kStream>
  static HWY_INLINE void store_quickly(Pair x, void* to, std::int64_t i) {
    T::template store_quickly<kStream>(x, static_cast<typename T::Element*>(to) + i);
  }
  template <bool kStream>
  static HWY_INLINE void store_exact(Pair x, void* to, std::int64_t i) {
    T::template store_exact<kStream>(x, static_cast<typename T::Element*>(to) + i);
  }
  /// fp32 numbers that belong to these elements.
  static HWY_INLINE Pair load_f32(const float* from, std::int64_t i) { return T::load_f32(from + i); }
  static HWY_INLINE void store_f32(Pair x, float* to, std::int64_t i) { T::store_f32(x, to + i); }
  static HWY_INLINE Pair present(Pair x) { return x; }
};

/// Access to the first elements of a unit, at the end of a row: the others are read as zeros and not written.
template <class T>
struct Part {
  using Element = typename T::Element;
  std::int64_t elements;
  Pair load(const void* from, std::int64_t i) const {
    alignas(64) Element whole[kUnit] = {};
    std::memcpy(whole, static_cast<const Element*>(from) + i, static_cast<std::size_t>(elements) * sizeof(Element));
    return T::load(whole);
  }
  template <bool kStream>
  void store(Pair x, void* to, std::int64_t i) const {
    alignas(64) Element whole[kUnit];
    T::template store<false>(x, whole);
    std::memcpy(static_cast<Element*>(to) + i, whole, static_cast<std::size_t>(elements) * sizeof(Element));
  }
  template <bool kStream>
  void store_quickly(Pair x, void* to, std::int64_t i) const {
    alignas(64) Element whole[kUnit];
    T::template store_quickly<false>(x, whole);
    std::memcpy(static_cast<Element*>(to) + i, whole, static_cast<std::size_t>(elements) * sizeof(Element));
  }
  template <bool kStream>
  void store_exact(Pair x, void* to, std::int64_t i) const {
    store<false>(x, to, i);
  }
  Pair load_f32(const float* from, std::int64_t i) const {
    alignas(64) float whole[kUnit] = {};
    std::memcpy(whole, from + i, static_cast<std::size_t>(elements) * sizeof(float));
    return T::load_f32(whole);
  }
  void store_f32(Pair x, float* to, std::int64_t i) const {
    alignas(64) float whole[kUnit];
    T::store_f32(x, whole);
    std::memcpy(to + i, whole, static_cast<std::size_t>(elements) * sizeof(float));
  }
  /// Zeros in place of what the row does not have.
  Pair present(Pair x) const {
    alignas(64) Element ones[kUnit] = {};
    std::fill_n(ones, elements, T::kOne);
    const Pair one = T::load(ones);
    return {hn::IfThenZeroElse(hn::Eq(one.a, set(0)), x.a), hn::IfThenZeroElse(hn::Eq(one.b, set(0)), x.b)};
  }
};

/// body(access, i) for every unit of `count` elements; the last may be a part.
template <class T, class Body>
HWY_INLINE void for_units(std::int64_t count, const Body& body) {
  std::int64_t i = 0;
  for (; i + 2 * kUnit <= count; i += 2 * kUnit) {
    body(Whole<T>(), i);
    body(Whole<T>(), i + kUnit);
  }
  if (i + kUnit <= count) {
    body(Whole<T>(), i);
    i += kUnit;
  }
  if (i < count) body(Part<T>{count - i}, i);
}

/// Two units, for what has long chains of operations: four of them in flight before what waits for their ends.
struct Four {
  Pair low, high;
};

/// Access to two whole units.
template <class T>
struct Twice {
  static HWY_INLINE Four load(const void* from, std::int64_t i) {
    return {Whole<T>::load(from, i), Whole<T>::load(from, i + kUnit)};
  }
  template <bool kStream>
  static HWY_INLINE void store(Four x, void* to, std::int64_t i) {
    Whole<T>::template store<kStream>(x.low, to, i), Whole<T>::template store<kStream>(x.high, to, i + kUnit);
  }
  template <bool kStream>
  static HWY_INLINE void store_quickly(Four x, void* to, std::int64_t i) {
    Whole<T>::template store_quickly<kStream>(x.low, to, i);
    Whole<T>::template store_quickly<kStream>(x.high, to, i + kUnit);
  }
};

/// body(access, i) for every two units of `count` elements, and what is left.
template <class T, class Body>
HWY_INLINE void for_two_units(std::int64_t count, const Body& body) {
  std::int64_t i = 0;
  for (; i + 2 * kUnit <= count; i += 2 * kUnit) body(Twice<T>(), i);
  if (i + kUnit <= count) {
    body(Whole<T>(), i);
    i += kUnit;
  }
  if (i < count) body(Part<T>{count - i}, i);
}

/// The same, unit by unit, for a body long enough that the loop itself costs nothing.
template <class T, class Body>
HWY_INLINE void for_single_units(std::int64_t count, const Body& body) {
  std::int64_t i = 0;
  for (; i + kUnit <= count; i += kUnit) body(Whole<T>(), i);
  if (i < count) body(Part<T>{count - i}, i);
}

/// Asks for a unit of a row that is read later.
template <class T>
HWY_INLINE void ask_ahead(const void* row, std::int64_t i) {
  constexpr std::int64_t kLine = 64;
  const auto* from = reinterpret_cast<const char*>(static_cast<const typename T::Element*>(row) + i);
  for (std::int64_t at = 0; at < kUnit * static_cast<std::int64_t>(sizeof(typename T::Element)); at += kLine)
    __builtin_prefetch(from + at, 0, 2);  // into the second-level cache
}

/// f(element) of each, and f(element, other) of each two.
template <class F>
HWY_INLINE Pair each(Pair x, const F& f) {
  return {f(x.a), f(x.b)};
}
template <class F>
HWY_INLINE Pair each(Pair x, Pair y, const F& f) {
  return {f(x.a, y.a), f(x.b, y.b)};
}
template <class F>
HWY_INLINE Pair each(Pair x, Pair y, Pair z, const F& f) {
  return {f(x.a, y.a, z.a), f(x.b, y.b, z.b)};
}

template <class F>
HWY_INLINE Four each(Four x, const F& f) {
  return {each(x.low, f), each(x.high, f)};
}
template <class F>
HWY_INLINE Four each(Four x, Four y, const F& f) {
  return {each(x.low, y.low, f), each(x.high, y.high, f)};
}
template <class F>
HWY_INLINE Four each(Four x, Four y, Four z, const F& f) {
  return {each(x.low, y.low, z.low, f), each(x.high, y.high, z.high, f)};
}

/// A polynomial by Horner's rule, the highest coefficient first.
template <class... Rest>
HWY_INLINE Vec polynomial(Vec x, float highest, Rest... rest) {
  Vec p = set(highest);
  ((p = hn::MulAdd(p, x, set(rest))), ...);
  return p;
}

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
/// 2^f of f in [0, 1]: the nearest polynomials in relative error, fp32's among those that are 1 at 0.
template <Power kPower>
HWY_INLINE Vec power_of_fraction(Vec f) {
  if constexpr (kPower == Power::bf16)
    return polynomial(f, 0.0780245227f, 0.226067155f, 0.69583354f, 0.999925219f);
  else if constexpr (kPower == Power::sums)
    return polynomial(f, 0.0135341679f, 0.0520114606f, 0.241442757f, 0.693003834f, 1.00000259f);
  else
    return polynomial(f, 0.00186713007f, 0.00901703032f, 0.0557999131f, 0.24016445f, 0.693151312f, 1.0f);
}

/// 2^x of any x, infinities and NaN included; results below the normal numbers may be 0.
template <Power kPower = Power::f32>
HWY_INLINE Vec exp2(Vec x) {
  const Vec fraction{_mm512_reduce_ps(x.raw, 0x09)};                             // x - floor(x), silently
  return Vec{_mm512_scalef_ps(power_of_fraction<kPower>(fraction).raw, x.raw)};  // times 2^floor(x)
}
#else
/// 2^f of f in [-1/2, 1/2]: the nearest polynomials in relative error; fp32's is 1 + f q(f), with q of degree 5 through
/// (2^f - 1) / f at its Chebyshev nodes, 5e-9 from 2^f.
template <Power kPower>
HWY_INLINE Vec power_of_fraction(Vec f) {
  if constexpr (kPower == Power::bf16)
    return polynomial(f, 0.0551716691f, 0.242611122f, 0.693260985f, 0.999928074f);
  else if constexpr (kPower == Power::sums)
    return polynomial(f, 0.00957010191f, 0.0559178603f, 0.240247448f, 0.693121815f, 0.999999261f);
  else
    return polynomial(f, 0.00015453163f, 0.0013390863f, 0.009618083f, 0.05550357f, 0.2402265f, 0.6931472f, 1.0f);
}

/// 2^x of any x, infinities and NaN included; results below the normal numbers may be 0.
template <Power kPower = Power::f32>
HWY_INLINE Vec exp2(Vec x) {
  // Adding 1.5 * 2^23 leaves round(x) in the lowest mantissa bits; subtracting it again gives round(x) as a float.
  const Vec rounder = set(0x1.8p23f);
  const Vec shifted = hn::Add(x, rounder);
  const Vec p = power_of_fraction<kPower>(hn::Sub(x, hn::Sub(shifted, rounder)));
  // The low bits move into the exponent: 2^round(x), times p, so that a NaN stays one.
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(U(), shifted));
  const Vec power = hn::BitCast(D(), hn::Add(exponent, hn::BitCast(U(), set(1.0f))));
  const Vec infinity = set(std::numeric_limits<float>::infinity());
  const Vec bounded = hn::IfThenElse(hn::Ge(x, set(127.0f)), infinity, hn::Mul(p, power));
  return hn::IfThenZeroElse(hn::Lt(x, set(-126.0f)), bounded);
}
#endif

/// a / (1 + 2^t), of a finite `a` exactly 0 where 2^t overflows.  For results that are rounded to bf16 within 2^-14 of
/// it, where that is cheaper.
template <class T>
HWY_INLINE Vec over_one_and_power(Vec a, Vec t) {
  const Vec below = hn::Add(set(1.0f), exp2<T::kPower>(t));
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  if constexpr (T::kPower == Power::bf16) return hn::Mul(a, Vec{_mm512_rcp14_ps(below.raw)});
#endif
  return hn::Div(a, below);
}

/// 1 / (1 + 2^t), by division: 1 less this must be good, too.  Exactly 0 where 2^t overflows.
template <class T>
HWY_INLINE Vec reciprocal_of_power(Vec t) {
  return hn::Div(set(1.0f), hn::Add(set(1.0f), exp2<T::kPower>(t)));
}

inline constexpr float kMinusLog2E = -1.44269504f;

/// 1 / (1 + exp(-z)); exactly 0 where exp(-z) overflows.
template <class T>
HWY_INLINE Vec sigmoid(Vec z) {
  return reciprocal_of_power<T>(hn::Mul(z, set(kMinusLog2E)));
}
