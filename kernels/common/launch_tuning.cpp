#include "kernels/common/launch_tuning.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "kernels/common/cuda_check.h"

namespace assay {
namespace {

constexpr int kRepeats = 7;               // timings per proposal, of which the median counts
constexpr double kBatchMilliseconds = 1;  // per timing: far above the half microsecond that events resolve
constexpr int kLargestBatch = 50;
constexpr double kWorthSwitching = 0.98;  // closer than 2 % is within the noise of such short timings

class Event {
 public:
  Event() { ASSAY_CHECK_CUDA(cudaEventCreate(&event_)); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void record(Stream stream) { ASSAY_CHECK_CUDA(cudaEventRecord(event_, stream)); }
  double milliseconds_since(const Event& start) const {
    ASSAY_CHECK_CUDA(cudaEventSynchronize(event_));
    float milliseconds = 0;
    ASSAY_CHECK_CUDA(cudaEventElapsedTime(&milliseconds, start.event_, event_));
    return milliseconds;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

LaunchChoice choose_fastest(std::size_t proposals, const std::function<void(std::size_t, std::size_t)>& launch,
                            Stream stream) {
  LaunchChoice choice;
  if (proposals < 2) return choice;
  const auto milliseconds_per_launch = [&](std::size_t proposal, int launches) {
    Event start, stop;
    start.record(stream);
    for (int i = 0; i < launches; ++i) launch(proposal, static_cast<std::size_t>(i));
    stop.record(stream);
    return stop.milliseconds_since(start) / launches;
  };
  const double once = milliseconds_per_launch(0, 2);
  const int launches = std::clamp(static_cast<int>(kBatchMilliseconds / std::max(once, 1e-3)), 1, kLargestBatch);
  // Repeats go round all proposals, so that a drifting clock meets all alike.
  std::vector<std::vector<double>> times(proposals);
  for (int repeat = 0; repeat < kRepeats; ++repeat)
    for (std::size_t p = 0; p < proposals; ++p) times[p].push_back(milliseconds_per_launch(p, launches));
  const double first = median(times[0]);
  double best = first * kWorthSwitching;
  for (std::size_t p = 1; p < proposals; ++p) {
    const double time = median(times[p]);
    if (time < best) best = time, choice = {p, 1 - time / first};
  }
  return choice;
}

std::string describe_choice(const LaunchChoice& choice, std::size_t proposals) {
  char text[96];
  std::snprintf(text, sizeof text, "; proposal %zu of %zu tried, %.1f %% less time than the first", choice.index + 1,
                proposals, 100 * choice.gain);
  return text;
}

}  // namespace assay
