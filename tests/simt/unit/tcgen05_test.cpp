// tcgen05.mma and cp against expectations written out from the PTX ISA (tcgen05_expected.h).  Values are small enough
// to be exact.
#include <gtest/gtest.h>

#include "tests/simt/simt.h"
#include "tests/simt/unit/tcgen05_expected.h"

namespace simt::test {
namespace {

const ptx::Module& module_of_products() {  // reading it takes as long as running a case
  static const ptx::Module module(ptx_text(ASSAY_PTX_DIR, "tcgen05"));
  return module;
}

std::string check(const Case& c, Async async) {
  const ptx::Module& module = module_of_products();
  const Prepared p = prepare(c);
  DeviceHeap heap;
  auto* out = heap.poisoned<float>(std::size_t(c.ctas * 128 * p.product.columns));
  Options options;
  options.async = async, options.heap = &heap, options.shuffle_schedule = async == Async::Random;
  const auto ctas = unsigned(c.ctas);
  try {
    launch(module.kernel(c.kernel), {{ctas, 1, 1}, {128, 1, 1}, unsigned(p.product.bytes), {ctas, 1, 1}}, options,
           p.product, heap.upload(p.image), out);
  } catch (const Error& e) {
    return e.what();
  }
  for (int r = 0; r < c.m; ++r)
    for (int j = 0; j < c.n; ++j) {
      const auto [cta, lane, column] = result_place(c, r, j);
      const double got = out[(cta * 128 + lane) * p.product.columns + column];
      const double expected = p.expected[std::size_t(r * c.n + j)];
      if (!(got == expected)) return format("(%d, %d) is %g, not %g", r, j, got, expected);
    }
  return "";
}

constexpr Async kPolicies[] = {Async::Lazy, Async::Eager, Async::Random};

TEST(TensorProduct, EveryLayoutOfSharedMemory) {
  for (const Case& c : layout_cases()) EXPECT_EQ(check(c, Async::Lazy), "") << c.name;
}

TEST(TensorProduct, EveryPolicyShapeAndSign) {
  for (const Async async : kPolicies)
    for (const Case& c : shape_cases()) EXPECT_EQ(check(c, async), "") << c.name;
}

TEST(TensorProduct, Formats) {
  for (const Case& c : format_cases()) EXPECT_EQ(check(c, Async::Lazy), "") << c.name;
}

TEST(TensorProduct, AInTensorMemory) {
  for (const Async async : kPolicies)
    for (const Case& c : tensor_a_cases()) EXPECT_EQ(check(c, async), "") << c.name;
}

TEST(TensorProduct, Pairs) {
  for (const Async async : kPolicies)
    for (const Case& c : pair_cases()) EXPECT_EQ(check(c, async), "") << c.name;
}

TEST(TensorProduct, BlockScaled) {
  for (const Case& c : scaled_cases()) EXPECT_EQ(check(c, c.ctas == 2 ? Async::Random : Async::Lazy), "") << c.name;
}

TEST(TensorCopy, RowsGoToLanes) {
  const ptx::Module& module = module_of_products();
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
