#include "kernels/collectives/vector_sum.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <tuple>
#include <vector>

namespace assay {
namespace {

constexpr std::byte kGuard{0x5a};

// `count` elements at an odd place, with guards around them.
class Array {
 public:
  Array(DType dtype, std::int64_t count, std::size_t misaligned = 0)
      : dtype_(dtype),
        bytes_(std::size_t(count) * size_bytes(dtype)),
        offset_(64 + misaligned * size_bytes(dtype)),
        memory_(offset_ + bytes_ + 128, kGuard) {
    const auto address = reinterpret_cast<std::uintptr_t>(memory_.data());
    offset_ += 64 - address % 64;  // `misaligned` elements past a cache line
  }
  void* data() { return memory_.data() + offset_; }
  double get(std::int64_t i) { return load_element(dtype_, data(), i); }
  void set(std::int64_t i, double value) { store_element(dtype_, data(), i, value); }
  bool guards_intact() const {
    for (std::size_t i = 0; i < memory_.size(); ++i)
      if ((i < offset_ || i >= offset_ + bytes_) && memory_[i] != kGuard) return false;
    return true;
  }

 private:
  DType dtype_;
  std::size_t bytes_, offset_;
  std::vector<std::byte> memory_;
};

class VectorSum : public ::testing::TestWithParam<std::tuple<DType, StoreKind>> {};

TEST_P(VectorSum, RoundsToNearestAndTouchesNothingElse) {
  const auto [dtype, kind] = GetParam();
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  for (const std::int64_t count : {0, 1, 2, 3, 15, 16, 17, 31, 33, 63, 64, 65, 127, 1000, 4099})
    for (const std::size_t misaligned : {0u, 1u, 3u}) {
      Array a(dtype, count, misaligned), b(dtype, count), to(dtype, count, misaligned), also(dtype, count);
      for (std::int64_t i = 0; i < count; ++i) {
        a.set(i, normal(random));
        b.set(i, normal(random) * 100);
      }
      const void* const operands[] = {a.data(), b.data()};
      const Destination both[] = {{to.data(), kind}, {also.data(), StoreKind::cached}};
      sum_elements(dtype, operands, both, count);
      for (std::int64_t i = 0; i < count; ++i) {
        ASSERT_EQ(to.get(i), round_to(dtype, a.get(i) + b.get(i))) << count << " " << i;
        ASSERT_EQ(also.get(i), to.get(i));
      }
      add_elements(dtype, to.data(), b.data(), {to.data(), kind}, count);  // onto an operand
      for (std::int64_t i = 0; i < count; ++i) ASSERT_EQ(to.get(i), round_to(dtype, also.get(i) + b.get(i)));
      // Of three: summed in fp32 and rounded once.
      const void* const three[] = {a.data(), b.data(), b.data()};
      sum_elements(dtype, three, both, count);
      for (std::int64_t i = 0; i < count; ++i) {
        const float first = float(a.get(i)) + float(b.get(i));
        ASSERT_EQ(to.get(i), round_to(dtype, first + float(b.get(i)))) << count << " " << i;
      }
      sum_elements(dtype, {operands, 1}, both, count);
      for (std::int64_t i = 0; i < count; ++i) ASSERT_TRUE(to.get(i) == a.get(i) && also.get(i) == a.get(i));
      ASSERT_TRUE(a.guards_intact() && b.guards_intact() && to.guards_intact() && also.guards_intact());
    }
}

TEST_P(VectorSum, KeepsNanAndInfinity) {
  const auto [dtype, kind] = GetParam();
  constexpr std::int64_t kCount = 70;  // vector body and scalar tail
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Array a(dtype, kCount), b(dtype, kCount), to(dtype, kCount);
  for (std::int64_t i = 0; i < kCount; ++i) {
    a.set(i, kInfinity);
    b.set(i, i % 2 ? -kInfinity : 1);
  }
  add_elements(dtype, a.data(), b.data(), {to.data(), kind}, kCount);
  for (std::int64_t i = 0; i < kCount; ++i)
    EXPECT_TRUE(i % 2 ? std::isnan(to.get(i)) : to.get(i) == kInfinity) << i << ": " << to.get(i);
  // Every NaN, the all-ones poison too, stays NaN.
  std::memset(a.data(), 0xff, kCount * size_bytes(dtype));
  add_elements(dtype, a.data(), b.data(), {to.data(), kind}, kCount);
  for (std::int64_t i = 0; i < kCount; ++i) EXPECT_TRUE(std::isnan(to.get(i))) << i;
}

INSTANTIATE_TEST_SUITE_P(All, VectorSum,
                         ::testing::Combine(::testing::Values(DType::f32, DType::bf16, DType::f16),
                                            ::testing::Values(StoreKind::cached, StoreKind::streaming)));

TEST(VectorSum, EveryPairOfBf16MatchesTheHostConversion) {
  std::vector<std::uint16_t> a(65536), b(65536), to(65536);
  std::mt19937 random(2);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = std::uint16_t(i);
  for (int round = 0; round < 40; ++round) {
    for (auto& bits : b) bits = std::uint16_t(random());
    add_elements(DType::bf16, a.data(), b.data(), {to.data()}, std::int64_t(a.size()));
    for (std::size_t i = 0; i < a.size(); ++i) {
      const float expected = bf16_to_float(a[i]) + bf16_to_float(b[i]);
      if (std::isnan(expected))
        ASSERT_TRUE(std::isnan(bf16_to_float(to[i]))) << a[i] << " " << b[i];
      else
        ASSERT_EQ(to[i], float_to_bf16(expected)) << a[i] << " " << b[i];
    }
  }
}

TEST(VectorSum, RefusesOtherTypes) {
  float one = 1;
  EXPECT_THROW(add_elements(DType::e4m3, &one, &one, {&one}, 1), std::runtime_error);
  EXPECT_THROW(sum_elements(DType::f32, {}, {}, 1), std::runtime_error);
}

}  // namespace
}  // namespace assay
