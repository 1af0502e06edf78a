// tcgen05.mma and cp against expectations written out from the PTX ISA: where elements lie in shared memory ("Shared
// Memory Layout and Swizzling"), where results lie in tensor memory ("Data Path Layout Organization"), the bits of both
// descriptors, and the places of scale factors.  Values are small enough to be exact.
#include <gtest/gtest.h>

#include "tests/simt/simt.h"
#include "tests/simt/unit/tcgen05_expected.h"
#include "tests/simt/unit/tcgen05_product.h"

namespace simt::test {
namespace {

std::string check(const Case& c, Async async) {
  const int per_step = 256 / c.format.bits, depth = per_step * c.steps, rows = c.m / c.ctas, columns = c.n / c.ctas;
  const Operand a{c.a, rows, depth, c.format.bits}, b{c.b, columns, depth, c.format.bits};
  const auto A = random_numbers(c.m * depth, 1), B = random_numbers(c.n * depth, 2);
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
  p.instruction = c.format.code << 7 | c.format.code << 10 | (c.sign_a < 0 ? 1u << 13 : 0) |
                  (c.sign_b < 0 ? 1u << 14 : 0) | unsigned(c.a.mn_major) << 15 | unsigned(c.b.mn_major) << 16 |
                  unsigned(c.n / 8) << 17 | unsigned(c.m / 16) << 24;
  p.instruction |= c.scale_vector
                       ? unsigned(c.scale_is_e8m0) << 23 | unsigned(c.scale_byte) << 29 | unsigned(c.scale_byte) << 4
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
        sum += c.sign_a * A[std::size_t(r * depth + k)] * scale_a[std::size_t(r / rows)].of(r % rows, k, depth) *
               c.sign_b * B[std::size_t(j * depth + k)] * scale_b.of(j, k, depth);
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
  for (const auto& [kernel, f] :
       {std::pair{"product_f16", kF16}, {"product_f8f6f4", kFp8E5m2}, {"product_tf32", kTf32}}) {
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
  for (const auto& [kernel, rows, bytes] :
       {std::tuple{"copy_32x128b", 32, 16}, {"copy_128x128b", 128, 16}, {"copy_128x256b", 128, 32}}) {
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
    launch(module.kernel(kernel), {{1, 1, 1}, {128, 1, 1}, unsigned(p.bytes), {1, 1, 1}}, options, p,
           heap.upload(image), out);
    for (int lane = 0; lane < 128; ++lane)
      for (int w = 0; w < p.columns; ++w)
        ASSERT_EQ(out[lane * p.columns + w], std::uint32_t(lane % rows * 100 + w)) << kernel << " lane " << lane;
  }
}

}  // namespace
}  // namespace simt::test
