#include "harness/measure/launch_sampler.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <thread>
#include <utility>

#include "harness/core/error.h"
#include "harness/measure/rank_times.h"
#include "harness/measure/warm_up.h"

namespace assay {
namespace {

constexpr double kFloorMultiple = 10;  // a sample lasts at least so many floors: the floor's own noise stays below it
constexpr int kFloorRepeats = 11;
constexpr int kMaxBatch = 256;
/// A GPU takes about a thousand launches into its queue before a launch blocks the host, and a workload's launch may
/// be several kernels.
constexpr int kMaxWarmUpChunk = 64;
/// A placement probe costs tens of microseconds: samples much shorter are probed in groups of about this length.
constexpr double kProbeGroupSeconds = 1e-3;
constexpr std::size_t kProbeGroupSamples = 10;

/// An interrupted case is still measured, if roughly: the median of fewer samples has no 95 % interval.
constexpr std::size_t kLeastInterrupted = 6;

constexpr auto kProbeSleep = std::chrono::microseconds(200);  // a few times what a probe takes

constexpr double kFailed = std::numeric_limits<double>::infinity();  // a rank's "time" where its launch threw
constexpr double kContinue = -1;                                     // in place of a StopReason

}  // namespace

class LaunchSampler::OwnTime {
 public:
  explicit OwnTime(LaunchSampler& sampler) : sampler_(sampler) { sampler_.since_ = sampler_.now_(); }
  ~OwnTime() { sampler_.spent_ = sampler_.elapsed(), sampler_.since_.reset(); }
  OwnTime(const OwnTime&) = delete;
  OwnTime& operator=(const OwnTime&) = delete;

