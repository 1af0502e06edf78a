// Ends a process whose launch on a GPU does not end: nothing can stop a kernel but the end of its process.
#pragma once
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace assay {

/// A thread beside the one that measures, asleep but for some microseconds in each quarter of the patience.
class LaunchWatch {
 public:
  /// `late` is called on the watch's thread, with the seconds that the launch has lasted, and does not return.
  using Late = std::function<void(double seconds)>;
  LaunchWatch(double patience_seconds, Late late);
  ~LaunchWatch();
  LaunchWatch(const LaunchWatch&) = delete;
  LaunchWatch& operator=(const LaunchWatch&) = delete;

  void begin();
  /// Never returns where `late` is at work: what was given up must not go on.
  void end();

 private:
  void watch();
  const double patience_;
  const Late late_;
  std::mutex mutex_;
  std::condition_variable ended_;
  double since_ = 0;  // of a launch under way; 0: none
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace assay
