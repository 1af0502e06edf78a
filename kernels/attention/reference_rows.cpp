#include "kernels/attention/reference_rows.h"

#include <algorithm>
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
  }
  return sum;
}

double Dot::fp32_error() const { return 2 * std::sqrt(static_cast<double>(length)) * kF32Roundoff * magnitude; }

double score_error(double dot_error, double score, double subtracted) {
  // exp(e) of a larger error says nothing more than "no digit is left", and must not overflow.
  constexpr double kMaxScoreError = 600;
  return std::min(dot_error + 4 * kF32Roundoff * (std::abs(score) + std::abs(subtracted)) + 8 * kF32Roundoff,
                  kMaxScoreError);
}

}  // namespace assay::reference
