// What the tests of embedding, loss, optimizer and router share: arrays with guards, launches, and comparisons with a
// reference.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "kernels/common/cpu/highway_targets.h"
#include "kernels/layer/layer.h"
#include "tests/kernels/layer/instruction_sets.h"

namespace assay::test {

inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
inline constexpr float kInfinity = std::numeric_limits<float>::infinity();
inline constexpr DType kTypes[] = {DType::f32, DType::bf16};

/// Seeded, the same numbers on every machine.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 2 + 1) {}
  std::uint64_t bits() {  // xorshift64*
    state_ ^= state_ >> 12, state_ ^= state_ << 25, state_ ^= state_ >> 27;
    return state_ * 2685821657736338717U >> 11;
  }
  double uniform() { return double(bits()) * 0x1p-53; }
  std::int64_t below(std::int64_t n) { return std::int64_t(bits() % std::uint64_t(n)); }
  double normal() {  // near enough: the sum of 12 uniform numbers has deviation 1
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += uniform();
    return sum;
  }

 private:
  std::uint64_t state_;
};

/// An array of f32 or bf16, followed by a guard.  It begins 16 bytes after a cache line, which contracts allow, or
/// (offset 0) on one, which kernels that store past the caches want.
class Array {
 public:
  Array(DType dtype, std::int64_t count, std::size_t offset = 16)
      : dtype_(dtype), count_(count), bytes_(bytes() + offset + kGuard + kLine, 0xff) {
    const auto address = reinterpret_cast<std::uintptr_t>(bytes_.data());
    first_ = (kLine - address % kLine) % kLine + offset;
  }
  Array(Array&&) = delete;

  void* data() { return bytes_.data() + first_; }
  template <class T>
  T* as() {
    return static_cast<T*>(data());
  }
  float* floats() { return as<float>(); }
  std::int64_t count() const { return count_; }
  std::size_t bytes() const { return std::size_t(count_) * size_bytes(dtype_); }
  double at(std::int64_t i) const { return load_element(dtype_, bytes_.data() + first_, i); }
  void set(std::int64_t i, double value) { store_element(dtype_, data(), i, value); }
  void fill(double value) {
    for (std::int64_t i = 0; i < count_; ++i) set(i, value);
  }
  void fill_normal(std::uint64_t seed, double deviation = 1) {
    constexpr std::int64_t kPeriod = 4099;  // prime; the numbers cost more than most kernels
    Random random(seed);
    for (std::int64_t i = 0; i < std::min(count_, kPeriod); ++i) set(i, deviation * random.normal());
    const std::size_t size = size_bytes(dtype_);
    for (std::int64_t i = kPeriod; i < count_; i += kPeriod)
      std::memcpy(as<char>() + std::size_t(i) * size, data(), std::size_t(std::min(kPeriod, count_ - i)) * size);
  }
  void poison() { std::fill_n(bytes_.begin() + std::ptrdiff_t(first_), bytes(), std::uint8_t(0xff)); }
  std::vector<std::uint8_t> copy() const {
    return {bytes_.begin() + std::ptrdiff_t(first_), bytes_.begin() + std::ptrdiff_t(first_ + bytes())};
  }
  void restore(const std::vector<std::uint8_t>& saved) {
    std::copy(saved.begin(), saved.end(), bytes_.begin() + std::ptrdiff_t(first_));
  }
  bool guards_intact() const {
    const auto is_set = [](std::uint8_t byte) { return byte == 0xff; };
    return std::all_of(bytes_.begin(), bytes_.begin() + std::ptrdiff_t(first_), is_set) &&
           std::all_of(bytes_.begin() + std::ptrdiff_t(first_ + bytes()), bytes_.end(), is_set);
  }

 private:
  static constexpr std::size_t kLine = 64, kGuard = 256;
  DType dtype_;
  std::int64_t count_;
  std::vector<std::uint8_t> bytes_;
  std::size_t first_ = 0;
};

inline Target cpu(int threads) {
  Target target;
  target.threads = threads;
  return target;
}

template <class Problem, class Buffers>
void launch(const Kernel<Problem, Buffers>& kernel, const Problem& problem, const Buffers& buffers, int threads = 2) {
  ASSERT_EQ(kernel.supports(problem, cpu(threads)).reason, "");
  kernel.prepare(problem, cpu(threads), {buffers}, nullptr)->launch(buffers, nullptr);
}

/// Whether the instruction set in use has fused multiply-add; where it has none, contracts let bits differ.
inline bool has_fused_multiply_add() {
  return (hwy::SupportedTargets() & (HWY_AVX2 | HWY_AVX3 | HWY_AVX3_DL | HWY_NEON)) != 0;
}

/// Empty where `got` is within the allowed error; NaN is only where NaN is expected, and infinity likewise.
inline std::string differs(double got, const LayerElement& expected) {
  if (std::isnan(expected.value) ? std::isnan(got) : got == expected.value) return {};
  if (std::abs(got - expected.value) <= expected.allowed) return {};
  return std::to_string(got) + " for " + std::to_string(expected.value) + ", off by " +
         std::to_string(std::abs(got - expected.value) / expected.allowed) + " of what is allowed";
}

/// Row `row` of an array against a reference's.
inline void expect_row(const Array& got, std::int64_t row, const LayerRow& expected, const std::string& what) {
  const auto columns = std::int64_t(expected.value.size());
  for (std::int64_t c = 0; c < columns; ++c)
    ASSERT_EQ(differs(got.at(row * columns + c), {expected.value[std::size_t(c)], expected.allowed[std::size_t(c)]}),
              "")
        << what << "[" << row << ", " << c << "]";
}

}  // namespace assay::test
