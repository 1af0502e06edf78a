// cvt, and mov in all its forms.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "tests/simt/ptx/shapes.h"

namespace simt::ptx {
namespace {

/// Half precision as an element type of conversions.
template <bool kBf16>
struct Half {
  std::uint16_t bits;
  operator double() const { return kBf16 ? bf16_to_f32(bits) : f16_to_f32(bits); }
};
using F16 = Half<false>;
using Bf16 = Half<true>;
template <class T>
constexpr bool kIsHalf = std::is_same_v<T, F16> || std::is_same_v<T, Bf16>;
template <class T>
constexpr bool kIsFloat = std::is_floating_point_v<T> || kIsHalf<T>;

enum Rounding : std::uint32_t { kNearest, kZero, kDown, kUp, kNone };  // imm[0]: to an integral value
double round_integral(double x, std::uint32_t how) {
  switch (how) {
    case kZero:
      return std::trunc(x);
    case kDown:
      return std::floor(x);
    case kUp:
      return std::ceil(x);
    case kNearest:
      return std::nearbyint(x);
    default:
      return x;
  }
}

template <class D, class S>
D convert_value(S s, const Inst& i) {
  const bool saturate = i.imm[1];
  if constexpr (kIsFloat<S> && std::is_integral_v<D>) {
    const double x = round_integral(s, i.imm[0]);
    if (std::isnan(x)) return 0;
    // Out of range saturates; the upper bound is exclusive because max() of 64 bits is no double.
    const double low = double(std::numeric_limits<D>::min()), high = std::ldexp(1.0, std::numeric_limits<D>::digits);
    return x < low ? std::numeric_limits<D>::min() : x >= high ? std::numeric_limits<D>::max() : D(x);
  } else if constexpr (kIsFloat<D>) {
    if constexpr (std::is_integral_v<S> && !kIsHalf<D>) return D(s);
    double x = double(s);
    if (kIsFloat<S>) x = round_integral(x, i.imm[0]);
    if (saturate) x = std::isnan(x) ? 0 : std::clamp(x, 0.0, 1.0);
    if constexpr (std::is_same_v<D, F16>)
      return {f64_to_f16(x)};
    else if constexpr (std::is_same_v<D, Bf16>)
      return {f64_to_bf16(x)};
    else
      return D(x);
  } else {
    if (!saturate) return D(s);
    const __int128 wide = s, low = std::numeric_limits<D>::min(), high = std::numeric_limits<D>::max();
    return D(std::clamp(wide, low, high));
  }
}

template <class D, class S>
void convert(Warp& w, const Inst& i, std::uint32_t lanes) {
  for_lanes(lanes, [&](int l) {
    const std::uint64_t raw = w.load(i.op[1], l);
    S s;
    std::memcpy(&s, &raw, sizeof s);
    const D d = convert_value<D>(s, i);
    std::uint64_t out = 0;
    std::memcpy(&out, &d, sizeof d);
    if (std::is_integral_v<D>) out = sign_extend(out, sizeof d, std::is_signed_v<D>);  // a register may be wider
    w.store(i.op[0], l, out);
  });
}

template <class D>
Exec convert_from(Type from) {
  switch (from) {
    case Type::u8:
      return convert<D, std::uint8_t>;
    case Type::s8:
      return convert<D, std::int8_t>;
    case Type::u16:
      return convert<D, std::uint16_t>;
    case Type::s16:
      return convert<D, std::int16_t>;
    case Type::u32:
      return convert<D, std::uint32_t>;
    case Type::s32:
      return convert<D, std::int32_t>;
    case Type::u64:
      return convert<D, std::uint64_t>;
    case Type::s64:
      return convert<D, std::int64_t>;
    case Type::f16:
      return convert<D, F16>;
    case Type::bf16:
      return convert<D, Bf16>;
    case Type::f32:
      return convert<D, float>;
    case Type::f64:
      return convert<D, double>;
    default:
      return nullptr;
  }
}

Exec choose_convert(Type to, Type from) {
  switch (to) {
    case Type::u8:
      return convert_from<std::uint8_t>(from);
    case Type::s8:
      return convert_from<std::int8_t>(from);
    case Type::u16:
      return convert_from<std::uint16_t>(from);
    case Type::s16:
      return convert_from<std::int16_t>(from);
    case Type::u32:
      return convert_from<std::uint32_t>(from);
    case Type::s32:
      return convert_from<std::int32_t>(from);
    case Type::u64:
      return convert_from<std::uint64_t>(from);
    case Type::s64:
      return convert_from<std::int64_t>(from);
    case Type::f16:
      return convert_from<F16>(from);
    case Type::bf16:
      return convert_from<Bf16>(from);
    case Type::f32:
      return convert_from<float>(from);
    case Type::f64:
      return convert_from<double>(from);
    default:
      return nullptr;
  }
}

template <bool kBf16>
void convert_pair(Warp& w, const Inst& i, std::uint32_t lanes) {  // the first source becomes the upper half
  const float *high = w.row<float>(i.op[1]), *low = w.row<float>(i.op[2]);
  auto* d = w.row<std::uint32_t>(i.op[0]);
  const auto narrow = [](float f) -> std::uint32_t { return kBf16 ? f32_to_bf16(f) : f32_to_f16(f); };
  for_lanes(lanes, [=](int l) { d[l] = narrow(low[l]) | narrow(high[l]) << 16; });
}

/// To nearest even; beyond 448, and from infinity, 448.
std::uint32_t f32_to_e4m3(float f) {
  if (std::isnan(f)) return 0x7f;
  const std::uint32_t sign = std::signbit(f) ? 0x80 : 0;
  const double magnitude = std::abs(double(f));
  if (magnitude >= 448) return sign | 0x7e;
  const int exponent =
      magnitude > 0 ? std::max(std::ilogb(magnitude), -6) : -6;  // subnormals have that of the smallest
  // In steps of its binade (3 bits behind the point); a carry into the next binade is right by itself.
  const auto steps = std::uint32_t(std::nearbyint(std::ldexp(magnitude, 3 - exponent)));
  return sign | (std::uint32_t(exponent + 6) * 8 + steps);
}

void convert_e4m3_pair(Warp& w, const Inst& i, std::uint32_t lanes) {  // the first source becomes the upper byte
  for_lanes(lanes, [&](int l) {
    w.store(i.op[0], l, f32_to_e4m3(w.row<float>(i.op[2])[l]) | f32_to_e4m3(w.row<float>(i.op[1])[l]) << 8);
  });
}

template <bool kAway>
void convert_tf32(Warp& w, const Inst& i, std::uint32_t lanes) {
  for_lanes(lanes, [&](int l) {
    const float f = w.row<float>(i.op[1])[l];
    const std::uint32_t u = f32_to_bits(f);
    const bool finite = (u & 0x7f800000) != 0x7f800000;
    const std::uint32_t even = finite ? (u + 0xfff + (u >> 13 & 1)) & ~0x1fffu : u;
    w.row<std::uint32_t>(i.op[0])[l] = kAway ? f32_to_tf32_rna(f) : even;
  });
}

void set_cvt(Decoding& d) {
  if (d.modifiers.size() < 2) d.fail("cvt needs two types");
  const Type to = parse_type(d.modifiers[d.modifiers.size() - 2]), from = d.type;
  const bool pair = to == Type::bf16x2 || to == Type::f16x2 || to == Type::e4m3x2;
  if (d.has("satfinite") != (to == Type::e4m3x2)) d.fail("unsupported combination of .satfinite and type");
  if (d.args.size() != (pair ? 3u : 2u)) d.fail("wrong number of operands");
  d.add(0, width(to));
  for (std::size_t a = 1; a < d.args.size(); ++a) d.add(a, width(from));
  d.inst.imm[0] = d.has("rzi") ? kZero : d.has("rmi") ? kDown : d.has("rpi") ? kUp : d.has("rni") ? kNearest : kNone;
  d.inst.imm[1] = d.has("sat");
  if (pair || to == Type::tf32) {
    if (from != Type::f32) d.fail("unsupported operand type");
    d.inst.exec = to == Type::e4m3x2   ? convert_e4m3_pair
                  : to == Type::bf16x2 ? convert_pair<true>
                  : to == Type::f16x2  ? convert_pair<false>
                  : d.has("rna")       ? convert_tf32<true>
                                       : convert_tf32<false>;
    return;
  }
  d.inst.exec = choose_convert(to, from);
}

// ---------------------------------------------------------------- mov
template <class T>
void move(Warp& w, const Inst& i, std::uint32_t lanes) {
  T* d = w.row<T>(i.op[0]);
  const T* a = w.row<T>(i.op[1]);
  for_lanes(lanes, [=](int l) { d[l] = a[l]; });
}

void pack(Warp& w, const Inst& i, std::uint32_t lanes) {  // vector to scalar
  for_lanes(lanes, [&](int l) {
    std::uint64_t v = 0;
    unsigned at = 0;
    for (const auto& e : i.op[1].sub) v |= w.load(e, l) << at, at += e.bytes * 8u;
    w.store(i.op[0], l, v);
  });
}

void unpack(Warp& w, const Inst& i, std::uint32_t lanes) {  // imm[0]: bytes of an element
  for_lanes(lanes, [&](int l) {
    std::uint64_t v = w.load(i.op[1], l);
    for (const auto& e : i.op[0].sub) {
      if (e.kind != Operand::Sink) w.store(e, l, v);
      v >>= i.imm[0] * 8;
    }
  });
}

void parameter_address(Warp& w, const Inst& i, std::uint32_t lanes) {
  const auto base = reinterpret_cast<std::uint64_t>(w.machine->params);
  for_lanes(lanes, [&](int l) { w.store(i.op[0], l, base + i.imm[0]); });
}

/// %globaltimer: nanoseconds of the host's clock, which say nothing about any GPU.  A kernel that waits by it makes
/// progress: it is no livelock.
void global_timer(Warp& w, const Inst& i, std::uint32_t lanes) {
  ++w.machine->global.version;
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const auto value = std::uint64_t(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
  for_lanes(lanes, [&](int l) { w.row<std::uint64_t>(i.op[0])[l] = value; });
}

void set_mov(Decoding& d) {
  if (d.args.size() != 2) d.fail("wrong number of operands");
  const unsigned bytes = width(d.type);
  if (d.args[1] == "%globaltimer" && bytes == 8) {
    d.add(0, bytes);
    d.inst.exec = global_timer;
    return;
  }
  const bool packs = d.args[1][0] == '{', unpacks = d.args[0][0] == '{';
  if (packs || unpacks) {
    const std::string& vector = d.args[packs ? 1 : 0];
    const std::size_t elements = split_list(vector.substr(1, vector.rfind('}') - 1)).size();
    if (bytes == 0 || bytes > 8 || elements == 0) d.fail("unsupported operand type");
    d.inst.imm[0] = std::uint32_t(bytes / elements);
    d.add(0, unpacks ? d.inst.imm[0] : bytes), d.add(1, packs ? d.inst.imm[0] : bytes);
    d.inst.exec = packs ? pack : unpack;
    return;
  }
  d.add(0, bytes);
  if (d.decoder.is_parameter(d.args[1])) {
    d.inst.imm[0] = d.decoder.parameter_offset(d.args[1]);
    d.inst.exec = parameter_address;
    return;
  }
  d.add(1, bytes);
  d.inst.is_move = true;
  d.inst.exec = bytes == 2   ? move<std::uint16_t>
                : bytes == 4 ? move<std::uint32_t>
                : bytes == 8 ? move<std::uint64_t>
                             : nullptr;
}

constexpr Opcode kOpcodes[] = {
    {"cvt", "rn rna rzi rmi rpi rni sat satfinite ftz", "-", nullptr, set_cvt},
    {"mov", "", "-", nullptr, set_mov},
};

}  // namespace

std::span<const Opcode> conversion_opcodes() { return kOpcodes; }

}  // namespace simt::ptx
