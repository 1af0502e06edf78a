#include "harness/communicators/launch_watch.h"

#include <chrono>
#include <utility>

#include "harness/communicators/rank_status.h"

namespace assay {

LaunchWatch::LaunchWatch(double patience_seconds, Late late) : patience_(patience_seconds), late_(std::move(late)) {
  thread_ = std::thread([this] { watch(); });
}

LaunchWatch::~LaunchWatch() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  ended_.notify_all();
  thread_.join();
}

void LaunchWatch::begin() {
  const std::scoped_lock lock(mutex_);
  since_ = monotonic_seconds();
}

void LaunchWatch::end() {
  const std::scoped_lock lock(mutex_);
  since_ = 0;
}

void LaunchWatch::watch() {
  std::unique_lock lock(mutex_);
  double last = monotonic_seconds();
  while (!ended_.wait_for(lock, std::chrono::duration<double>(patience_ / 4), [this] { return stopping_; })) {
    const double now = monotonic_seconds();
    // A process that was stopped, or a machine that was asleep, lost that time itself: the launch begins anew.
    if (since_ > 0 && now - last > patience_ / 2) since_ = now;
    last = now;
    if (since_ > 0 && now - since_ > patience_) late_(now - since_);
  }
}

}  // namespace assay
