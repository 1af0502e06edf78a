// How many separate peaks a distribution has: more than one says that the samples are of several states (two clocks,
// two placements, a neighbour that comes and goes), and that one median does not describe them.
//
// A density is estimated with Gaussian kernels of Silverman's width (1986, eq. 3.31).  Peaks are counted from the
// highest down: a peak counts if it is at least a tenth as high as the highest and if the valley between it and every
// counted peak falls below half of it.  A long tail, single outliers and the bumps of chance do not pass.
#include <algorithm>
#include <cmath>
#include <vector>

#include "harness/measure/statistics.h"

namespace assay {
namespace {

constexpr std::size_t kLeastSamples = 20;  // with fewer, chance makes valleys
constexpr int kGrid = 512;                 // points; the kernel's width is many of them
constexpr double kLeastHeight = 0.1, kDeepestValley = 0.5;

double kernel_width(const std::vector<double>& ordered) {
  const double n = double(ordered.size());
  double mean = 0, variance = 0;
  for (const double x : ordered) mean += x / n;
  for (const double x : ordered) variance += (x - mean) * (x - mean) / (n - 1);
  const double quartiles = (quantile(ordered, 0.75) - quantile(ordered, 0.25)) / 1.349;  // a deviation if normal
  const double spread = quartiles > 0 ? std::min(std::sqrt(variance), quartiles) : std::sqrt(variance);
  return 0.9 * spread * std::pow(n, -0.2);
}

/// The density at kGrid points over the middle 98 % of the samples and three kernel widths beyond.
std::vector<double> density(const std::vector<double>& ordered, double width) {
  const double first = quantile(ordered, 0.01) - 3 * width, last = quantile(ordered, 0.99) + 3 * width;
  std::vector<double> out(kGrid);
  for (int i = 0; i < kGrid; ++i) {
    const double at = first + (last - first) * i / (kGrid - 1);
    const auto begin = std::lower_bound(ordered.begin(), ordered.end(), at - 4 * width);  // beyond: below 4e-4
    const auto end = std::upper_bound(begin, ordered.end(), at + 4 * width);
    for (auto x = begin; x != end; ++x) out[std::size_t(i)] += std::exp(-0.5 * (*x - at) / width * ((*x - at) / width));
  }
  return out;
}

/// Indices of local maxima, highest first.
std::vector<std::size_t> peaks_of(const std::vector<double>& height) {
  std::vector<std::size_t> out;
  for (std::size_t i = 1; i + 1 < height.size(); ++i)
    if (height[i] > height[i - 1] && height[i] >= height[i + 1]) out.push_back(i);
  std::sort(out.begin(), out.end(), [&](std::size_t a, std::size_t b) { return height[a] > height[b]; });
  return out;
}

}  // namespace

int count_modes(std::span<const double> samples) {
  if (samples.size() < kLeastSamples) return 1;
  std::vector<double> ordered(samples.begin(), samples.end());
  std::sort(ordered.begin(), ordered.end());
  const double width = kernel_width(ordered);
  if (!(width > 0)) return 1;
  const std::vector<double> height = density(ordered, width);
  std::vector<std::size_t> counted;
  for (const std::size_t peak : peaks_of(height)) {
    const auto separate = [&](std::size_t other) {
      const auto [low, high] = std::minmax(peak, other);
      const auto begin = height.begin();
      return *std::min_element(begin + std::ptrdiff_t(low), begin + std::ptrdiff_t(high)) <
             kDeepestValley * height[peak];
    };
    const bool high_enough = counted.empty() || height[peak] >= kLeastHeight * height[counted.front()];
    if (high_enough && std::all_of(counted.begin(), counted.end(), separate)) counted.push_back(peak);
  }
  return std::max(1, int(counted.size()));
}

}  // namespace assay
