// Integer, floating-point and bit instructions.
#include <algorithm>
#include <bit>
#include <cfenv>
#include <cmath>
#include <limits>

#include "tests/simt/ptx/shapes.h"

namespace simt::ptx {
namespace {

// ---------------------------------------------------------------- operations on one element
template <class T>
constexpr bool kFloat = std::is_floating_point_v<T>;

struct Add {
  auto operator()(auto a, auto b) const { return decltype(a)(a + b); }
};
struct Sub {
  auto operator()(auto a, auto b) const { return decltype(a)(a - b); }
};
struct Mul {
  auto operator()(auto a, auto b) const {
    if constexpr (kFloat<decltype(a)>)
      return a * b;
    else
      return decltype(a)(std::uint64_t(a) * std::uint64_t(b));
  }
};
struct MulHi {
  auto operator()(auto a, auto b) const { return decltype(a)(__int128(a) * __int128(b) >> sizeof(a) * 8); }
};
struct Div {  // the GPU's quotient by zero is all ones
  auto operator()(auto a, auto b) const {
    if constexpr (kFloat<decltype(a)>)
      return a / b;
    else if (std::is_signed_v<decltype(a)> && b == decltype(a)(-1))
      return decltype(a)(0 - std::uint64_t(a));
    else
      return b ? decltype(a)(a / b) : decltype(a)(-1);
  }
};
struct Rem {
  auto operator()(auto a, auto b) const {
    if (std::is_signed_v<decltype(a)> && b == decltype(a)(-1)) return decltype(a)(0);
    return b ? decltype(a)(a % b) : a;
  }
};
struct Min {
  auto operator()(auto a, auto b) const {
    if constexpr (kFloat<decltype(a)>)
      return std::fmin(a, b);
    else
      return std::min(a, b);
  }
};
struct Max {
  auto operator()(auto a, auto b) const {
    if constexpr (kFloat<decltype(a)>)
      return std::fmax(a, b);
    else
      return std::max(a, b);
  }
};
template <class F>
struct OrNan {  // min.NaN, max.NaN
  auto operator()(auto a, auto b) const { return a != a || b != b ? decltype(a)(NAN) : F{}(a, b); }
};
struct Neg {
  auto operator()(auto a) const {
    if constexpr (kFloat<decltype(a)>)
      return -a;
    else
      return decltype(a)(0 - std::uint64_t(a));
  }
};
struct Abs {
  auto operator()(auto a) const {
    if constexpr (kFloat<decltype(a)>)
      return std::fabs(a);
    else
      return a < 0 ? Neg{}(a) : a;
  }
};
struct Fma {
  auto operator()(auto a, auto b, auto c) const { return std::fma(a, b, c); }
};
struct Mad {
  auto operator()(auto a, auto b, auto c) const {
    return decltype(a)(std::uint64_t(a) * std::uint64_t(b) + std::uint64_t(c));
  }
};
struct And {
  auto operator()(auto a, auto b) const { return decltype(a)(a & b); }
};
struct Or {
  auto operator()(auto a, auto b) const { return decltype(a)(a | b); }
};
struct Xor {
  auto operator()(auto a, auto b) const { return decltype(a)(a ^ b); }
};
struct Not {
  auto operator()(auto a) const { return decltype(a)(~a); }
};
struct Cnot {
  auto operator()(auto a) const { return decltype(a)(a == 0); }
};
struct Shl {
  auto operator()(auto a, std::uint32_t n) const { return n >= sizeof(a) * 8 ? decltype(a)(0) : decltype(a)(a << n); }
};
struct Shr {
  auto operator()(auto a, std::uint32_t n) const {
    return n >= sizeof(a) * 8 ? decltype(a)(a < 0 ? -1 : 0) : decltype(a)(a >> n);
  }
};
struct CopySign {
  auto operator()(auto a, auto b) const { return std::copysign(b, a); }
};
// Approximations on the GPU; correctly rounded here.
struct Ex2 {
  auto operator()(auto a) const { return std::exp2(a); }
};
struct Lg2 {
  auto operator()(auto a) const { return std::log2(a); }
};
struct Sin {
  auto operator()(auto a) const { return std::sin(a); }
};
struct Cos {
  auto operator()(auto a) const { return std::cos(a); }
};
struct Tanh {
  auto operator()(auto a) const { return std::tanh(a); }
};
struct Rcp {
  auto operator()(auto a) const { return decltype(a)(1) / a; }
};
struct Sqrt {
  auto operator()(auto a) const { return std::sqrt(a); }
};
struct Rsqrt {
  auto operator()(auto a) const { return decltype(a)(1) / std::sqrt(a); }
};

// ---------------------------------------------------------------- forms of their own
/// A rounding mode other than nearest.
template <int kMode, class Shape>
struct Directed {
  template <class T, class F>
  static void run(Warp& w, const Inst& i, std::uint32_t lanes) {
    const int before = std::fegetround();
    std::fesetround(kMode);
    Shape::template run<T, F>(w, i, lanes);
    std::fesetround(before);
  }
};

template <class T, class D, bool kAdd>
void wide(Warp& w, const Inst& i, std::uint32_t lanes) {
  D* d = w.row<D>(i.op[0]);
  const T *a = w.row<T>(i.op[1]), *b = w.row<T>(i.op[2]);
  const D* c = kAdd ? w.row<D>(i.op[3]) : nullptr;
  for_lanes(lanes, [=](int l) { d[l] = D(std::uint64_t(D(a[l]) * D(b[l])) + std::uint64_t(kAdd ? c[l] : D(0))); });
}
template <bool kAdd>
Exec choose_wide(Type t) {
  switch (t) {
    case Type::s16:
      return wide<std::int16_t, std::int32_t, kAdd>;
    case Type::u16:
      return wide<std::uint16_t, std::uint32_t, kAdd>;
    case Type::s32:
      return wide<std::int32_t, std::int64_t, kAdd>;
    case Type::u32:
      return wide<std::uint32_t, std::uint64_t, kAdd>;
    default:
      return nullptr;
  }
}

void lop3(Warp& w, const Inst& i, std::uint32_t lanes) {  // imm: truth table, indexed by the bits of a, b, c
  const auto *a = w.row<std::uint32_t>(i.op[1]), *b = w.row<std::uint32_t>(i.op[2]), *c = w.row<std::uint32_t>(i.op[3]);
  auto* d = w.row<std::uint32_t>(i.op[0]);
  for_lanes(lanes, [&](int l) {
    std::uint32_t r = 0;
    for (int t = 0; t < 8; ++t)
      if (i.imm[0] >> t & 1) r |= (t & 4 ? a[l] : ~a[l]) & (t & 2 ? b[l] : ~b[l]) & (t & 1 ? c[l] : ~c[l]);
    d[l] = r;
  });
}

void prmt(Warp& w, const Inst& i, std::uint32_t lanes) {  // selectors of 4 bits; bit 3 replicates the byte's sign
  const auto *a = w.row<std::uint32_t>(i.op[1]), *b = w.row<std::uint32_t>(i.op[2]), *c = w.row<std::uint32_t>(i.op[3]);
  auto* d = w.row<std::uint32_t>(i.op[0]);
  for_lanes(lanes, [=](int l) {
    const std::uint64_t bytes = a[l] | std::uint64_t(b[l]) << 32;
    std::uint32_t r = 0;
    for (int k = 0; k < 4; ++k) {
      const unsigned selector = c[l] >> 4 * k & 15;
      std::uint32_t byte = bytes >> (selector & 7) * 8 & 255;
      if (selector & 8) byte = byte & 128 ? 255 : 0;
      r |= byte << 8 * k;
    }
    d[l] = r;
  });
}

struct BitInsert {  // d = b with `len` bits from `pos` on replaced by a
  template <class T, class>
  static void run(Warp& w, const Inst& i, std::uint32_t lanes) {
    for_lanes(lanes, [&](int l) {
      const T a = w.row<T>(i.op[1])[l], b = w.row<T>(i.op[2])[l];
      const std::uint32_t pos = w.row<std::uint32_t>(i.op[3])[l] & 255, len = w.row<std::uint32_t>(i.op[4])[l] & 255;
      const std::uint32_t bits = sizeof(T) * 8;
      const T field = len >= bits ? T(~T(0)) : T((T(1) << len) - 1), mask = pos >= bits ? T(0) : T(field << pos);
      w.row<T>(i.op[0])[l] = T((b & ~mask) | (pos >= bits ? 0 : (a << pos) & mask));
    });
  }
};

struct BitExtract {  // signed: the field's top bit, or the value's where the field sticks out, is replicated
  template <class T, class>
  static void run(Warp& w, const Inst& i, std::uint32_t lanes) {
    using U = std::make_unsigned_t<T>;
    for_lanes(lanes, [&](int l) {
      const U a = U(w.row<T>(i.op[1])[l]);
      const std::uint32_t pos = w.row<std::uint32_t>(i.op[2])[l] & 255, len = w.row<std::uint32_t>(i.op[3])[l] & 255;
      const std::uint32_t bits = sizeof(T) * 8;
      U d = pos >= bits ? 0 : U(a >> pos);
      bool negative = false;
      if (std::is_signed_v<T> && len) negative = a >> std::min(pos + len - 1, bits - 1) & 1;
      const U field = len >= bits ? U(~U(0)) : U((U(1) << len) - 1);
      const std::uint32_t kept = pos >= bits ? 0 : std::min(len, bits - pos);
      const U valid = kept >= bits ? U(~U(0)) : U((U(1) << kept) - 1);
      d &= valid & field;
      if (negative) d |= U(~valid);
      w.row<U>(i.op[0])[l] = len == 0 ? 0 : d;
    });
  }
};

template <bool kRight>
void funnel_shift(Warp& w, const Inst& i, std::uint32_t lanes) {  // imm: wrap, else clamp
  const auto *a = w.row<std::uint32_t>(i.op[1]), *b = w.row<std::uint32_t>(i.op[2]), *c = w.row<std::uint32_t>(i.op[3]);
  auto* d = w.row<std::uint32_t>(i.op[0]);
  for_lanes(lanes, [&](int l) {
    const std::uint64_t v = a[l] | std::uint64_t(b[l]) << 32;
    const std::uint32_t n = i.imm[0] ? c[l] & 31 : std::min(c[l], 32u);
    d[l] = std::uint32_t(kRight ? v >> n : v << n >> 32);
  });
}

template <class T, class F>
void count_bits(Warp& w, const Inst& i, std::uint32_t lanes) {  // 32-bit result whatever the type
  for_lanes(lanes, [&](int l) { w.row<std::uint32_t>(i.op[0])[l] = std::uint32_t(F{}(w.row<T>(i.op[1])[l])); });
}
struct Popcount {
  int operator()(auto a) const { return std::popcount(a); }
};
struct LeadingZeros {
  int operator()(auto a) const { return std::countl_zero(a); }
};
struct FindTopBit {  // bfind of an unsigned value: -1 for zero
  int operator()(auto a) const { return int(sizeof(a) * 8) - 1 - std::countl_zero(a); }
};
struct ShiftToTop {  // bfind.shiftamt: how far left the top bit has to go; -1 for zero
  int operator()(auto a) const { return a ? std::countl_zero(a) : -1; }
};
template <class F>
Exec choose_count(Type t) {
  if (t == Type::b32 || t == Type::u32) return count_bits<std::uint32_t, F>;
  if (t == Type::b64 || t == Type::u64) return count_bits<std::uint64_t, F>;
  return nullptr;
}

struct Reverse {
  auto operator()(auto a) const {
    decltype(a) r = 0;
    for (unsigned k = 0; k < sizeof(a) * 8; ++k) r |= decltype(a)(a >> k & 1) << (sizeof(a) * 8 - 1 - k);
    return r;
  }
};
Exec choose_reverse(Type t) {
  if (t == Type::b32) return Unary::run<std::uint32_t, Reverse>;
  return t == Type::b64 ? Unary::run<std::uint64_t, Reverse> : nullptr;
}

void set_lop3(Decoding& d) {
  if (d.args.size() != 5) d.fail("lop3 with a predicate");
  for (std::size_t a = 0; a < 4; ++a) d.add(a, 4);
  d.inst.imm[0] = d.integer(4);
  d.inst.exec = lop3;
}
void set_prmt(Decoding& d) { d.inst.exec = prmt; }
template <bool kRight>
void set_funnel(Decoding& d) {
  d.inst.exec = funnel_shift<kRight>;
  d.inst.imm[0] = d.has("wrap");
}
template <class Plain>
void nan_variant(Decoding& d) {
  if (d.has("NaN")) d.inst.exec = any_float<Binary, OrNan<Plain>>(d.type);
}

constexpr Opcode kOpcodes[] = {
    {"add", "rn ftz", "ttt", or_pair<number<Binary, Add>, Binary, Add>},
    {"sub", "rn ftz", "ttt", number<Binary, Sub>},
    {"mul", "rn ftz", "ttt", or_pair<any_float<Binary, Mul>, Binary, Mul>},
    {"mul.lo", "", "ttt", integer<Binary, Mul>},
    {"mul.hi", "", "ttt", integer<Binary, MulHi>},
    {"mul.wide", "", "wtt", choose_wide<false>},
    {"mad.lo", "", "tttt", integer<Ternary, Mad>},
    {"mad.wide", "", "wttw", choose_wide<true>},
    {"mad.rn", "ftz", "tttt", floating<Ternary, Fma>},
    {"fma", "rn ftz", "tttt", or_pair<any_float<Ternary, Fma>, Ternary, Fma>},
    {"add.rz", "ftz", "ttt", floating<Directed<FE_TOWARDZERO, Binary>, Add>},
    {"add.rm", "ftz", "ttt", floating<Directed<FE_DOWNWARD, Binary>, Add>},
    {"add.rp", "ftz", "ttt", floating<Directed<FE_UPWARD, Binary>, Add>},
    {"sub.rz", "ftz", "ttt", floating<Directed<FE_TOWARDZERO, Binary>, Sub>},
    {"sub.rm", "ftz", "ttt", floating<Directed<FE_DOWNWARD, Binary>, Sub>},
    {"sub.rp", "ftz", "ttt", floating<Directed<FE_UPWARD, Binary>, Sub>},
    {"mul.rz", "ftz", "ttt", floating<Directed<FE_TOWARDZERO, Binary>, Mul>},
    {"mul.rm", "ftz", "ttt", floating<Directed<FE_DOWNWARD, Binary>, Mul>},
    {"mul.rp", "ftz", "ttt", floating<Directed<FE_UPWARD, Binary>, Mul>},
    {"fma.rz", "ftz", "tttt", floating<Directed<FE_TOWARDZERO, Ternary>, Fma>},
    {"fma.rm", "ftz", "tttt", floating<Directed<FE_DOWNWARD, Ternary>, Fma>},
    {"fma.rp", "ftz", "tttt", floating<Directed<FE_UPWARD, Ternary>, Fma>},
    {"div", "rn approx full ftz", "ttt",
     [](Type t) { return integer<Binary, Div>(t) ? integer<Binary, Div>(t) : floating<Binary, Div>(t); }},
    {"rem", "", "ttt", integer<Binary, Rem>},
    {"min", "ftz NaN", "ttt", number<Binary, Min>, nan_variant<Min>},
    {"max", "ftz NaN", "ttt", number<Binary, Max>, nan_variant<Max>},
    {"neg", "ftz", "tt", number<Unary, Neg>},
    {"abs", "ftz", "tt", number<Unary, Abs>},
    {"shl", "", "tt4", integer<Shift, Shl>},
    {"shr", "", "tt4", integer<Shift, Shr>},
    {"shf.l", "wrap clamp", "tttt", nullptr, set_funnel<false>},
    {"shf.r", "wrap clamp", "tttt", nullptr, set_funnel<true>},
    {"not", "", "tt", integer<Unary, Not>},
    {"cnot", "", "tt", integer<Unary, Cnot>},
    {"and", "", "ttt", integer<Binary, And>},
    {"or", "", "ttt", integer<Binary, Or>},
    {"xor", "", "ttt", integer<Binary, Xor>},
    {"lop3", "", "-", nullptr, set_lop3},
    {"prmt", "", "4444", nullptr, set_prmt},
    {"bfi", "", "ttt44", integer<BitInsert, void>},
    {"bfe", "", "tt44", integer<BitExtract, void>},
    {"brev", "", "tt", choose_reverse},
    {"popc", "", "4t", choose_count<Popcount>},
    {"clz", "", "4t", choose_count<LeadingZeros>},
    {"bfind", "shiftamt", "4t", choose_count<FindTopBit>,
     [](Decoding& d) {
       if (d.has("shiftamt")) d.inst.exec = choose_count<ShiftToTop>(d.type);
     }},
    {"copysign", "", "ttt", floating<Binary, CopySign>},
    {"ex2", "approx ftz", "tt", [](Type t) { return single<Unary, Ex2>(t) ? single<Unary, Ex2>(t) : half<Ex2>(t); }},
    {"lg2", "approx ftz", "tt", single<Unary, Lg2>},
    {"sin", "approx ftz", "tt", single<Unary, Sin>},
    {"cos", "approx ftz", "tt", single<Unary, Cos>},
    {"tanh", "approx", "tt", [](Type t) { return single<Unary, Tanh>(t) ? single<Unary, Tanh>(t) : half<Tanh>(t); }},
    {"rcp", "approx rn ftz", "tt", floating<Unary, Rcp>},
    {"sqrt", "approx rn ftz", "tt", floating<Unary, Sqrt>},
    {"rsqrt", "approx ftz", "tt", floating<Unary, Rsqrt>},
};

}  // namespace

std::span<const Opcode> arithmetic_opcodes() { return kOpcodes; }

}  // namespace simt::ptx
