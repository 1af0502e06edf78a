// Lane-wise instructions against the host's arithmetic.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>

#include "tests/simt/unit/one_instruction.h"

namespace simt::test {
namespace {

using U32 = std::uint32_t;
using S32 = std::int32_t;

/// Edge values first, then random bits.
template <class T>
std::array<T, 32> samples(unsigned seed) {
  std::mt19937_64 generator(seed);
  std::array<T, 32> v{
      T(0), T(1), T(2), T(3), T(~T(0)), T(T(1) << (sizeof(T) * 8 - 1)), T(~(T(1) << (sizeof(T) * 8 - 1))), T(33)};
  for (std::size_t i = 8; i < 32; ++i) v[i] = T(generator());
  std::rotate(v.begin(), v.begin() + seed % 32, v.end());
  return v;
}

struct IntegerCase {
  const char* instruction;
  std::function<U32(U32, U32, U32)> expected;
};

U32 byte_of(U32 a, U32 b, U32 selector) {
  const U32 byte = (selector & 7) < 4 ? a >> 8 * (selector & 3) & 255 : b >> 8 * (selector & 3) & 255;
  return selector & 8 ? (byte & 128 ? 255 : 0) : byte;
}

const IntegerCase kIntegerCases[] = {
    {"add.u32 %d, %a, %b", [](U32 a, U32 b, U32) { return a + b; }},
    {"sub.s32 %d, %a, %b", [](U32 a, U32 b, U32) { return a - b; }},
    {"mul.lo.s32 %d, %a, %b", [](U32 a, U32 b, U32) { return a * b; }},
    {"mul.hi.u32 %d, %a, %b", [](U32 a, U32 b, U32) { return U32(std::uint64_t(a) * b >> 32); }},
    {"mul.hi.s32 %d, %a, %b", [](U32 a, U32 b, U32) { return U32(std::int64_t(S32(a)) * S32(b) >> 32); }},
    {"mad.lo.s32 %d, %a, %b, %c", [](U32 a, U32 b, U32 c) { return a * b + c; }},
    {"div.u32 %d, %a, %b", [](U32 a, U32 b, U32) { return b ? a / b : ~0u; }},
    {"rem.u32 %d, %a, %b", [](U32 a, U32 b, U32) { return b ? a % b : a; }},
    {"min.s32 %d, %a, %b", [](U32 a, U32 b, U32) { return U32(std::min(S32(a), S32(b))); }},
    {"max.u32 %d, %a, %b", [](U32 a, U32 b, U32) { return std::max(a, b); }},
    {"neg.s32 %d, %a", [](U32 a, U32, U32) { return 0u - a; }},
    {"abs.s32 %d, %a", [](U32 a, U32, U32) { return S32(a) < 0 ? 0u - a : a; }},
    {"not.b32 %d, %a", [](U32 a, U32, U32) { return ~a; }},
    {"shl.b32 %d, %a, %b", [](U32 a, U32 b, U32) { return b > 31 ? 0 : a << b; }},
    {"shr.u32 %d, %a, %b", [](U32 a, U32 b, U32) { return b > 31 ? 0 : a >> b; }},
    {"shr.s32 %d, %a, %b", [](U32 a, U32 b, U32) { return U32(S32(a) >> std::min(b, 31u)); }},
    {"shf.l.wrap.b32 %d, %a, %b, %c",
     [](U32 a, U32 b, U32 c) { return c % 32 ? b << c % 32 | a >> (32 - c % 32) : b; }},
    {"shf.r.wrap.b32 %d, %a, %b, %c",
     [](U32 a, U32 b, U32 c) { return c % 32 ? b << (32 - c % 32) | a >> c % 32 : a; }},
    {"shf.r.clamp.b32 %d, %a, %b, %c",
     [](U32 a, U32 b, U32 c) { return c >= 32 ? b
                                      : c     ? b << (32 - c) | a >> c
                                              : a; }},
    {"lop3.b32 %d, %a, %b, %c, 0xE8", [](U32 a, U32 b, U32 c) { return (a & b) | (a & c) | (b & c); }},
    {"lop3.b32 %d, %a, %b, %c, 0x96", [](U32 a, U32 b, U32 c) { return a ^ b ^ c; }},
    {"prmt.b32 %d, %a, %b, %c",
     [](U32 a, U32 b, U32 c) {
       return byte_of(a, b, c & 15) | byte_of(a, b, c >> 4 & 15) << 8 | byte_of(a, b, c >> 8 & 15) << 16 |
              byte_of(a, b, c >> 12 & 15) << 24;
     }},
    {"bfe.u32 %d, %a, 5, 9", [](U32 a, U32, U32) { return a >> 5 & 511; }},
    {"bfe.s32 %d, %a, 5, 9", [](U32 a, U32, U32) { return U32(S32(a << 18) >> 23); }},
    {"bfe.s32 %d, %a, 28, 9", [](U32 a, U32, U32) { return U32(S32(a) >> 28); }},  // sticks out: the top bit fills
    {"bfi.b32 %d, %a, %b, 8, 12", [](U32 a, U32 b, U32) { return (b & ~0xfff00u) | (a & 0xfff) << 8; }},
    {"popc.b32 %d, %a", [](U32 a, U32, U32) { return U32(std::popcount(a)); }},
    {"clz.b32 %d, %a", [](U32 a, U32, U32) { return U32(std::countl_zero(a)); }},
    {"brev.b32 %d, %a",
     [](U32 a, U32, U32) {
       U32 r = 0;
       for (int i = 0; i < 32; ++i) r |= (a >> i & 1) << (31 - i);
       return r;
     }},
    {"{.reg .pred q; setp.lt.s32 q, %a, %b; selp.b32 %d, %c, 7, q;}",
     [](U32 a, U32 b, U32 c) { return S32(a) < S32(b) ? c : 7; }},
    {"{.reg .pred q, r; setp.gt.u32 q, %a, 5; setp.ne.and.b32 r, %b, %c, q; selp.b32 %d, 1, 0, r;}",
     [](U32 a, U32 b, U32 c) { return U32(a > 5 && b != c); }},
    {"{.reg .pred q, r; setp.le.u32 q|r, %a, %b; selp.b32 %d, 1, 0, r;}", [](U32 a, U32 b, U32) { return U32(a > b); }},
    {"{.reg .b16 l, h; mov.b32 {l, h}, %a; mov.b32 %d, {h, l};}", [](U32 a, U32, U32) { return a << 16 | a >> 16; }},
    {"{.reg .b64 q; mul.wide.u32 q, %a, %b; cvt.u32.u64 %d, q;}", [](U32 a, U32 b, U32) { return a * b; }},
    {"cvt.s32.s8 %d, %a", [](U32 a, U32, U32) { return U32(S32(std::int8_t(a))); }},
    {"cvt.u32.u16 %d, %a", [](U32 a, U32, U32) { return a & 0xffff; }},
    {"cvt.sat.u8.u32 %d, %a", [](U32 a, U32, U32) { return std::min(a, 255u); }},
};

TEST(Instruction, IntegersEqualTheHosts) {
  const auto a = samples<U32>(1), b = samples<U32>(7), c = samples<U32>(19);
  for (const auto& [instruction, expected] : kIntegerCases) {
    const auto d = run_instruction<U32, U32>(instruction, ".b32", ".b32", {a, b, c});
    for (std::size_t l = 0; l < 32; ++l) EXPECT_EQ(d[l], expected(a[l], b[l], c[l])) << instruction << ", lane " << l;
  }
}

struct FloatCase {
  const char* instruction;
  std::function<float(float, float, float)> expected;
};
const FloatCase kFloatCases[] = {
    {"add.f32 %d, %a, %b", [](float a, float b, float) { return a + b; }},
    {"sub.rn.f32 %d, %a, %b", [](float a, float b, float) { return a - b; }},
    {"mul.f32 %d, %a, %b", [](float a, float b, float) { return a * b; }},
    {"fma.rn.f32 %d, %a, %b, %c", [](float a, float b, float c) { return std::fma(a, b, c); }},
    {"div.rn.f32 %d, %a, %b", [](float a, float b, float) { return a / b; }},
    {"min.f32 %d, %a, %b", [](float a, float b, float) { return std::fmin(a, b); }},
    {"max.f32 %d, %a, %b", [](float a, float b, float) { return std::fmax(a, b); }},
    {"neg.f32 %d, %a", [](float a, float, float) { return -a; }},
    {"abs.f32 %d, %a", [](float a, float, float) { return std::fabs(a); }},
    {"sqrt.rn.f32 %d, %a", [](float a, float, float) { return std::sqrt(a); }},
    {"cvt.rzi.f32.f32 %d, %a", [](float a, float, float) { return std::trunc(a); }},
    {"cvt.rmi.f32.f32 %d, %a", [](float a, float, float) { return std::floor(a); }},
    {"cvt.sat.f32.f32 %d, %a", [](float a, float, float) { return std::isnan(a) ? 0 : std::clamp(a, 0.f, 1.f); }},
    {"{.reg .s32 i; cvt.rni.s32.f32 i, %a; cvt.rn.f32.s32 %d, i;}",
     [](float a, float, float) {
       return std::isnan(a) ? 0 : float(std::clamp(std::nearbyint(double(a)), -2147483648.0, 2147483647.0));
     }},
    {"{.reg .b16 h; cvt.rn.bf16.f32 h, %a; cvt.f32.bf16 %d, h;}",
     [](float a, float, float) {  // to the nearer neighbour of 8 significand bits; ties to even
       if (std::isnan(a) || std::isinf(a)) return a;
       const U32 u = std::bit_cast<U32>(a), low = u & 0xffff, down = u & 0xffff0000u;
       const bool up = low > 0x8000 || (low == 0x8000 && (u & 0x10000));
       return std::bit_cast<float>(down + (up ? 0x10000u : 0));
     }},
    {"{.reg .b16 h; cvt.rn.f16.f32 h, %a; cvt.f32.f16 %d, h;}",
     [](float a, float, float) { return float(_Float16(a)); }},
};

TEST(Instruction, FloatsEqualTheHosts) {
  std::mt19937 generator(3);
  std::normal_distribution<float> normal(0, 3);
  std::array<float, 32> a, b, c;
  for (auto* v : {&a, &b, &c})
    for (auto& x : *v) x = normal(generator);
  a[0] = 0, a[1] = -0.f, a[2] = NAN, a[3] = INFINITY, a[4] = 1e-7f, a[5] = 65519, a[6] = 65520, a[7] = 3e9f,
  a[8] = 2.5f;
  for (const auto& [instruction, expected] : kFloatCases) {
    const auto d = run_instruction<float, float>(instruction, ".f32", ".f32", {a, b, c});
    for (std::size_t l = 0; l < 32; ++l) {
      const float want = expected(a[l], b[l], c[l]);
      if (std::isnan(want))
        EXPECT_TRUE(std::isnan(d[l])) << instruction << ", lane " << l;
      else
        EXPECT_EQ(d[l], want) << instruction << ", lane " << l;
    }
  }
}

TEST(Instruction, Tf32RoundsTiesAwayFromZero) {
  std::array<float, 32> a{1.f, 1.f + 0x1p-11f, -1.f - 0x1p-11f, 1.f + 0x1p-12f, 1.f + 0x1.8p-11f, 0x1.ffep127f};
  const auto d = run_instruction<U32, float>("cvt.rna.tf32.f32 %d, %a", ".b32", ".f32", {a});
  EXPECT_EQ(d[0], 0x3f800000u);
  EXPECT_EQ(d[1], 0x3f802000u);  // half a unit: up
  EXPECT_EQ(d[2], 0xbf802000u);  // half a unit: away from zero
  EXPECT_EQ(d[3], 0x3f800000u);
  EXPECT_EQ(d[4], 0x3f802000u);
}

TEST(Instruction, E4m3PairsRoundToEvenAndSaturate) {
  std::array<float, 32> a{1.f, 1.0625f, 1.1875f, 448.f, 1000.f, 0x1p-9f, 0x1p-10f, 0x1.8p-9f, -17.f, NAN, -INFINITY};
  std::array<float, 32> b{-0.f, 0x1.ep-7f, 0x1.fp-7f, 248.f, 2.f};
  const auto d = run_instruction<U32, float>("{.reg .b16 h; cvt.rn.satfinite.e4m3x2.f32 h, %b, %a; cvt.u32.u16 %d, h;}",
                                             ".b32", ".f32", {a, b});
  const std::array<U32, 11> low{0x38, 0x38, 0x3a, 0x7e, 0x7e, 0x01, 0x00, 0x02, 0xd8, 0x7f, 0xfe};
  for (std::size_t l = 0; l < low.size(); ++l) EXPECT_EQ(d[l] & 0xff, low[l]) << "lane " << l << ": " << a[l];
  const std::array<U32, 5> high{0x80, 0x08, 0x08, 0x78, 0x40};  // from the largest subnormal, 0x1.cp-7; a tie
  for (std::size_t l = 0; l < high.size(); ++l) EXPECT_EQ(d[l] >> 8, high[l]) << "lane " << l << ": " << b[l];
}

TEST(Instruction, DirectedRounding) {
  std::array<float, 32> one{}, tiny{};
  one.fill(1), tiny.fill(0x1p-30f);
  one[1] = -1, tiny[1] = -0x1p-30f;
  const auto up = run_instruction<float, float>("add.rp.f32 %d, %a, %b", ".f32", ".f32", {one, tiny});
  const auto down = run_instruction<float, float>("fma.rm.f32 %d, %a, %a, %b", ".f32", ".f32", {one, tiny});
  const auto zero = run_instruction<float, float>("add.rz.f32 %d, %a, %b", ".f32", ".f32", {one, tiny});
  EXPECT_EQ(up[0], std::nextafter(1.f, 2.f));
  EXPECT_EQ(up[1], -1.f);
  EXPECT_EQ(down[0], 1.f);
  EXPECT_EQ(down[1], std::nextafter(1.f, 0.f));
  EXPECT_EQ(zero[0], 1.f);
  EXPECT_EQ(zero[1], -1.f);
}

TEST(Instruction, PackedHalvesActSeparately) {
  std::array<U32, 32> a, b, c;
  const auto pair = [](_Float16 low, _Float16 high) {
    return U32(std::bit_cast<std::uint16_t>(low)) | U32(std::bit_cast<std::uint16_t>(high)) << 16;
  };
  const auto half = [](U32 v, int h) { return std::bit_cast<_Float16>(std::uint16_t(v >> 16 * h)); };
  std::mt19937 generator(5);
  std::normal_distribution<float> normal(0, 10);
  for (auto* v : {&a, &b, &c})
    for (auto& x : *v) x = pair(_Float16(normal(generator)), _Float16(normal(generator)));
  const auto sum = run_instruction<U32, U32>("add.f16x2 %d, %a, %b", ".b32", ".b32", {a, b});
  const auto product = run_instruction<U32, U32>("mul.f16x2 %d, %a, %b", ".b32", ".b32", {a, b});
  for (std::size_t l = 0; l < 32; ++l) {
    EXPECT_EQ(sum[l], pair(_Float16(half(a[l], 0) + half(b[l], 0)), _Float16(half(a[l], 1) + half(b[l], 1))));
    EXPECT_EQ(product[l], pair(_Float16(half(a[l], 0) * half(b[l], 0)), _Float16(half(a[l], 1) * half(b[l], 1))));
  }
  std::array<float, 32> low, high;
  for (std::size_t l = 0; l < 32; ++l) high[l] = float(l) + 0.25f, low[l] = -float(l);
  const auto packed = run_instruction<U32, float>("cvt.rn.f16x2.f32 %d, %a, %b", ".b32", ".f32", {high, low});
  for (std::size_t l = 0; l < 32; ++l) EXPECT_EQ(packed[l], pair(_Float16(low[l]), _Float16(high[l])));
}

TEST(Decoder, NamesWhatItDoesNotKnow) {
  const auto message = [](const std::string& instruction) -> std::string {
    try {
      const ptx::Module module(ptx_kernel({"out"}, instruction));
      return "accepted";
    } catch (const Error& e) {
      EXPECT_EQ(e.fault, Fault::Unsupported);
      return e.what();
    }
  };
  EXPECT_NE(message("dp4a.u32.u32 %r0, %r1, %r2, %r3;").find("dp4a"), std::string::npos);
  EXPECT_NE(message("add.sat.f32 %f0, %f1, %f2;").find("modifier .sat"), std::string::npos);
  EXPECT_NE(message("and.f32 %f0, %f1, %f2;").find("type"), std::string::npos);
  EXPECT_NE(message("ld.shared::cluster.u32 %r0, [%r1];").find("shared::cluster"), std::string::npos);
  EXPECT_NE(message("add.u32 %r0, %r1;").find("too few operands"), std::string::npos);
  EXPECT_NE(message("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%r0,%r1,%r2,%r3}, {%r4,%r5,%r6,%r7}, {%r8,%r9}, "
                    "{%r0,%r1,%r2,%r3};")
                .find("mma"),
            std::string::npos);
  EXPECT_EQ(message("add.u32 %r0, %r1, %r2;"), "accepted");
}

TEST(Arithmetic, PairsOfF32) {
  using Pair = std::array<float, 2>;
  std::array<Pair, 32> a, b, c;
  for (std::size_t l = 0; l < 32; ++l) {
    const float x = float(l);
    a[l] = {x / 3, 7 - x}, b[l] = {x + 0.1f, -x / 7}, c[l] = {-x * x / 3, 1e8f};
  }
  const auto fma = run_instruction<Pair, Pair>("fma.rn.f32x2 %d, %a, %b, %c", ".b64", ".b64", {a, b, c});
  const auto sum = run_instruction<Pair, Pair>("add.rn.f32x2 %d, %a, %b", ".b64", ".b64", {a, b});
  const auto product = run_instruction<Pair, Pair>("mul.rn.f32x2 %d, %a, %b", ".b64", ".b64", {a, b});
  for (std::size_t l = 0; l < 32; ++l)
    for (std::size_t e = 0; e < 2; ++e) {
      EXPECT_EQ(fma[l][e], std::fma(a[l][e], b[l][e], c[l][e])) << l;
      EXPECT_EQ(sum[l][e], a[l][e] + b[l][e]) << l;
      EXPECT_EQ(product[l][e], a[l][e] * b[l][e]) << l;
    }
}

}  // namespace
}  // namespace simt::test
