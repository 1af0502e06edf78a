#include "kernels/attention/reference_rows.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <string>

namespace assay::reference {
namespace {

template <class Element, class Convert>
void convert_row(const void* array, std::int64_t first, std::vector<double>& row, Convert convert) {
  const Element* from = static_cast<const Element*>(array) + first;
  for (std::size_t c = 0; c < row.size(); ++c) row[c] = convert(from[c]);
}

/// The values of e4m3, by bits.
const std::array<double, 256>& e4m3_values() {
  static const std::array<double, 256> values = [] {
    std::array<double, 256> all{};
    for (std::size_t bits = 0; bits < all.size(); ++bits) {
      const auto byte = static_cast<std::uint8_t>(bits);
      all[bits] = load_element(DType::e4m3, &byte, 0);
    }
    return all;
  }();
  return values;
}

}  // namespace

void load_row(DType t, const void* array, std::int64_t first, std::vector<double>& row) {
  switch (t) {
    case DType::f32:
    case DType::tf32:
      return convert_row<float>(array, first, row, [](float e) { return e; });
    case DType::bf16:
      return convert_row<std::uint16_t>(array, first, row, bf16_to_float);
    case DType::f16:
      return convert_row<std::uint16_t>(array, first, row, f16_to_float);
    case DType::e4m3:
      return convert_row<std::uint8_t>(array, first, row, [](std::uint8_t e) { return e4m3_values()[e]; });
    case DType::e5m2:
    case DType::e2m1:
      throw std::logic_error(std::string("attention has no ") + name(t));
  }
}

Dot dot(const std::vector<double>& x, const std::vector<double>& y) {
  Dot sum;
  sum.length = x.size();
  for (std::size_t c = 0; c < x.size(); ++c) {
    sum.value += x[c] * y[c];
    sum.magnitude += std::abs(x[c] * y[c]);
    sum.squares += x[c] * y[c] * (x[c] * y[c]);
  }
  return sum;
}

// A step adds `step` products to the sum after cutting each addend, and the sum, at 2^(1 - significand_bits) of the
// largest of them, M.  Over a run of r products:
//  - what is cut off the products has their signs, which are random: at most one unit each, evenly spread, so r of them
//    walk sqrt(r / 3) units; twice that for confidence, as everywhere;
//  - what is cut off the sum always shrinks it: one unit a step, r / step in all, which add up.
// M is a product, none of which is larger than the root of the sum of their squares, or a partial sum: the whole value
// and a walk of 2.5 such roots, but never more than all magnitudes together.  Runs are of one sign or the other.
CoarseError coarse_sum_error(std::size_t n, double value, double squares, double magnitude, const Accumulation& how) {
  if (n == 0 || how.significand_bits >= info(DType::f32).significand_bits) return {};
  const double all = static_cast<double>(n), run = how.run > 0 ? std::min(static_cast<double>(how.run), all) : all;
  const double runs = all / run, walked_runs = std::min(runs, 2 * std::sqrt(runs));
  const double largest = std::min(magnitude, std::abs(value) / runs + 2.5 * std::sqrt(squares / runs));
  const double unit = std::ldexp(largest, 1 - how.significand_bits) * walked_runs;
  return {(run / how.step + 1) * unit, 2 * std::sqrt(run / 3) * unit};
}

double Dot::fp32_error() const { return 2 * std::sqrt(static_cast<double>(length)) * kF32Roundoff * magnitude; }

double score_error(double dot_error, double score, double subtracted) {
  return std::min(dot_error + 4 * kF32Roundoff * (std::abs(score) + std::abs(subtracted)) + 8 * kF32Roundoff,
                  kMaxScoreError);
}

}  // namespace assay::reference
