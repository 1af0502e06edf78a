#include "harness/measure/telemetry_sampler.h"

#include <algorithm>
#include <utility>

#include "harness/backends/cores.h"

namespace assay {

void Readings::add(Reading reading) {
  if (readings_.size() == kMostReadings) {
    for (std::size_t i = 0; 2 * i < readings_.size(); ++i) readings_[i] = std::move(readings_[2 * i]);
    readings_.resize((readings_.size() + 1) / 2);
    stride_ *= 2;
  }
  readings_.push_back(std::move(reading));
}

std::vector<LimitTime> limit_times(const std::vector<Reading>& readings, std::vector<LimitTime> counted) {
  std::vector<LimitTime> out = std::move(counted);
  for (const Reading& reading : readings)
    for (const std::string& reason : reading.limits) {
      auto found = std::find_if(out.begin(), out.end(), [&](const LimitTime& one) { return one.reason == reason; });
      if (found == out.end()) found = out.insert(out.end(), LimitTime{reason, 0, std::nullopt});
      found->share += 1.0 / double(readings.size());
    }
  std::erase_if(out, [](const LimitTime& one) { return one.share == 0 && !(one.seconds.value_or(0) > 0); });
  return out;
}

TelemetrySampler::TelemetrySampler(std::vector<std::unique_ptr<TelemetrySource>> sources, std::vector<int> cores,
                                   double period_seconds)
    : cores_(std::move(cores)), period_(period_seconds) {
  if (period_ > 0)
    for (auto& source : sources) watched_.push_back({std::move(source), {}});
  if (watched_.empty()) return;
  for (Watched& one : watched_) one.source->begin();
  began_ = std::chrono::steady_clock::now();
  for (Watched& one : watched_) look(one);
  thread_ = std::thread([this] { work(); });
}

TelemetrySampler::~TelemetrySampler() { stop(); }

double TelemetrySampler::elapsed() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
}

void TelemetrySampler::look(Watched& one) {
  Reading reading = one.source->look();
  reading.seconds = elapsed();
  one.readings.add(std::move(reading));
}

void TelemetrySampler::work() {
  run_on(cores_);
  std::unique_lock lock(mutex_);
  for (std::size_t tick = 1; !ended_; tick = std::max(tick + 1, std::size_t(elapsed() / period_))) {
    // From the beginning, not from the last look, so that the distances stay; looks that are overdue are left out.
    const auto due = began_ + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                                  std::chrono::duration<double>(double(tick) * period_));
    if (wake_.wait_until(lock, due, [this] { return ended_; })) return;
    lock.unlock();
    for (Watched& one : watched_)
      if (one.readings.wants(tick)) look(one);
    lock.lock();
  }
}

void TelemetrySampler::stop() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::vector<Telemetry> TelemetrySampler::finish() {
  stop();
  std::vector<Telemetry> out;
  for (Watched& one : watched_) {
    look(one);
    const double window = elapsed();
    Telemetry telemetry = one.source->end(window);
    telemetry.period_seconds = period_ * double(one.readings.stride());
    telemetry.window_seconds = window;
    telemetry.readings = one.readings.take();
    telemetry.limits = limit_times(telemetry.readings, std::move(telemetry.limits));
    out.push_back(std::move(telemetry));
  }
  return out;
}

}  // namespace assay
