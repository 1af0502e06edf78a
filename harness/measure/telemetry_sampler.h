// Looks at devices while cases are sampled: once before, once after, and from a thread of its own in between.
#pragma once
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "harness/measure/telemetry.h"

namespace assay {

/// One device.  No call throws; what its source does not say stays null.
class TelemetrySource {
 public:
  virtual ~TelemetrySource() = default;
  /// The window begins: what only grows has its first values now.
  virtual void begin() = 0;
  /// One look, cheap: it runs beside what is timed.  Its time is the sampler's to fill.
  virtual Reading look() = 0;
  /// The window ends: all of a telemetry but readings, period and window.  Limits with the seconds a counter has for
  /// them; shares are the sampler's.
  virtual Telemetry end(double window_seconds) = 0;
};

/// Readings of one device at equal distances, however long the window: when there are kMostReadings of them every other
/// one is dropped, and from then on half as many are taken.
class Readings {
 public:
  static constexpr std::size_t kMostReadings = 200;
  /// Whether look number `tick` of the sampler's, from 0, is one to keep.
  bool wants(std::size_t tick) const { return tick % stride_ == 0; }
  void add(Reading);
  std::size_t stride() const { return stride_; }
  std::vector<Reading> take() { return std::move(readings_); }

 private:
  std::vector<Reading> readings_;
  std::size_t stride_ = 1;
};

/// The share of the readings in which each reason was set, joined with the seconds that `counted` has; those that
/// occurred by either.
std::vector<LimitTime> limit_times(const std::vector<Reading>&, std::vector<LimitTime> counted);

/// One window: begins with its construction.  The thread runs on `cores`, since it would inherit the caller's single
/// core, on which a kernel computes.
class TelemetrySampler {
 public:
  /// A period of 0 looks at nothing.
  TelemetrySampler(std::vector<std::unique_ptr<TelemetrySource>>, std::vector<int> cores, double period_seconds);
  ~TelemetrySampler();
  TelemetrySampler(const TelemetrySampler&) = delete;
  TelemetrySampler& operator=(const TelemetrySampler&) = delete;

  /// Ends the window: one telemetry for each source.  Once.
  std::vector<Telemetry> finish();

 private:
  struct Watched {
    std::unique_ptr<TelemetrySource> source;
    Readings readings;
  };
  double elapsed() const;
  void look(Watched&);
  void work();
  void stop();

  std::vector<Watched> watched_;
  const std::vector<int> cores_;
  const double period_;
  std::chrono::steady_clock::time_point began_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace assay
