// Operations of the layer on guarded host arrays: launched, and compared with their fp64 references.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "kernels/layer/layer.h"

namespace assay::test {

/// An array between guards, on 64 bytes.
class GuardedArray {
 public:
  GuardedArray() = default;
  GuardedArray(DType dtype, std::int64_t count)
      : dtype_(dtype), count_(count), bytes_(std::size_t(count) * size_bytes(dtype)) {
    memory_.assign(3 * kGuardBytes + bytes_, kGuard);
    poison();
  }
  GuardedArray(const GuardedArray& other) : GuardedArray(other.dtype_, other.count_) {
    std::memcpy(data(), other.data(), bytes_);  // its memory's own 64 bytes begin elsewhere
  }
  GuardedArray(GuardedArray&&) = default;
  GuardedArray& operator=(GuardedArray&&) = default;

  void* data() { return aligned(); }
  const void* data() const { return const_cast<GuardedArray*>(this)->aligned(); }
  std::int64_t count() const { return count_; }
  DType dtype() const { return dtype_; }
  double at(std::int64_t i) const { return load_element(dtype_, data(), i); }
  void set(std::int64_t i, double value) { store_element(dtype_, data(), i, value); }
  void poison() { std::memset(data(), 0xff, bytes_); }
  void fill_normal(unsigned seed, double deviation = 1, double mean = 0) {
    std::mt19937 engine(seed);
    std::normal_distribution<double> normal(mean, deviation);
    for (std::int64_t i = 0; i < count_; ++i) set(i, normal(engine));
  }
  std::vector<std::uint8_t> bytes() const {
    const auto* from = static_cast<const std::uint8_t*>(data());
    return {from, from + bytes_};
  }
  bool guards_whole() const {
    const auto* from = static_cast<const std::uint8_t*>(data());
    for (std::size_t i = 1; i <= kGuardBytes; ++i)
      if (*(from - i) != kGuard || from[bytes_ + i - 1] != kGuard) return false;
    return true;
  }

 private:
  static constexpr std::size_t kGuardBytes = 128, kAlignment = 64;
  static constexpr std::uint8_t kGuard = 0xa5;
  std::uint8_t* aligned() {
    const auto start = reinterpret_cast<std::uintptr_t>(memory_.data()) + kGuardBytes;
    return memory_.data() + kGuardBytes + (kAlignment - start % kAlignment) % kAlignment;
  }

  DType dtype_ = DType::f32;
  std::int64_t count_ = 0;
  std::size_t bytes_ = 0;
  std::vector<std::uint8_t> memory_;
};

/// Empty where elements `first` .. are within what `row` allows; else the first that is not.
inline std::string row_fault(const char* name, const GuardedArray& got, std::int64_t first, const LayerRow& row) {
  for (std::size_t c = 0; c < row.value.size(); ++c) {
    const double value = got.at(first + std::int64_t(c));
    if (!(std::abs(value - row.value[c]) <= row.allowed[c]))
      return fmt::format("{}[{} + {}] is {}, expected {} +- {}", name, first, c, value, row.value[c], row.allowed[c]);
  }
  return got.guards_whole() ? std::string() : fmt::format("wrote outside {}", name);
}

inline std::string element_fault(const char* name, const GuardedArray& got, std::int64_t i, const LayerElement& e) {
  LayerRow row;
  row.add(e);
  return row_fault(name, got, i, row);
}

template <class Problem, class Buffers>
void launch(const Kernel<Problem, Buffers>& kernel, const Problem& problem, const Buffers& buffers, int threads) {
  Target target;
  target.threads = threads;
  ASSERT_EQ(kernel.supports(problem, target).reason, "");
  kernel.prepare(problem, target, {buffers}, nullptr)->launch(buffers, nullptr);
}

}  // namespace assay::test
