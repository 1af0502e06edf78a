// How the loss of a training went, step by step, in a size that does not grow with the steps.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace assay {

/// Points of a curve at most.
inline constexpr std::size_t kMostLossPoints = 64;

struct LossCurve {
  std::vector<std::int64_t> steps;  // from 1, rising; the first and the last are always there
  std::vector<double> losses;       // at each of them, the mean over all ranks
  std::vector<double> cpu_losses;   // of the first steps, trained on a CPU beside; empty where none was
};

/// All of the losses where they are few enough.  Of more, the first half of the points are the first steps, in which a
/// loss falls most, and the others lie evenly up to the last.
LossCurve loss_curve(const std::vector<double>& losses, std::vector<double> cpu_losses);

}  // namespace assay
