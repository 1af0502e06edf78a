// One launch's sampling, a turn at a time: the part of sampler.h that does not know the others.
#pragma once
#include <exception>
#include <functional>
#include <optional>
#include <vector>

#include "harness/measure/sampler.h"
#include "harness/measure/stopping_rule.h"

namespace assay {

/// Every rank calls the same steps in the same order.  What a step throws, fail() is told; after that, as after
/// ended(), no step follows.
class LaunchSampler {
 public:
  /// `contestants`: how many take turns, this one among them.
  LaunchSampler(const Sampled&, Backend&, Communicator&, const SamplingRule&, Mode,
                const std::atomic<bool>& interrupted, const Clock&, int contestants);

  /// Warms up, and finds how many launches make a sample.
  void prepare();
  /// Whether one untimed launch comes before each turn of several.
  void set_wakes(bool wakes) { wakes_ = wakes; }
  void take_turn();
  /// Of the warm-up's last launches; the slowest rank's, and so the same on all.
  double launch_seconds() const { return launch_seconds_; }
  /// The rule's reason to stop is there; nothing forbids more samples.
  bool satisfied() const { return satisfied_; }
  /// No more samples.
  bool ended() const { return ended_; }
  void fail(std::exception_ptr);
  /// Collective, after the last turn: every rank's times for its own launches.
  void gather_rank_times();
  Sampling result() &&;

 private:
  /// While it lives, time is this launch's own.
  class OwnTime;

  double elapsed() const { return spent_ + (since_ ? now_() - *since_ : 0); }
  bool in_turns() const { return out_.in_turns > 1; }
  bool agreed(bool mine) { return ranks_.broadcast(mine ? 1.0 : 0.0) != 0; }
  bool timed_out(double seconds) const { return seconds > limits_.timeout_seconds; }
  bool enough_though_interrupted(std::size_t more) const;
  bool group_is_full(std::size_t samples, double seconds) const;

  double slowest(const std::function<double()>& measure);
  void launch_next();
  double timed(int launches);
  double first_launch();
  bool warm_up();
  double floor_seconds();
  int choose_batch();
  Placement probe();
  void wake_up();
  double take_group();
  void decide();

  const Sampled& sampled_;
  Backend& backend_;
  Communicator& ranks_;
  const SamplingRule limits_;
  const Mode mode_;
  const std::atomic<bool>& interrupted_;
  const Clock& now_;
  StoppingRule rule_;
  Measurement out_;
  std::exception_ptr error_;
  bool satisfied_ = false, ended_ = false, wakes_ = false;
  double spent_ = 0;                              // own time before since_
  std::optional<double> since_;                   // when the step at hand began
  std::optional<Placement> before_;               // the last probe's, unless others ran since
  std::vector<double> last_own_;                  // of the last launch, each rank that this process drives
  std::vector<std::vector<double>> own_seconds_;  // of every sample, by such a rank
  int next_set_ = 0;
  double launch_seconds_ = 0, last_seconds_ = 0;  // of the warm-up, of the last sample
};

}  // namespace assay
