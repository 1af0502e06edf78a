// The forms of lane-wise instructions, and the choice of an instance by PTX type.
#pragma once
#include <type_traits>

#include "tests/simt/ptx/decoder.h"

namespace simt::ptx {

struct Unary {
  template <class T, class F>
  static void run(Warp& w, const Inst& i, std::uint32_t lanes) {
    T* d = w.row<T>(i.op[0]);
    const T* a = w.row<T>(i.op[1]);
    for_lanes(lanes, [=](int l) { d[l] = F{}(a[l]); });
  }
};

struct Binary {
  template <class T, class F>
  static void run(Warp& w, const Inst& i, std::uint32_t lanes) {
    T* d = w.row<T>(i.op[0]);
    const T *a = w.row<T>(i.op[1]), *b = w.row<T>(i.op[2]);
    for_lanes(lanes, [=](int l) { d[l] = F{}(a[l], b[l]); });
  }
};

struct Ternary {
  template <class T, class F>
  static void run(Warp& w, const Inst& i, std::uint32_t lanes) {
    T* d = w.row<T>(i.op[0]);
    const T *a = w.row<T>(i.op[1]), *b = w.row<T>(i.op[2]), *c = w.row<T>(i.op[3]);
    for_lanes(lanes, [=](int l) { d[l] = F{}(a[l], b[l], c[l]); });
  }
};

struct Shift {  // the amount is 32 bits wide whatever the type
  template <class T, class F>
  static void run(Warp& w, const Inst& i, std::uint32_t lanes) {
    T* d = w.row<T>(i.op[0]);
    const T* a = w.row<T>(i.op[1]);
    const std::uint32_t* b = w.row<std::uint32_t>(i.op[2]);
    for_lanes(lanes, [=](int l) { d[l] = F{}(a[l], b[l]); });
  }
};

/// f16 and bf16, one or two to a register: computed in double, rounded once.
template <bool kBf16, class F>
void packed(Warp& w, const Inst& i, std::uint32_t lanes) {
  const auto value = [](std::uint64_t bits, int half) -> double {
    const auto h = std::uint16_t(bits >> 16 * half);
    return kBf16 ? bf16_to_f32(h) : f16_to_f32(h);
  };
  const int halves = i.op[0].bytes / 2;
  for_lanes(lanes, [&](int l) {
    std::uint64_t out = 0, in[3] = {};
    for (std::size_t k = 1; k < i.op.size(); ++k) in[k - 1] = w.load(i.op[k], l);
    for (int h = 0; h < halves; ++h) {
      double r;
      if constexpr (std::is_invocable_v<F, double, double, double>)
        r = F{}(value(in[0], h), value(in[1], h), value(in[2], h));
      else if constexpr (std::is_invocable_v<F, double, double>)
        r = F{}(value(in[0], h), value(in[1], h));
      else
        r = F{}(value(in[0], h));
      out |= std::uint64_t(kBf16 ? f64_to_bf16(r) : f64_to_f16(r)) << 16 * h;
    }
    w.store(i.op[0], l, out);
  });
}

template <class Shape, class F>
Exec integer(Type t) {
  switch (t) {
    case Type::s16:
      return Shape::template run<std::int16_t, F>;
    case Type::u16:
    case Type::b16:
      return Shape::template run<std::uint16_t, F>;
    case Type::s32:
      return Shape::template run<std::int32_t, F>;
    case Type::u32:
    case Type::b32:
      return Shape::template run<std::uint32_t, F>;
    case Type::s64:
      return Shape::template run<std::int64_t, F>;
    case Type::u64:
    case Type::b64:
      return Shape::template run<std::uint64_t, F>;
    default:
      return nullptr;
  }
}

template <class Shape, class F>
Exec floating(Type t) {
  if (t == Type::f32) return Shape::template run<float, F>;
  if (t == Type::f64) return Shape::template run<double, F>;
  return nullptr;
}

template <class Shape, class F>
Exec single(Type t) {
  return t == Type::f32 ? Shape::template run<float, F> : nullptr;
}

template <class F>
Exec half(Type t) {
  if (t == Type::bf16 || t == Type::bf16x2) return packed<true, F>;
  if (t == Type::f16 || t == Type::f16x2) return packed<false, F>;
  return nullptr;
}

template <class Shape, class F>
Exec any_float(Type t) {
  if (const Exec e = floating<Shape, F>(t)) return e;
  return half<F>(t);
}

/// Two f32 in a 64-bit register, of sm_100 and later: each by itself.
struct F32Pair {
  float element[2];
};
template <class F>
struct OnBoth {
  template <class... A>
  F32Pair operator()(const A&... a) const {
    return {{F{}(a.element[0]...), F{}(a.element[1]...)}};
  }
};
/// `choose`'s types, and pairs of f32.
template <Exec (*choose)(Type), class Shape, class F>
Exec or_pair(Type t) {
  return t == Type::f32x2 ? Shape::template run<F32Pair, OnBoth<F>> : choose(t);
}

template <class Shape, class F>
Exec number(Type t) {
  if (const Exec e = integer<Shape, F>(t)) return e;
  return any_float<Shape, F>(t);
}

}  // namespace simt::ptx
