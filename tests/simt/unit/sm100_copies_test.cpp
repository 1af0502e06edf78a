// Bulk reductions, loads for a pair of CTAs, and accesses of 256 bits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "tests/simt/simt.h"

namespace simt::test {
namespace {

class Sm100CopyTest : public testing::TestWithParam<Async> {
 protected:
  Sm100CopyTest() : module_(ptx_text(ASSAY_PTX_DIR, "sm100_copies")) {
    options_.async = GetParam(), options_.heap = &heap_, options_.shuffle_schedule = GetParam() == Async::Random;
  }
  template <class... A>
  std::string run(const char* kernel, Dim3 grid, Dim3 block, Dim3 cluster, const A&... arguments) {
    try {
      launch(module_.kernel(kernel), {grid, block, 0, cluster}, options_, arguments...);
      return "none";
    } catch (const Error& e) {
      return e.what();
    }
  }
  const ptx::Module module_;
  DeviceHeap heap_;
  Options options_;
};

TEST_P(Sm100CopyTest, LinearReductionAdds) {
  float* sum = heap_.upload(std::vector<float>(64, 0.5f));
  ASSERT_EQ(run("add_bulk", {3, 1, 1}, {64, 1, 1}, {}, sum), "none");
  for (int i = 0; i < 64; ++i) EXPECT_EQ(sum[i], 0.5f + 3 * float(i));
}

TEST_P(Sm100CopyTest, TensorReductionAddsInsideTheTensor) {
  float* square = heap_.upload(std::vector<float>(256, 1));
  const std::uint64_t dim[2] = {16, 16}, stride[1] = {64};
  const std::uint32_t box[2] = {16, 16};
  const auto map = [&](MapFormat f) { return encode_tiled(square, 2, 4, dim, stride, box, Swizzle::None, f); };
  ASSERT_EQ(run("add_tensor", {1, 1, 1}, {16, 16, 1}, {}, map(MapFormat::F32)), "none");
  for (int r = 0; r < 16; ++r)
    for (int c = 0; c < 16; ++c) EXPECT_EQ(square[r * 16 + c], 1 + float(r >= 8 && c >= 8 ? (r - 8) * 16 + c - 8 : 0));
  EXPECT_THAT(run("add_tensor", {1, 1, 1}, {16, 16, 1}, {}, map(MapFormat::Bits)), testing::StartsWith("unsupported"));
}

TEST_P(Sm100CopyTest, WaitingForReadsIsNotWaitingForWrites) {
  float* word = heap_.poisoned<float>(4);
  ASSERT_EQ(run("store_after_written", {}, {64, 1, 1}, {}, word), "none");
  EXPECT_EQ(word[0], 1);
  word = heap_.poisoned<float>(4);
  ASSERT_EQ(run("store_after_read", {}, {64, 1, 1}, {}, word), "none");
  if (GetParam() != Async::Random) {
    EXPECT_EQ(word[0], GetParam() == Async::Eager);  // Lazy: the first was written last, when its thread ended
  }
}

TEST(BulkReduction, RoundsEachSumOnce) {
  const std::uint16_t one = f32_to_bf16(1), tiny = f32_to_bf16(0x1p-8f), half = f32_to_f16(0.5f);
  std::uint16_t bf16[2] = {one, f32_to_bf16(1.0078125f)}, f16[1] = {f32_to_f16(2048)};
  const std::uint16_t add[2] = {tiny, tiny}, add_f16[1] = {half};
  add_elements(MapFormat::Bf16, reinterpret_cast<unsigned char*>(bf16), reinterpret_cast<const unsigned char*>(add), 4);
  EXPECT_EQ(bf16[0], one);                     // halfway: to the even neighbour below
  EXPECT_EQ(bf16[1], f32_to_bf16(1.015625f));  // and above
  add_elements(MapFormat::F16, reinterpret_cast<unsigned char*>(f16), reinterpret_cast<const unsigned char*>(add_f16),
               2);
  EXPECT_EQ(f16[0], f32_to_f16(2048));
}

TEST_P(Sm100CopyTest, LoadsForAPairSignalTheEvenCta) {
  std::vector<std::uint32_t> numbers(64);
  std::iota(numbers.begin(), numbers.end(), 100);
  const std::uint64_t dim[1] = {64};
  const std::uint32_t box[1] = {32};
  auto* out = heap_.poisoned<std::uint32_t>(128);
  ASSERT_EQ(run("load_for_a_pair", {2, 1, 1}, {64, 1, 1}, {2, 1, 1},
                encode_tiled(heap_.upload(numbers), 1, 4, dim, nullptr, box, Swizzle::None), out),
            "none");
  for (std::uint32_t i = 0; i < 128; ++i) EXPECT_EQ(out[i], 100 + i % 64);
}

TEST_P(Sm100CopyTest, AccessesOf256Bits) {
  std::vector<std::uint32_t> numbers(256);
  std::iota(numbers.begin(), numbers.end(), 0);
  auto* out = heap_.poisoned<std::uint32_t>(264);
  ASSERT_EQ(run("copy_256_bits", {}, {32, 1, 1}, {}, heap_.upload(numbers), out), "none");
  EXPECT_EQ(heap_.download(out, 256), numbers);
  EXPECT_THAT(run("copy_256_bits", {}, {32, 1, 1}, {}, heap_.upload(numbers), out + 4),
              testing::StartsWith("misaligned"));
}

INSTANTIATE_TEST_SUITE_P(Policies, Sm100CopyTest, testing::Values(Async::Lazy, Async::Eager, Async::Random));

}  // namespace
}  // namespace simt::test
