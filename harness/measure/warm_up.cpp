#include "harness/measure/warm_up.h"

#include <algorithm>
#include <cmath>

#include "harness/measure/statistics.h"

namespace assay {
namespace {

constexpr std::ptrdiff_t kLeastPoints = 4;
constexpr double kAgreement = 0.02;
constexpr double kSlopeWindowSeconds = 1;
constexpr double kSettledSlope = 0.005;  // relative, per second

}  // namespace

void SteadyState::add(double elapsed, double seconds_per_launch) { points_.push_back({elapsed, seconds_per_launch}); }

bool SteadyState::reached() const {
  if (points_.empty()) return false;
  const bool sustained = mode_ == Mode::sustained;
  const double least = sustained ? rule_.sustained_seconds : rule_.warmup_seconds;
  const double most = std::max(least, rule_.wall_seconds * (sustained ? 0.5 : 0.25));
  const double elapsed = points_.back().elapsed;
  if (elapsed < least) return false;
  return elapsed >= most || (sustained ? settled() : agree());
}

bool SteadyState::agree() const {
  if (std::ptrdiff_t(points_.size()) < kLeastPoints) return false;
  const double since = points_.back().elapsed - rule_.warmup_seconds;
  const auto recent = [&](const Point& p) { return p.elapsed >= since; };
  const auto begin = std::min(std::find_if(points_.begin(), points_.end(), recent), points_.end() - kLeastPoints);
  const auto middle = begin + (points_.end() - begin) / 2;
  const double before = median(begin, middle), after = median(middle, points_.end());
  return std::abs(after - before) <= kAgreement * before;
}

double SteadyState::median(std::vector<Point>::const_iterator begin, std::vector<Point>::const_iterator end) {
  std::vector<double> seconds;
  for (auto p = begin; p != end; ++p) seconds.push_back(p->seconds);
  std::sort(seconds.begin(), seconds.end());
  return quantile(seconds, 0.5);
}

/// Ordinary least squares over the last second.
bool SteadyState::settled() const {
  const double since = points_.back().elapsed - kSlopeWindowSeconds;
  const auto recent = [&](const Point& p) { return p.elapsed >= since; };
  const auto begin = std::find_if(points_.begin(), points_.end(), recent);
  const double n = double(points_.end() - begin);
  if (n < 3) return n > 1 && agree();  // launches of half a second and more
  double mean_x = 0, mean_y = 0, xx = 0, xy = 0, residual = 0;
  for (auto p = begin; p != points_.end(); ++p) mean_x += p->elapsed / n, mean_y += p->seconds / n;
  for (auto p = begin; p != points_.end(); ++p) {
    xx += (p->elapsed - mean_x) * (p->elapsed - mean_x);
    xy += (p->elapsed - mean_x) * (p->seconds - mean_y);
  }
  if (!(xx > 0) || !(mean_y > 0)) return true;  // a clock too coarse to see anything change
  const double slope = xy / xx;
  for (auto p = begin; p != points_.end(); ++p)
    residual += std::pow(p->seconds - mean_y - slope * (p->elapsed - mean_x), 2);
  const double error = std::sqrt(residual / (n - 2) / xx);
  return std::abs(slope) <= std::max(kSettledSlope * mean_y, 2 * error);
}

}  // namespace assay