 private:
  LaunchSampler& sampler_;
};

LaunchSampler::LaunchSampler(const Sampled& sampled, Backend& backend, Communicator& ranks, const SamplingRule& rule,
                             Mode mode, const std::atomic<bool>& interrupted, const Clock& now, int contestants)
    : sampled_(sampled),
      backend_(backend),
      ranks_(ranks),
      limits_(rule),
      mode_(mode),
      interrupted_(interrupted),
      now_(now),
      rule_(rule) {
  out_.in_turns = contestants;
}

void LaunchSampler::prepare() {
  const OwnTime own(*this);
  ranks_.doing("warming up " + sampled_.name);
  const bool warm = warm_up();
  out_.warmup_seconds = elapsed();
  if (!warm) {
    ended_ = true;
    return;
  }
  out_.floor_seconds = floor_seconds();
  out_.batch = choose_batch();
}

void LaunchSampler::take_turn() {
  const OwnTime own(*this);
  ranks_.doing("sampling " + sampled_.name);
  const double from = now_();
  if (in_turns()) wake_up();
  double seconds = 0;
  do {
    seconds += take_group();
    decide();
  } while (!ended_ && in_turns() && !agreed(seconds >= kTurnSeconds));
  out_.wall_seconds += now_() - from;
}

/// The slowest rank's seconds for what `measure` measures.  An error on one rank ends all of them: the others must
/// not wait for it at the next barrier.
double LaunchSampler::slowest(const std::function<double()>& measure) {
  if (!sampled_.own_threads) backend_.settle();
  double seconds = kFailed;
  std::exception_ptr error;
  ranks_.barrier_before_launch(sampled_.bytes);
  try {
    seconds = measure();
  } catch (...) {
    error = std::current_exception();
    backend_.fault();  // whoever takes the next turn must be told that it was not the one
  }
  ranks_.end_launch();
  last_own_ = backend_.slot_seconds();
  if (last_own_.size() < 2) last_own_ = {seconds};
  seconds = ranks_.maximum(seconds);
  if (error) std::rethrow_exception(error);
  if (seconds == kFailed) throw MeasureError("the launch failed on another rank");
  return seconds;
}

void LaunchSampler::launch_next() {
  sampled_.launch(next_set_);
  next_set_ = (next_set_ + 1) % std::max(1, sampled_.sets);
}

/// Seconds of `launches` launches together, walking on through the sets.
double LaunchSampler::timed(int launches) {
  return slowest([&] {
    return backend_.time([&] {
      for (int i = 0; i < launches; ++i) launch_next();
    });
  });
}

/// The first launch loads code and may wait for the device, which a held-back launch must not: so outside of time().
double LaunchSampler::first_launch() {
  return slowest([&] {
    backend_.expect_no_fault();
    const double before = now_();
    launch_next();
    backend_.synchronize();
    return now_() - before;
  });
}

/// False, with the stop reason set, where there is nothing to sample.
bool LaunchSampler::warm_up() {
  SteadyState steady(mode_, limits_);
  double seconds = first_launch();
  out_.warmup_launches = 1;
  out_.first_seconds = seconds;
  for (int chunk = 1;;) {
    if (timed_out(seconds)) return out_.stop = StopReason::timed_out, false;
    seconds = timed(chunk);
    out_.warmup_launches += chunk;
    launch_seconds_ = seconds / chunk;
    steady.add(elapsed(), launch_seconds_);
    if (agreed(steady.reached() || interrupted_) && !timed_out(seconds)) return true;
    if (seconds < limits_.warmup_seconds / 20) chunk = std::min(2 * chunk, kMaxWarmUpChunk);
  }
}

double LaunchSampler::floor_seconds() {
  std::vector<double> floors;
  for (int i = 0; i < kFloorRepeats; ++i)
    floors.push_back(slowest([&] { return backend_.time([&] { backend_.launch_empty(); }); }));
  std::nth_element(floors.begin(), floors.begin() + kFloorRepeats / 2, floors.end());
  return floors[kFloorRepeats / 2];
}

/// Launches per sample, so that a sample lasts kFloorMultiple floors.  Tried out, not computed: launches overlap.
int LaunchSampler::choose_batch() {
  const double least = kFloorMultiple * out_.floor_seconds;
  if (agreed(launch_seconds_ >= 2 * least)) return 1;
  int batch = 1;
  while (batch < kMaxBatch) {
    double seconds = timed(batch);
    for (int i = 0; i < 2; ++i) seconds = std::min(seconds, timed(batch));
    out_.warmup_launches += 3 * batch;
    if (seconds >= least) break;
    const double factor = seconds > 0 ? std::min(1.1 * least / seconds, 8.0) : 8.0;
    batch = std::min(kMaxBatch, std::max(batch + 1, int(std::ceil(batch * factor))));
  }
  return int(ranks_.broadcast(double(batch)));
}

/// Rank 0 probes alone: probes of two ranks would disturb each other.  The others sleep meanwhile, since a rank that
/// polled for rank 0's answer would keep the probe's other side off its core.
Placement LaunchSampler::probe() {
  if (!sampled_.probe_placement) return Placement::none;
  Placement placement = Placement::none;
  if (ranks_.is_root())
    placement = backend_.probe_placement(sampled_.own_threads);
  else
    std::this_thread::sleep_for(kProbeSleep);
  return Placement(int(ranks_.broadcast(double(placement))));
}

/// After the others' turns.
void LaunchSampler::wake_up() {
  before_.reset();
  if (!wakes_) return;
  timed(1);
  ++out_.warmup_launches;
}

bool LaunchSampler::group_is_full(std::size_t samples, double seconds) const {
  return !sampled_.probe_placement || samples >= kProbeGroupSamples || seconds >= kProbeGroupSeconds ||
         int(out_.seconds.size() + samples) >= limits_.max_samples;
}

/// Samples between two probes; their seconds together.
double LaunchSampler::take_group() {
  std::vector<double> group;
  double seconds = 0;
  if (!before_) before_ = probe();
  do {
    last_seconds_ = timed(out_.batch);
    group.push_back(last_seconds_ / out_.batch);
    own_seconds_.resize(last_own_.size());
    for (std::size_t i = 0; i < last_own_.size(); ++i) own_seconds_[i].push_back(last_own_[i] / out_.batch);
    seconds += last_seconds_;
  } while (!agreed(group_is_full(group.size(), seconds) || enough_though_interrupted(group.size()) ||
                   timed_out(last_seconds_)));
  const Placement after = probe(), placement = *before_ == after ? after : Placement::moved;
  before_ = after;
  for (const double one : group) {
    out_.seconds.push_back(one);
    if (sampled_.probe_placement) out_.placement.push_back(placement);
    rule_.add(one, placement, elapsed());
  }
  return seconds;
}

bool LaunchSampler::enough_though_interrupted(std::size_t more) const {
  return interrupted_ && out_.seconds.size() + more >= kLeastInterrupted;
}

/// Rank 0's decision on what there is.  The first reason to stop is the one that counts.
void LaunchSampler::decide() {
  const bool interrupted = enough_though_interrupted(0);
  const bool used_up = int(out_.seconds.size()) >= limits_.max_samples || elapsed() >= limits_.wall_seconds;
  const double reason = ranks_.broadcast(timed_out(last_seconds_) ? double(StopReason::timed_out)
                                         : rule_.done()           ? double(rule_.reason())
                                         : interrupted            ? double(StopReason::interrupted)
                                                                  : kContinue);
  satisfied_ = reason != kContinue;
  if (satisfied_) out_.stop = StopReason(int(reason));
  ended_ = agreed(satisfied_ && (timed_out(last_seconds_) || interrupted || used_up));
}

void LaunchSampler::fail(std::exception_ptr error) {
  error_ = std::move(error);
  ended_ = true;
}

void LaunchSampler::gather_rank_times() {
  if (error_) return;  // as on every rank
  ranks_.doing("gathering the times of " + sampled_.name);
  attach_rank_times(ranks_, own_seconds_, out_);
}

Sampling LaunchSampler::result() && {
  if (error_) return {{}, error_};
  return {std::move(out_), nullptr};
}

}  // namespace assay
