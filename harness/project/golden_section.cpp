#include "harness/project/golden_section.h"

namespace assay {

double golden_section(double low, double high, const std::function<double(double)>& cost) {
  constexpr double kRatio = 0.6180339887498949, kTolerance = 1e-3;
  double a = high - kRatio * (high - low), b = low + kRatio * (high - low);
  double at_a = cost(a), at_b = cost(b);
  while (high - low > kTolerance * high) {
    if (at_a < at_b) {
      high = b, b = a, at_b = at_a;
      a = high - kRatio * (high - low), at_a = cost(a);
    } else {
      low = a, a = b, at_a = at_b;
      b = low + kRatio * (high - low), at_b = cost(b);
    }
  }
  return (low + high) / 2;
}

}  // namespace assay
