#include "harness/workloads/loss_curve.h"

#include <algorithm>

namespace assay {

LossCurve loss_curve(const std::vector<double>& losses, std::vector<double> cpu_losses) {
  constexpr std::size_t kHalf = kMostLossPoints / 2;
  LossCurve out;
  const auto keep = [&](std::size_t i) {
    out.steps.push_back(std::int64_t(i) + 1);
    out.losses.push_back(losses[i]);
  };
  const std::size_t first = losses.size() <= kMostLossPoints ? losses.size() : kHalf;
  for (std::size_t i = 0; i < first; ++i) keep(i);
  const std::size_t rest = losses.size() - first;  // none, or more than kHalf
  for (std::size_t i = 1; rest > 0 && i <= kHalf; ++i) keep(first - 1 + i * rest / kHalf);
  cpu_losses.resize(std::min(cpu_losses.size(), kMostLossPoints));
  out.cpu_losses = std::move(cpu_losses);
  return out;
}

}  // namespace assay
