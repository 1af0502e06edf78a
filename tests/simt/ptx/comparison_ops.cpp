// setp, selp, and logic on predicates.
#include "tests/simt/ptx/shapes.h"

namespace simt::ptx {
namespace {

// NaN makes the ordered comparisons false and the unordered ones (ending in u) true.
struct Eq {
  bool operator()(auto a, auto b) const { return a == b; }
};
struct Ne {
  bool operator()(auto a, auto b) const { return a < b || a > b; }
};
struct Lt {
  bool operator()(auto a, auto b) const { return a < b; }
};
struct Le {
  bool operator()(auto a, auto b) const { return a <= b; }
};
struct Gt {
  bool operator()(auto a, auto b) const { return a > b; }
};
struct Ge {
  bool operator()(auto a, auto b) const { return a >= b; }
};
struct Equ {
  bool operator()(auto a, auto b) const { return !(a < b || a > b); }
};
struct Neu {
  bool operator()(auto a, auto b) const { return !(a == b); }
};
struct Ltu {
  bool operator()(auto a, auto b) const { return !(a >= b); }
};
struct Leu {
  bool operator()(auto a, auto b) const { return !(a > b); }
};
struct Gtu {
  bool operator()(auto a, auto b) const { return !(a <= b); }
};
struct Geu {
  bool operator()(auto a, auto b) const { return !(a < b); }
};
struct Num {
  bool operator()(auto a, auto b) const { return a == a && b == b; }
};
struct Nan {
  bool operator()(auto a, auto b) const { return a != a || b != b; }
};

enum Combine { kNone, kAnd, kOr, kXor };

std::uint32_t combine(std::uint32_t how, std::uint32_t r, std::uint32_t c) {
  switch (how) {
    case kAnd:
      return r & c;
    case kOr:
      return r | c;
    case kXor:
      return r ^ c;
    default:
      return r;
  }
}

/// op: p, q, a, b [, c]; q gets the opposite comparison; both are combined with c.
void set_results(Warp& w, const Inst& i, std::uint32_t lanes, std::uint32_t result) {
  const std::uint32_t c = i.imm[0] ? w.pred_bits(i.op[4]) : 0;
  w.set_pred(i.op[0], combine(i.imm[0], result, c), lanes);
  w.set_pred(i.op[1], combine(i.imm[0], ~result, c), lanes);
}

struct Compare {
  template <class T, class F>
  static void run(Warp& w, const Inst& i, std::uint32_t lanes) {
    const T *a = w.row<T>(i.op[2]), *b = w.row<T>(i.op[3]);
    std::uint32_t result = 0;
    for (int l = 0; l < 32; ++l) result |= std::uint32_t(F{}(a[l], b[l])) << l;
    set_results(w, i, lanes, result);
  }
};

template <bool kBf16, class F>
void compare_half(Warp& w, const Inst& i, std::uint32_t lanes) {
  const auto value = [&](const Operand& o, int l) {
    const auto h = std::uint16_t(w.load(o, l));
    return kBf16 ? bf16_to_f32(h) : f16_to_f32(h);
  };
  std::uint32_t result = 0;
  for (int l = 0; l < 32; ++l) result |= std::uint32_t(F{}(value(i.op[2], l), value(i.op[3], l))) << l;
  set_results(w, i, lanes, result);
}

template <class F>
Exec compare(Type t) {
  if (const Exec e = integer<Compare, F>(t)) return e;
  if (t == Type::f16) return compare_half<false, F>;
  if (t == Type::bf16) return compare_half<true, F>;
  return floating<Compare, F>(t);
}

void set_combine(Decoding& d) {
  d.inst.imm[0] = d.has("and") ? kAnd : d.has("or") ? kOr : d.has("xor") ? kXor : kNone;
  if ((d.inst.imm[0] != kNone) != (d.inst.op.size() == 5)) d.fail("a predicate operand goes with a Boolean operator");
}

template <class T>
void select(Warp& w, const Inst& i, std::uint32_t lanes) {
  T* d = w.row<T>(i.op[0]);
  const T *a = w.row<T>(i.op[1]), *b = w.row<T>(i.op[2]);
  const std::uint32_t p = w.pred_bits(i.op[3]);
  for_lanes(lanes, [=](int l) { d[l] = p >> l & 1 ? a[l] : b[l]; });
}
Exec choose_select(Type t) {
  switch (width(t)) {
    case 2:
      return select<std::uint16_t>;
    case 4:
      return select<std::uint32_t>;
    case 8:
      return select<std::uint64_t>;
    default:
      return nullptr;
  }
}

template <class F>
void predicate_logic(Warp& w, const Inst& i, std::uint32_t lanes) {
  const std::uint32_t a = w.pred_bits(i.op[1]), b = i.op.size() > 2 ? w.pred_bits(i.op[2]) : 0;
  w.set_pred(i.op[0], F{}(a, b), lanes);
}
struct First {
  auto operator()(auto a, auto) const { return a; }
};
struct NotFirst {
  auto operator()(auto a, auto) const { return ~a; }
};
struct And {
  auto operator()(auto a, auto b) const { return a & b; }
};
struct Or {
  auto operator()(auto a, auto b) const { return a | b; }
};
struct Xor {
  auto operator()(auto a, auto b) const { return a ^ b; }
};
template <class F>
void set_logic(Decoding& d) {
  d.inst.exec = predicate_logic<F>;
}

template <class F>
constexpr Opcode comparison(std::string_view name) {
  return {name, "and or xor ftz", "Qtt?p", compare<F>, set_combine};
}

constexpr Opcode kOpcodes[] = {
    comparison<Eq>("setp.eq"),
    comparison<Ne>("setp.ne"),
    comparison<Lt>("setp.lt"),
    comparison<Le>("setp.le"),
    comparison<Gt>("setp.gt"),
    comparison<Ge>("setp.ge"),
    comparison<Lt>("setp.lo"),
    comparison<Le>("setp.ls"),
    comparison<Gt>("setp.hi"),
    comparison<Ge>("setp.hs"),
    comparison<Equ>("setp.equ"),
    comparison<Neu>("setp.neu"),
    comparison<Ltu>("setp.ltu"),
    comparison<Leu>("setp.leu"),
    comparison<Gtu>("setp.gtu"),
    comparison<Geu>("setp.geu"),
    comparison<Num>("setp.num"),
    comparison<Nan>("setp.nan"),
    {"selp", "", "tttp", choose_select},
    {"mov.pred", "", "pp", nullptr, set_logic<First>},
    {"not.pred", "", "pp", nullptr, set_logic<NotFirst>},
    {"and.pred", "", "ppp", nullptr, set_logic<And>},
    {"or.pred", "", "ppp", nullptr, set_logic<Or>},
    {"xor.pred", "", "ppp", nullptr, set_logic<Xor>},
};

}  // namespace

std::span<const Opcode> comparison_opcodes() { return kOpcodes; }

}  // namespace simt::ptx
