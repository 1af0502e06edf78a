// What the launch plans of the layer kernels on a GPU share.  C++17, no CUDA.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>

#include "kernels/common/host_device.h"
#include "kernels/common/kernel.h"
#include "kernels/common/launch_plan.h"

namespace assay {

inline constexpr std::int64_t kVectorBytes = 16;

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// Whether every pointer (those that are null do not count) is a multiple of 16.
inline bool aligned_vectors(std::initializer_list<const void*> pointers) {
  for (const void* p : pointers)
    if (reinterpret_cast<std::uintptr_t>(p) % kVectorBytes != 0) return false;
  return true;
}

/// Division of 0 <= n < 2^31 by a constant of the launch: one product and a shift.  With s = ceil(log2 d) and
/// m = ceil(2^(31 + s) / d), m d exceeds 2^(31 + s) by less than 2^s, so that n m / 2^(31 + s) exceeds n / d by less
/// than 1 / d, which never reaches the next whole number.
struct FastDivide {
  std::uint32_t divisor = 1, multiplier = std::uint32_t(1) << 31, shift = 31;

  FastDivide() = default;
  explicit FastDivide(std::uint32_t d) : divisor(d) {
    std::uint32_t s = 0;
    while ((std::uint64_t(1) << s) < d) ++s;
    multiplier = std::uint32_t(((std::uint64_t(1) << (31 + s)) + d - 1) / d);
    shift = 31 + s;
  }
  ASSAY_HOST_DEVICE std::uint32_t quotient(std::uint32_t n) const {
    return std::uint32_t(std::uint64_t(n) * multiplier >> shift);
  }
};

/// Every layer kernel here runs from sm_80 on.
inline Support supports_sm80(const Target& target) {
  if (target.compute_capability < 80) return Support::no("needs compute capability 8.0");
  return Support::yes();
}

}  // namespace assay
