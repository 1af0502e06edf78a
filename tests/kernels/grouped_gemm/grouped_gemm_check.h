// Comparing a grouped GEMM kernel's output with fp64 sums written from the contract's formulas alone, guards, poison
// and experts without tokens included.
#pragma once
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "kernels/grouped_gemm/grouped_gemm.h"

namespace assay::test {

/// A matrix with packed rows.
class TestMatrix {
 public:
  TestMatrix(DType dtype, std::int64_t rows, std::int64_t columns)
      : dtype_(dtype), columns_(columns), bytes_(std::size_t(storage_bytes(dtype, rows * columns))) {}
  double at(std::int64_t i, std::int64_t j) const { return load_element(dtype_, bytes_.data(), i * columns_ + j); }
  void set(std::int64_t i, std::int64_t j, double v) { store_element(dtype_, bytes_.data(), i * columns_ + j, v); }
  std::vector<std::uint8_t>& bytes() { return bytes_; }
  const void* data() const { return bytes_.data(); }

 private:
  DType dtype_;
  std::int64_t columns_;
  std::vector<std::uint8_t> bytes_;
};

/// X, dY, W and the output of one problem.  The output lies between guards; NaN, or filled where the pass adds to it.
class GroupedGemmFixture {
 public:
  explicit GroupedGemmFixture(const GroupedGemmProblem& p, unsigned seed = 1)
      : problem(p),
        x(p.dtype, tokens(), p.k),
        dy(p.dtype, tokens(), p.n),
        w(p.dtype, p.groups() * p.n, p.k),
        start(p.output(), rows_of_d(), columns_of_d()),
        counts(p.rows.begin(), p.rows.end()) {
    std::mt19937 engine(seed);
    std::normal_distribution<float> normal;
    for (int g = 0; g < p.groups(); ++g)
      for (std::int64_t t = first(g); t < first(g) + p.rows[std::size_t(g)]; ++t) {
        for (std::int64_t j = 0; j < p.k; ++j) x.set(t, j, normal(engine));
        for (std::int64_t i = 0; i < p.n; ++i) dy.set(t, i, normal(engine));
      }
    for (std::int64_t i = 0; i < p.groups() * p.n; ++i)
      for (std::int64_t j = 0; j < p.k; ++j) w.set(i, j, normal(engine));
    std::fill(start.bytes().begin(), start.bytes().end(), 0xff);
    if (p.pass == GroupedPass::wgrad)
      for (std::int64_t i = 0; i < rows_of_d(); ++i)
        for (std::int64_t j = 0; j < columns_of_d(); ++j) start.set(i, j, 10 * normal(engine));
    reset();
  }

  void reset() {
    guarded_.assign(kGuardBytes + start.bytes().size() + kGuardBytes, kGuard);
    std::memcpy(d(), start.bytes().data(), start.bytes().size());
  }

  void* d() { return guarded_.data() + kGuardBytes; }
  GroupedGemmBuffers buffers() {
    const bool forward = problem.pass == GroupedPass::forward, wgrad = problem.pass == GroupedPass::wgrad;
    return {forward ? x.data() : dy.data(), wgrad ? x.data() : w.data(), d(), counts.data()};
  }

  /// Empty where all that the contract promises holds; else the first fault.
  std::string fault() {
    for (std::size_t i = 0; i < kGuardBytes; ++i)
      if (guarded_[i] != kGuard || guarded_[kGuardBytes + start.bytes().size() + i] != kGuard) return "wrote outside d";
    std::string found;
    for (int g = 0; g < problem.groups() && found.empty(); ++g)
      found = problem.pass == GroupedPass::wgrad ? fault_of_weights(g) : fault_of_tokens(g);
    return found;
  }

  GroupedGemmProblem problem;
  TestMatrix x, dy, w, start;
  std::vector<std::int32_t> counts;

 private:
  static constexpr std::size_t kGuardBytes = 256;
  static constexpr std::uint8_t kGuard = 0xa5;

  std::int64_t first(int group) const { return problem.first_rows()[std::size_t(group)]; }
  std::int64_t tokens() const { return problem.first_rows().back(); }
  std::int64_t rows_of_d() const {
    return problem.pass == GroupedPass::wgrad ? problem.groups() * problem.n : tokens();
  }
  std::int64_t columns_of_d() const { return problem.pass == GroupedPass::forward ? problem.n : problem.k; }

  template <class Term>
  std::string compare(std::int64_t row, std::int64_t column, std::int64_t length, double before, Term term) {
    double value = 0, magnitude = std::abs(before);
    for (std::int64_t p = 0; p < length; ++p) value += term(p), magnitude += std::abs(term(p));
    const double expected = before + value;
    const double got = load_element(problem.output(), d(), row * columns_of_d() + column);
    const double allowed = 2 * std::sqrt(double(length)) * unit_roundoff(DType::f32) * magnitude +
                           unit_roundoff(problem.output()) * std::abs(expected);
    if (std::abs(got - expected) <= allowed) return {};
    return fmt::format("d[{}, {}] is {}, expected {} +- {}", row, column, got, expected, allowed);
  }

  std::string fault_of_tokens(int g) {
    const bool forward = problem.pass == GroupedPass::forward;
    for (std::int64_t t = first(g); t < first(g) + problem.rows[std::size_t(g)]; ++t)
      for (std::int64_t c = 0; c < columns_of_d(); ++c) {
        const std::string found =
            forward ? compare(t, c, problem.k, 0, [&](auto p) { return x.at(t, p) * w.at(g * problem.n + c, p); })
                    : compare(t, c, problem.n, 0, [&](auto p) { return dy.at(t, p) * w.at(g * problem.n + p, c); });
        if (!found.empty()) return found;
      }
    return {};
  }

  std::string fault_of_weights(int g) {
    const std::int64_t rows = problem.rows[std::size_t(g)], size = problem.n * problem.k * 4;
    if (rows == 0)
      return std::memcmp(static_cast<char*>(d()) + g * size, start.bytes().data() + g * size, std::size_t(size)) == 0
                 ? ""
                 : fmt::format("dW of group {}, which has no rows, was changed", g);
    for (std::int64_t i = 0; i < problem.n; ++i)
      for (std::int64_t j = 0; j < problem.k; ++j) {
        const std::int64_t row = g * problem.n + i;
        const std::string found = compare(row, j, rows, start.at(row, j),
                                          [&](auto p) { return dy.at(first(g) + p, i) * x.at(first(g) + p, j); });
        if (!found.empty()) return found;
      }
    return {};
  }

  std::vector<std::uint8_t> guarded_;
};

inline std::string text(const GroupedGemmProblem& p) {
  return fmt::format("{} {} rows {} n {} k {}", name(p.pass), name(p.dtype), fmt::join(p.rows, ","), p.n, p.k);
}

}  // namespace assay::test
