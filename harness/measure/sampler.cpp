#include "harness/measure/sampler.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "harness/measure/launch_sampler.h"

namespace assay {
namespace {

/// A step of one of them, whose error ends it alone.
template <class Step>
void attempt(LaunchSampler& sampler, const Step& step) {
  try {
    step();
  } catch (...) {
    sampler.fail(std::current_exception());
  }
}

/// Kernels of a point alike, so that none begins its turns warmer than another.
void decide_who_wakes(const std::vector<Sampled>& contestants, std::vector<LaunchSampler>& samplers) {
  std::map<std::string, bool> wakes;
  for (std::size_t i = 0; i < samplers.size(); ++i)
    if (!samplers[i].ended())
      wakes[contestants[i].point] |= contestants[i].hot || samplers[i].launch_seconds() < kTurnSeconds;
  for (std::size_t i = 0; i < samplers.size(); ++i) samplers[i].set_wakes(wakes[contestants[i].point]);
}

}  // namespace

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::vector<Sampling> sample_in_turns(const std::vector<Sampled>& contestants, Backend& backend, Communicator& ranks,
                                      const SamplingRule& rule, Mode mode, const std::atomic<bool>& interrupted,
                                      const Clock& now) {
  std::vector<LaunchSampler> samplers;
  for (const Sampled& one : contestants)
    samplers.emplace_back(one, backend, ranks, rule, mode, interrupted, now, int(contestants.size()));
  for (LaunchSampler& one : samplers) attempt(one, [&] { one.prepare(); });
  decide_who_wakes(contestants, samplers);
  const auto wants_more = [](const LaunchSampler& one) { return !one.satisfied() && !one.ended(); };
  for (std::size_t round = 0; std::any_of(samplers.begin(), samplers.end(), wants_more); ++round)
    for (std::size_t i = 0; i < samplers.size(); ++i)
      if (LaunchSampler& one = samplers[(round + i) % samplers.size()]; !one.ended())
        attempt(one, [&] { one.take_turn(); });
  // Only now: between timed launches it would delay some ranks more than others.
  for (LaunchSampler& one : samplers) attempt(one, [&] { one.gather_rank_times(); });
  std::vector<Sampling> out;
  for (LaunchSampler& one : samplers) out.push_back(std::move(one).result());
  return out;
}

Measurement sample(const Sampled& sampled, Backend& backend, Communicator& ranks, const SamplingRule& rule, Mode mode,
                   const std::atomic<bool>& interrupted, const Clock& now) {
  Sampling alone = sample_in_turns({sampled}, backend, ranks, rule, mode, interrupted, now).front();
  if (alone.error) std::rethrow_exception(alone.error);
  return std::move(alone.measurement);
}

}  // namespace assay
