// Finds by trial whether a kernel's stores should go past the caches.
#pragma once
#include <cstdint>
#include <limits>

namespace assay {

/// Which way is faster depends on what no kernel can see: whether the caller's buffers are in the caches, and how far
/// apart the hypervisor has put the cores for the moment (measured on two Zen 4 cores at 1 MiB: through the caches
/// three times faster on warm buffers and near cores, past them 1.3 times faster on cold buffers, 1.5 on far cores). So
/// both ways are timed: in turn during the first launches, and later the other one in 2 of 64 launches.
class StoreTrials {
 public:
  /// Whether launch number `launch` takes the way that is not the choice.
  static bool is_trial(std::uint64_t launch) { return launch < kFirst ? launch % 2 == 1 : launch % kPeriod < kTrials; }

  /// Whether the choice is to go past the caches.
  bool streaming() const { return streaming_; }

  /// After every launch, in order.
  void add(std::uint64_t launch, double seconds) {
    double& best = is_trial(launch) ? trial_ : choice_;
    if (seconds < best) best = seconds;
    const bool decide = launch < kFirst ? launch == kFirst - 1 : launch % kPeriod == kTrials - 1;
    if (decide && trial_ < choice_) streaming_ = !streaming_;
    // As many launches of the choice count as of trials, the ones just before them.
    if (decide || launch % kPeriod == kPeriod - 1 - kTrials) trial_ = choice_ = kNever;
  }

 private:
  static constexpr std::uint64_t kFirst = 8, kPeriod = 64, kTrials = 2;
  static constexpr double kNever = std::numeric_limits<double>::infinity();
  bool streaming_ = false;
  double trial_ = kNever, choice_ = kNever;  // the best seconds since the last decision
};

}  // namespace assay
