// AdamW and the gradient norm in fp64, and how far fp32 may be from them.  u = 2^-24; errors are first-order sums over
// the roundings that the contracts spell out, rounded up.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/layer/adamw.h"
#include "kernels/layer/grad_norm.h"

namespace assay {
namespace {

const double kU = unit_roundoff(DType::f32);
const double kSubnormal = std::ldexp(1.0, -125);  // what is lost where subnormal numbers are flushed to zero

}  // namespace

AdamWElement adamw_reference(const AdamWProblem& p, const AdamWBuffers& host, std::int64_t i) {
  const double scale = host.gradient_scale ? double(*host.gradient_scale) : 1;
  const double g = scale * load_element(p.gradient_dtype, host.gradient, i);
  const double beta1 = p.beta1, beta2 = p.beta2, w = host.master[i];
  const auto [rate, root, decay] = *host.step;
  AdamWElement out;
  out.m.value = beta1 * host.m[i] + (1 - beta1) * g;
  out.m.allowed = 4 * kU * (std::abs(beta1 * host.m[i]) + std::abs((1 - beta1) * g)) + kSubnormal;
  out.v.value = beta2 * host.v[i] + (1 - beta2) * g * g;
  out.v.allowed = 6 * kU * out.v.value + kSubnormal;

  const double denominator = std::sqrt(out.v.value) * root + p.epsilon;
  const double denominator_error = 6 * kU + root * std::sqrt(kSubnormal) / denominator;  // relative
  const double update = rate * out.m.value / denominator;
  const double update_allowed = rate * out.m.allowed / denominator + std::abs(update) * (2 * kU + denominator_error);
  out.master.value = w - (decay * w + update);
  out.master.allowed =
      update_allowed + 2 * kU * (std::abs(decay * w) + std::abs(update)) + kU * std::abs(out.master.value) + kSubnormal;
  return out;
}

GradNorm grad_norm_of(double sum_of_squares, float max_norm) {
  GradNorm result;
  result.sum_of_squares = sum_of_squares;
  const double norm = std::sqrt(sum_of_squares);
  result.norm = float(norm);
  result.clip = std::isfinite(norm) ? float(std::min(1.0, double(max_norm) / (norm + kClipEpsilon)))
                                    : std::numeric_limits<float>::quiet_NaN();
  return result;
}

GradNormReference grad_norm_reference(const GradNormProblem& p, const GradNormBuffers& host) {
  double sum = 0;
  for (int k = 0; k < p.tensors(); ++k)
    for (std::int64_t i = 0; i < p.elements[std::size_t(k)]; ++i) {
      const double g = load_element(p.dtype, host.gradients[k], i);
      sum += g * g;
    }
  // A lane's chain, with random roundings, then the halvings; fp64 adds nothing to speak of.
  const double relative = (2 * std::sqrt(double(kGradNormChunk) / kGradNormLanes) + 8) * kU;
  const double norm = std::sqrt(sum), clip = std::min(1.0, double(p.max_norm) / (norm + kClipEpsilon));
  const double few = kSubnormal * double(p.all_elements());
  GradNormReference out;
  out.sum_of_squares = {sum, relative * sum + few};
  out.norm = {norm, (relative / 2 + kU) * norm + std::sqrt(few)};
  out.clip = {std::isfinite(norm) ? clip : std::numeric_limits<double>::quiet_NaN(),
              (relative / 2 + kU) * clip + std::sqrt(few)};
  return out;
}

}  // namespace assay
