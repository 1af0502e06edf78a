// Comparing a GEMM kernel's output with the fp64 reference, guards and poison included.
#pragma once
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "kernels/gemm/gemm.h"

namespace assay::test {

inline constexpr std::size_t kGuardBytes = 256;
inline constexpr std::uint8_t kGuard = 0xa5;

/// Operands of one problem; d lies between guards, poisoned with NaN, or filled where the layout adds to it.
class GemmFixture {
 public:
  explicit GemmFixture(const GemmProblem& p, unsigned seed = 1)
      : problem(p),
        a_(static_cast<std::size_t>(p.m * p.k) * size_bytes(p.dtype)),
        b_(static_cast<std::size_t>(p.k * p.n) * size_bytes(p.dtype)),
        d_bytes_(static_cast<std::size_t>(p.m * p.n) * size_bytes(p.output())),
        start_(d_bytes_, 0xff) {
    std::mt19937 engine(seed);
    std::normal_distribution<float> normal;
    for (std::int64_t i = 0; i < p.m * p.k; ++i) store_element(p.dtype, a_.data(), i, normal(engine));
    for (std::int64_t i = 0; i < p.k * p.n; ++i) store_element(p.dtype, b_.data(), i, normal(engine));
    if (p.accumulates())
      for (std::int64_t i = 0; i < p.m * p.n; ++i) store_element(DType::f32, start_.data(), i, 10 * normal(engine));
    reset();
  }

  void reset() {
    guarded_.assign(kGuardBytes + d_bytes_ + kGuardBytes, kGuard);
    std::memcpy(d(), start_.data(), d_bytes_);
  }

  void* a() { return a_.data(); }
  void* b() { return b_.data(); }
  void* d() { return guarded_.data() + kGuardBytes; }
  GemmBuffers buffers() { return {a_.data(), b_.data(), d()}; }

  /// Empty where every element is within its allowed error and the guards are whole; else the first fault.
  std::string fault() {
    const GemmProblem& p = problem;
    for (std::size_t i = 0; i < kGuardBytes; ++i)
      if (guarded_[i] != kGuard || guarded_[kGuardBytes + d_bytes_ + i] != kGuard) return "wrote outside d";
    for (std::int64_t i = 0; i < p.m; ++i)
      for (std::int64_t j = 0; j < p.n; ++j) {
        const GemmElement exact = gemm_reference(p, {a_.data(), b_.data()}, i, j);
        const double start = p.accumulates() ? load_element(DType::f32, start_.data(), i * p.n + j) : 0;
        const double expected = start + exact.value;
        const double got = load_element(p.output(), d(), i * p.n + j);
        const double u = unit_roundoff(DType::f32);
        const double allowed = 2 * std::sqrt(static_cast<double>(p.k)) * u * (exact.magnitude + std::abs(start)) +
                               unit_roundoff(p.output()) * std::abs(expected);
        if (!(std::abs(got - expected) <= allowed))
          return fmt::format("d[{}, {}] is {}, expected {} +- {}", i, j, got, expected, allowed);
      }
    return {};
  }

  GemmProblem problem;

 private:
  std::vector<std::uint8_t> a_, b_;
  std::size_t d_bytes_;
  std::vector<std::uint8_t> start_, guarded_;
};

inline std::string text(const GemmProblem& p) {
  return fmt::format("{}x{}x{} {} {}", p.m, p.n, p.k, name(p.layout), name(p.dtype));
}

}  // namespace assay::test
