#include "harness/train/projected.h"

#include <algorithm>
#include <deque>

namespace assay {
namespace {

/// What was started beside and is not done; the first of them runs.
class Beside {
 public:
  void start(const ProjectedLaunch& launch) {
    if (launch.seconds <= 0) return;  // a time that is no number stays, and makes the step's none
    left_.push_back({launch.seconds, 1 + std::max(launch.lost, 0.0) / launch.seconds});
  }
  /// How long a launch of `seconds` takes now.
  double pass(double seconds) {
    double took = 0;
    while (seconds > 0 && !left_.empty()) {
      const double both = std::min(seconds, left_.front().seconds);
      took += both * left_.front().slowed;
      seconds -= both;
      left_.front().seconds -= both;
      if (left_.front().seconds == 0) left_.pop_front();
    }
    return took + seconds;
  }
  /// How long the rest takes with nothing beside it.
  double finish() {
    double rest = 0;
    for (const Part& one : left_) rest += one.seconds;
    left_.clear();
    return rest;
  }

 private:
  struct Part {
    double seconds = 0, slowed = 1;
  };
  std::deque<Part> left_;
};

}  // namespace

double projected_seconds(const std::vector<ProjectedLaunch>& launches) {
  double now = 0;
  Beside beside;
  for (const ProjectedLaunch& launch : launches) switch (launch.way) {
      case ProjectedLaunch::Way::beside:
        beside.start(launch);
        break;
      case ProjectedLaunch::Way::waits:
        now += beside.finish() + launch.seconds;
        break;
      case ProjectedLaunch::Way::in_turn:
        now += beside.pass(launch.seconds);
        break;
    }
  return now + beside.finish();
}

}  // namespace assay
