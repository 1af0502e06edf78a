// tcgen05.mma and cp against expectations written out from the PTX ISA: where elements lie in shared memory ("Shared
// Memory Layout and Swizzling"), where results lie in tensor memory ("Data Path Layout Organization"), the bits of both
// descriptors, and the places of scale factors.  Values are small enough to be exact.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/simt/simt.h"
#include "tests/simt/unit/tcgen05_product.h"

namespace simt::test {
namespace {

// ---------------------------------------------------------------- element types
struct Format {
  const char* name;
  int bits, exponent_bits, mantissa_bits, bias;
  unsigned code;  // in the instruction descriptor
};
constexpr Format kF16{"f16", 16, 5, 10, 15, 0}, kBf16{"bf16", 16, 8, 7, 127, 1}, kTf32{"tf32", 32, 8, 23, 127, 2},
    kFp8E4m3{"e4m3", 8, 4, 3, 7, 0}, kFp8E5m2{"e5m2", 8, 5, 2, 15, 1}, kFp4{"e2m1", 4, 2, 1, 1, 1};

std::uint32_t encode(const Format& f, double value) {  // of a small number that the format holds
  const std::uint32_t sign = std::signbit(value) ? 1u << (f.bits - 1) : 0;
  const double magnitude = std::fabs(value);
  if (magnitude == 0) return sign;
  const int exponent = std::max(std::ilogb(magnitude), 1 - f.bias);
  const auto mantissa = std::uint32_t(std::ldexp(magnitude, f.mantissa_bits - exponent));  // with the leading one
  const std::uint32_t one = 1u << f.mantissa_bits;
  return sign | (mantissa < one ? mantissa : std::uint32_t(exponent + f.bias) << f.mantissa_bits | (mantissa - one));
}

// ---------------------------------------------------------------- operands in shared memory
struct Layout {
  const char* name;
  unsigned mode;  // bits 61-63 of the descriptor
  int span;       // bytes of a row of the pattern
  bool mn_major;
};
constexpr Layout kLayouts[] = {{"k128", 2, 128, false}, {"k64", 4, 64, false}, {"k32", 6, 32, false}, {"k0", 0, 16, false},
                               {"mn128", 2, 128, true}, {"mn64", 4, 64, true}, {"mn32", 6, 32, true}, {"mn0", 0, 16, true}};

/// Exchanges 16-byte chunks within a row: the pattern repeats every 8 rows and has span / 16 variants.
int swizzled(int byte, int row, int span) {
  const int variants = span / 16;
  return byte ^ (row % 8 * variants / 8) << 4;
}

struct Operand {
  Layout layout;
  int extent, k, bits;  // extent along m or n
  int leading() const {  // bytes
    if (layout.mn_major) return layout.mode ? 8 * layout.span * (k / 8) : 128 * (extent * bits / 128);
    return layout.mode ? 16 : 128 * (extent / 8);
  }
  int stride() const { return layout.mode ? 8 * layout.span : 128; }
  /// Byte of the element, and the first bit in it.
  std::pair<int, int> place(int mn, int p) const {
    if (layout.mn_major) {
      const int byte = mn * bits / 8, row = p % 8;
      if (!layout.mode) return {byte / 16 * stride() + p / 8 * leading() + row * 16 + byte % 16, 0};
      return {byte / layout.span * leading() + p / 8 * stride() + row * layout.span +
                  swizzled(byte % layout.span, row, layout.span),
              0};
    }
    const int byte = p * bits / 8, bit = p * bits % 8;
    if (!layout.mode) return {byte / 16 * leading() + mn / 8 * stride() + mn % 8 * 16 + byte % 16, bit};
    return {mn / 8 * stride() + mn % 8 * layout.span + swizzled(byte, mn, layout.span), bit};
  }
  int bytes() const { return (extent * k * bits / 8 + 1023) / 1024 * 1024; }
  std::uint64_t descriptor(int start) const {
    return std::uint64_t(start >> 4) | std::uint64_t(leading() >> 4) << 16 | std::uint64_t(stride() >> 4) << 32 |
           std::uint64_t(1) << 46 | std::uint64_t(layout.mode) << 61;
  }
  /// From one product to the next, 32 bytes of k further (or as many elements), in descriptor units.
  std::uint64_t step() const {
    const int elements = 256 / bits;
    if (layout.mn_major) return std::uint64_t(elements / 8 * (layout.mode ? stride() : leading()) >> 4);
    return std::uint64_t(layout.mode ? 32 : 2 * leading()) >> 4;
  }
};

void put(std::vector<unsigned char>& image, std::pair<int, int> place, int bits, std::uint32_t value) {
  for (int b = 0; b < bits; b += 4)  // by half bytes
    image[std::size_t(place.first + (place.second + b) / 8)] |=
        static_cast<unsigned char>((value >> b & 15) << (place.second + b) % 8);
}

// ---------------------------------------------------------------- products
struct Case {
  const char* kernel;
  Format format;
  int m, n, steps;
  int ctas = 1;
  Layout a{}, b{};
  bool accumulate = false;
  int sign_a = 1, sign_b = 1;
  int scale_vector = 0, scale_byte = 0;
  bool scale_is_e8m0 = false;
};

/// Where element (row, column) of D lies: CTA, lane, column.
std::array<int, 3> result_place(const Case& c, int row, int column) {
  const int rows = c.m / c.ctas, cta = row / rows, r = row % rows;
  if (c.m == 64) return {cta, r / 16 * 32 + r % 16, column};
  if (rows == 64) return {cta, r + (column < c.n / 2 ? 0 : 64), column % (c.n / 2)};
  return {cta, r, column};
}

std::vector<double> random_numbers(int count, const Format& f, unsigned seed) {
  static constexpr double kValues[] = {0, 0.5, 1, 1.5, 2, 3, -0.5, -1, -1.5, -2, -3, 4};
  std::mt19937 generator(seed);
  std::vector<double> v(static_cast<std::size_t>(count));
  for (auto& x : v) x = kValues[generator() % std::size(kValues)];
  (void)f;
  return v;
}

class ScaleTile {  // 128 x 4 tiles, one after another along the rows
 public:
  ScaleTile(int rows, const Case& c, unsigned seed) : case_(c), bytes_(std::size_t((rows + 127) / 128 * 512), 0x55) {
    std::mt19937 generator(seed);
    values_.resize(std::size_t(rows * c.scale_vector));
    for (int r = 0; r < rows; ++r)
      for (int v = 0; v < c.scale_vector; ++v) {
        const double value = std::ldexp(1.0, int(generator() % 4) - 1);  // 0.5 to 4
        values_[std::size_t(r * c.scale_vector + v)] = value;
        bytes_[std::size_t(r / 128 * 512 + r % 32 * 16 + r / 32 % 4 * 4 + c.scale_byte + v)] =
            static_cast<unsigned char>(c.scale_is_e8m0 ? 127 + std::ilogb(value) : encode(kFp8E4m3, value));
      }
  }
  double of(int row, int k, int depth) const {
    return case_.scale_vector ? values_[std::size_t(row * case_.scale_vector + k * case_.scale_vector / depth)] : 1;
  }
  const std::vector<unsigned char>& bytes() const { return bytes_; }

