#include "harness/measure/sampler.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <limits>
#include <thread>
#include <vector>

#include "harness/core/error.h"
#include "harness/measure/stopping_rule.h"
#include "harness/measure/warm_up.h"

namespace assay {
namespace {

constexpr double kFloorMultiple = 10;  // a sample lasts at least so many floors: the floor's own noise stays below it
constexpr int kFloorRepeats = 11;
constexpr int kMaxBatch = 256;
/// A GPU takes about a thousand launches into its queue before a launch blocks the host, and a workload's launch may be
/// several kernels.
constexpr int kMaxWarmUpChunk = 64;
/// A placement probe costs tens of microseconds: samples much shorter are probed in groups of about this length.
constexpr double kProbeGroupSeconds = 1e-3;
constexpr std::size_t kProbeGroupSamples = 10;

/// An interrupted case is still measured, if roughly: the median of fewer samples has no 95 % interval.
constexpr std::size_t kLeastInterrupted = 6;

constexpr auto kProbeSleep = std::chrono::microseconds(200);  // a few times what a probe takes

constexpr double kFailed = std::numeric_limits<double>::infinity();  // a rank's "time" where its launch threw
constexpr double kContinue = -1;                                     // in place of a StopReason

class Sampler {
 public:
  Sampler(const Sampled& sampled, Backend& backend, Communicator& ranks, const SamplingRule& rule, Mode mode,
          const std::atomic<bool>& interrupted, const Clock& now)
      : sampled_(sampled),
        backend_(backend),
        ranks_(ranks),
        rule_(rule),
        mode_(mode),
        interrupted_(interrupted),
        now_(now),
        started_(now()) {}

  Measurement run() {
    const bool warm = warm_up();
    out_.warmup_seconds = elapsed();
    if (!warm) return out_;
    out_.floor_seconds = floor_seconds();
    out_.batch = choose_batch();
    const double sampling_from = now_();
    take_samples();
    out_.wall_seconds = now_() - sampling_from;
    return out_;
  }

 private:
  double elapsed() const { return now_() - started_; }
  bool agreed(bool mine) { return ranks_.broadcast(mine ? 1.0 : 0.0) != 0; }
  bool timed_out(double seconds) const { return seconds > rule_.timeout_seconds; }

  /// The slowest rank's seconds for what `measure` measures.  An error on one rank ends all of them: the others must
  /// not wait for it at the next barrier.
  double slowest(const std::function<double()>& measure) {
    if (!sampled_.own_threads) backend_.settle();
    ranks_.barrier();
    double seconds = kFailed;
    std::exception_ptr error;
    try {
      seconds = measure();
    } catch (...) {
      error = std::current_exception();
    }
    seconds = ranks_.maximum(seconds);
    if (error) std::rethrow_exception(error);
    if (seconds == kFailed) throw MeasureError("the launch failed on another rank");
    return seconds;
  }

  void launch_next() {
    sampled_.launch(next_set_);
    next_set_ = (next_set_ + 1) % std::max(1, sampled_.sets);
  }

  /// Seconds of `launches` launches together, walking on through the sets.
  double timed(int launches) {
    return slowest([&] {
      return backend_.time([&] {
        for (int i = 0; i < launches; ++i) launch_next();
      });
    });
  }

  /// The first launch loads code and may wait for the device, which a held-back launch must not: so outside of time().
  double first_launch() {
    return slowest([&] {
      const double before = now_();
      launch_next();
      backend_.synchronize();
      return now_() - before;
    });
  }

  /// False, with the stop reason set, where there is nothing to sample.
  bool warm_up() {
    SteadyState steady(mode_, rule_);
    double seconds = first_launch();
    out_.warmup_launches = 1;
    for (int chunk = 1;;) {
      if (timed_out(seconds)) return out_.stop = StopReason::timed_out, false;
      seconds = timed(chunk);
      out_.warmup_launches += chunk;
      launch_seconds_ = seconds / chunk;
      steady.add(elapsed(), launch_seconds_);
      if (agreed(steady.reached() || interrupted_) && !timed_out(seconds)) return true;
      if (seconds < rule_.warmup_seconds / 20) chunk = std::min(2 * chunk, kMaxWarmUpChunk);
    }
  }

  double floor_seconds() {
    std::vector<double> floors;
    for (int i = 0; i < kFloorRepeats; ++i)
      floors.push_back(slowest([&] { return backend_.time([&] { backend_.launch_empty(); }); }));
    std::nth_element(floors.begin(), floors.begin() + kFloorRepeats / 2, floors.end());
    return floors[kFloorRepeats / 2];
  }

  /// Launches per sample, so that a sample lasts kFloorMultiple floors.  Tried out, not computed: launches overlap.
  int choose_batch() {
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
  Placement probe() {
    if (!sampled_.probe_placement) return Placement::none;
    Placement placement = Placement::none;
    if (ranks_.is_root())
      placement = backend_.probe_placement(sampled_.own_threads);
    else
      std::this_thread::sleep_for(kProbeSleep);
    return Placement(int(ranks_.broadcast(double(placement))));
  }

  /// Keeps a group of samples that ran between two probes.
  void keep(const std::vector<double>& group, Placement before, Placement after, StoppingRule& rule) {
    const Placement placement = before == after ? before : Placement::moved;
    for (const double seconds : group) {
      out_.seconds.push_back(seconds);
      if (sampled_.probe_placement) out_.placement.push_back(placement);
      rule.add(seconds, placement, elapsed());
    }
  }

  bool group_is_full(const std::vector<double>& group, double group_seconds) const {
    return !sampled_.probe_placement || group.size() >= kProbeGroupSamples || group_seconds >= kProbeGroupSeconds ||
           int(out_.seconds.size() + group.size()) >= rule_.max_samples;
  }

  void take_samples() {
    StoppingRule rule(rule_);
    std::vector<double> group;
    double group_seconds = 0;
    Placement before = probe();
    while (true) {
      const double seconds = timed(out_.batch);
      group.push_back(seconds / out_.batch);
      group_seconds += seconds;
      const bool interrupted = interrupted_ && out_.seconds.size() + group.size() >= kLeastInterrupted;
      if (!agreed(group_is_full(group, group_seconds) || interrupted || timed_out(seconds))) continue;
      const Placement after = probe();
      keep(group, before, after, rule);
      const double decision = ranks_.broadcast(timed_out(seconds) ? double(StopReason::timed_out)
                                               : rule.done()      ? double(rule.reason())
                                               : interrupted      ? double(StopReason::interrupted)
                                                                  : kContinue);
      if (decision != kContinue) {
        out_.stop = StopReason(int(decision));
        return;
      }
      before = after;
      group.clear();
      group_seconds = 0;
    }
  }

  const Sampled& sampled_;
  Backend& backend_;
  Communicator& ranks_;
  const SamplingRule rule_;
  const Mode mode_;
  const std::atomic<bool>& interrupted_;
  const Clock& now_;
  const double started_;
  Measurement out_;
  int next_set_ = 0;
  double launch_seconds_ = 0;
};

}  // namespace

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Measurement sample(const Sampled& sampled, Backend& backend, Communicator& ranks, const SamplingRule& rule, Mode mode,
                   const std::atomic<bool>& interrupted, const Clock& now) {
  return Sampler(sampled, backend, ranks, rule, mode, interrupted, now).run();
}

}  // namespace assay
