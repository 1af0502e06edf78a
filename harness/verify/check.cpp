#include "harness/verify/check.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "harness/verify/digest.h"

namespace assay {
namespace {

/// Error over what is allowed; infinity for anything that cannot be compared (NaN, an infinite or negative allowance).
double ratio_of(double got, double expected, double allowed) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (!std::isfinite(allowed) || allowed < 0) return kInfinity;
  if (got == expected) return 0;  // equal infinities, whose difference is NaN, too
  const double error = std::abs(got - expected);
  if (!std::isfinite(error) || allowed == 0) return kInfinity;
  return error / allowed;
}

}  // namespace

void Check::compare(double got_value, double expected_value, double allowed_error,
                    const std::function<std::string()>& name_of) {
  const double ratio = ratio_of(got_value, expected_value, allowed_error);
  ++elements;
  if (!(ratio <= 1)) ++wrong;
  if (elements > 1 && !(ratio > error_over_allowed)) return;
  error_over_allowed = ratio;
  where = name_of();
  expected = expected_value;
  got = got_value;
  allowed = allowed_error;
}

void Check::include_digest(const void* bytes, std::size_t count) {
  Digest running = digest.empty() ? Digest() : Digest(digest);
  running.add(bytes, count);
  digest = running.text();
}

void Check::fail_outside(const std::string& what) {
  if (outside.empty()) outside = what;
  ++elements;
  ++wrong;
  error_over_allowed = std::numeric_limits<double>::infinity();
}

std::string Check::describe() const {
  if (!outside.empty()) return outside;
  if (elements == 0) return "no element was checked";
  const std::string worst = fmt::format("{} is {:.9g}, expected {:.9g} +- {:.3g}", where, got, expected, allowed);
  if (wrong == 0)
    return fmt::format("{} elements checked; worst: {} (error {:.3g} x allowed)", elements, worst, error_over_allowed);
  const std::string error =
      std::isfinite(error_over_allowed) ? fmt::format("error {:.3g} x allowed", error_over_allowed) : "never right";
  return fmt::format("{} ({}); {} of {} checked elements {} wrong", worst, error, wrong, elements,
                     wrong == 1 ? "is" : "are");
}

}  // namespace assay