 private:
  const Case& case_;
  std::vector<unsigned char> bytes_;
  std::vector<double> values_;
};

std::string check(const Case& c, Async async) {
  const int per_step = 256 / c.format.bits, depth = per_step * c.steps, rows = c.m / c.ctas, columns = c.n / c.ctas;
  const Operand a{c.a, rows, depth, c.format.bits}, b{c.b, columns, depth, c.format.bits};
  const auto A = random_numbers(c.m * depth, c.format, 1), B = random_numbers(c.n * depth, c.format, 2);
  std::vector<ScaleTile> scale_a;
  for (int p = 0; p < c.ctas; ++p) scale_a.emplace_back(rows, c, 3 + p);
  const ScaleTile scale_b(c.n, c, 9);
  const int b_start = a.bytes(), sa_start = b_start + b.bytes(), sb_start = sa_start + 512;
  Product p{};
  p.bytes = sb_start + 1024;
  std::vector<unsigned char> image;
  for (int cta = 0; cta < c.ctas; ++cta) {
    std::vector<unsigned char> part(static_cast<std::size_t>(p.bytes), 0), second(part);
    for (int k = 0; k < depth; ++k) {
      for (int r = 0; r < rows; ++r)
        put(part, a.place(r, k), c.format.bits, encode(c.format, A[std::size_t((cta * rows + r) * depth + k)]));
      for (int j = 0; j < columns; ++j) {
        auto place = b.place(j, k);
        place.first += b_start;
        put(part, place, c.format.bits, encode(c.format, B[std::size_t((cta * columns + j) * depth + k)]));
      }
    }
    if (c.scale_vector) {
      const auto &sa = scale_a[std::size_t(cta)].bytes(), &sb = scale_b.bytes();
      std::copy(sa.begin(), sa.end(), part.begin() + sa_start);
      std::copy(sb.begin(), sb.end(), part.begin() + sb_start);
    }
    image.insert(image.end(), part.begin(), part.end());
  }
  p.a = a.descriptor(0), p.b = b.descriptor(b_start), p.a_step = a.step(), p.b_step = b.step();
  p.instruction = c.format.code << 7 | c.format.code << 10 | (c.sign_a < 0 ? 1u << 13 : 0) | (c.sign_b < 0 ? 1u << 14 : 0) |
                  unsigned(c.a.mn_major) << 15 | unsigned(c.b.mn_major) << 16 | unsigned(c.n / 8) << 17 |
                  unsigned(c.m / 16) << 24;
  p.instruction |= c.scale_vector ? unsigned(c.scale_is_e8m0) << 23 | unsigned(c.scale_byte) << 29 | unsigned(c.scale_byte) << 4
                                  : 1u << 4;
  p.scale_a = unsigned(sa_start), p.scale_b = unsigned(sb_start), p.b_scale_tiles = (c.n + 127) / 128;
  p.steps = c.steps, p.columns = c.ctas == 2 && rows == 64 ? c.n / 2 : c.n, p.accumulate = c.accumulate;

  const ptx::Module module(ptx_text(ASSAY_PTX_DIR, "tcgen05"));
  DeviceHeap heap;
  auto* out = heap.poisoned<float>(std::size_t(c.ctas * 128 * p.columns));
  Options options;
  options.async = async, options.heap = &heap, options.shuffle_schedule = async == Async::Random;
  const auto ctas = unsigned(c.ctas);
  try {
    launch(module.kernel(c.kernel), {{ctas, 1, 1}, {128, 1, 1}, unsigned(p.bytes), {ctas, 1, 1}}, options, p,
           heap.upload(image), out);
  } catch (const Error& e) {
    return e.what();
  }
  for (int r = 0; r < c.m; ++r)
    for (int j = 0; j < c.n; ++j) {
      const auto [cta, lane, column] = result_place(c, r, j);
      double sum = c.accumulate ? lane + column : 0;
      for (int k = 0; k < depth; ++k)
        sum += c.sign_a * A[std::size_t(r * depth + k)] * scale_a[std::size_t(r / rows)].of(r % rows, k, depth) * c.sign_b *
               B[std::size_t(j * depth + k)] * scale_b.of(j, k, depth);
      const double got = out[(cta * 128 + lane) * p.columns + column];
      if (!(got == sum)) return format("(%d, %d) is %g, not %g", r, j, got, sum);
    }
  return "";
}

constexpr Async kPolicies[] = {Async::Lazy, Async::Eager, Async::Random};

TEST(TensorProduct, EveryLayoutOfSharedMemory) {
  for (const Layout& l : kLayouts)
    for (const Format& f : {kBf16, kFp8E4m3}) {
      const int steps = l.mn_major || !l.mode ? 2 : l.span / 32;  // swizzled K-major rows are one span long
      Case c{f.bits == 16 ? "product_f16" : "product_f8f6f4", f, 128, 128, steps};
      c.a = l, c.b = kLayouts[0];
      if (!l.mn_major && l.mode) c.b = l;
      if (l.mn_major || !l.mode) c.b = l;
      EXPECT_EQ(check(c, Async::Lazy), "") << f.name << " " << l.name;
    }
}

TEST(TensorProduct, MajorsMix) {
  Case c{"product_f16", kBf16, 128, 64, 4};
  c.a = kLayouts[4], c.b = kLayouts[0];
  EXPECT_EQ(check(c, Async::Lazy), "");
  std::swap(c.a, c.b);
  EXPECT_EQ(check(c, Async::Lazy), "");
}

TEST(TensorProduct, EveryPolicyShapeAndSign) {
  for (const Async async : kPolicies)
    for (const auto& [m, n] : {std::pair{128, 16}, {128, 256}, {64, 8}, {64, 136}}) {
      Case c{"product_f16", kBf16, m, n, 2};
      c.a = c.b = kLayouts[1];
      EXPECT_EQ(check(c, async), "") << m << "x" << n;
      c.accumulate = m == 128, c.sign_a = -1;
      EXPECT_EQ(check(c, async), "") << m << "x" << n;
      c.sign_b = -1;
      EXPECT_EQ(check(c, async), "") << m << "x" << n;
    }
}

TEST(TensorProduct, Formats) {
  for (const auto& [kernel, f] : {std::pair{"product_f16", kF16}, {"product_f8f6f4", kFp8E5m2}, {"product_tf32", kTf32}}) {
    Case c{kernel, f, 128, 48, 4};
    c.a = c.b = kLayouts[0];
    EXPECT_EQ(check(c, Async::Lazy), "") << f.name;
  }
}

TEST(TensorProduct, Pairs) {
  for (const Async async : kPolicies)
    for (const auto& [m, n] : {std::pair{256, 256}, {256, 64}, {128, 128}}) {
      Case c{"product_f16_pair", kBf16, m, n, 4, 2};
      c.a = c.b = kLayouts[0];
      EXPECT_EQ(check(c, async), "") << m << "x" << n;
      c.kernel = "product_f8f6f4_pair", c.format = kFp8E4m3;
      EXPECT_EQ(check(c, async), "") << m << "x" << n;
    }
}

TEST(TensorProduct, BlockScaled) {
  for (const int byte : {0, 1, 2, 3}) {
    Case c{"product_mxf8f6f4", kFp8E4m3, 128, 192, 1};
    c.a = c.b = kLayouts[2], c.scale_vector = 1, c.scale_byte = byte, c.scale_is_e8m0 = true;
    EXPECT_EQ(check(c, Async::Lazy), "") << byte;
  }
  for (const char* kernel : {"product_mxf4", "product_mxf4nvf4_2x"})
    for (const int byte : {0, 2}) {
      Case c{kernel, kFp4, 128, 256, 1};
      c.a = c.b = kLayouts[2], c.scale_vector = 2, c.scale_byte = byte, c.scale_is_e8m0 = true;
      EXPECT_EQ(check(c, Async::Eager), "") << kernel << byte;
    }
  for (const bool e8m0 : {false, true}) {
    Case c{"product_mxf4nvf4", kFp4, 128, 64, 1};
    c.a = c.b = kLayouts[2], c.scale_vector = 4, c.scale_is_e8m0 = e8m0;
    EXPECT_EQ(check(c, Async::Random), "");
    c.kernel = "product_mxf4nvf4_pair", c.m = 256, c.n = 256, c.ctas = 2;
    for (const Async async : kPolicies) EXPECT_EQ(check(c, async), "");
  }
}

TEST(TensorCopy, RowsGoToLanes) {
  const ptx::Module module(ptx_text(ASSAY_PTX_DIR, "tcgen05"));
  for (const auto& [kernel, rows, bytes] : {std::tuple{"copy_32x128b", 32, 16}, {"copy_128x128b", 128, 16}, {"copy_128x256b", 128, 32}}) {
    DeviceHeap heap;
    std::vector<std::uint32_t> words(2048);
    std::vector<unsigned char> image(8192);
    Product p{};
    p.bytes = int(image.size()), p.columns = bytes / 4;
    // Eight rows of 16 bytes are a core matrix; the second 16 bytes of a row lie 2048 bytes further.
    p.a = std::uint64_t(2048 >> 4) << 16 | std::uint64_t(128 >> 4) << 32 | std::uint64_t(1) << 46;
    for (int r = 0; r < rows; ++r)
      for (int w = 0; w < bytes / 4; ++w) {
        const std::uint32_t value = std::uint32_t(r * 100 + w);
        std::memcpy(&image[std::size_t(w / 4 * 2048 + r / 8 * 128 + r % 8 * 16 + w % 4 * 4)], &value, 4);
      }
    auto* out = heap.poisoned<std::uint32_t>(std::size_t(128 * p.columns));
    Options options;
    options.heap = &heap;
    launch(module.kernel(kernel), {{1, 1, 1}, {128, 1, 1}, unsigned(p.bytes), {1, 1, 1}}, options, p, heap.upload(image), out);
    for (int lane = 0; lane < 128; ++lane)
      for (int w = 0; w < p.columns; ++w)
        ASSERT_EQ(out[lane * p.columns + w], std::uint32_t(lane % rows * 100 + w)) << kernel << " lane " << lane;
  }
}

}  // namespace
}  // namespace simt::test
