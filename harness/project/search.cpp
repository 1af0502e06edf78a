#include "harness/project/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "harness/core/error.h"
#include "harness/project/projection_text.h"

namespace assay {
namespace {

/// Up to `most`; or what was asked for.
std::vector<std::int64_t> depths(std::int64_t asked, std::int64_t most) {
  if (asked > 0) return {asked};
  std::vector<std::int64_t> out(std::size_t(std::max<std::int64_t>(1, most)));
  std::iota(out.begin(), out.end(), 1);
  return out;
}

/// 1, 2, 4 ... `most`, or what was asked for.
std::vector<std::int64_t> powers(std::int64_t asked, std::int64_t most) {
  if (asked > 0) return {asked};
  std::vector<std::int64_t> out;
  for (std::int64_t i = 1; i <= most; i *= 2) out.push_back(i);
  return out;
}

/// Rising.
std::vector<std::int64_t> divisors_of(std::int64_t number) {
  std::vector<std::int64_t> small, large;
  for (std::int64_t i = 1; i * i <= number; ++i)
    if (number % i == 0) {
      small.push_back(i);
      if (i * i < number) large.insert(large.begin(), number / i);
    }
  small.insert(small.end(), large.begin(), large.end());
  return small;
}

class Search {
 public:
  Search(const ProjectionInput& in, std::size_t keep, const SearchLimits& limits)
      : in_(in), keep_(keep), limits_(limits), replicas_(divisors_of(in.plan.global_batch)), plan_(in.plan) {}

  SearchResult run() {
    const Transformer& m = plan_.model;
    constexpr std::int64_t kMostStages = 64, kMostContext = 32, kMostExperts = 256;
    const std::int64_t heads = m.latent() ? m.heads : std::min(m.heads, m.kv_heads);
    for (const auto tensor : powers(limits_.tensor, std::min(heads, in_.hardware.domain)))
      for (const auto pipeline : depths(limits_.pipeline, std::min(kMostStages, in_.plan.gpus)))
        for (const auto context : powers(limits_.context, kMostContext))
          for (const auto expert : powers(limits_.expert, std::clamp<std::int64_t>(m.experts, 1, kMostExperts))) {
            plan_.split.tensor = tensor, plan_.split.pipeline = pipeline;
            plan_.split.context = context, plan_.split.expert = expert;
            widths();
          }
    if (out_.best.empty()) refuse();
    if (out_.fewer && !(out_.fewer_seconds < out_.seconds.front())) out_.fewer.reset();
    return std::move(out_);
  }

 private:
  /// All GPUs, where they divide; and as many as the batch does, where that is fewer.
  void widths() {
    const std::int64_t all = in_.plan.gpus;
    const std::int64_t shards = plan_.split.tensor * plan_.split.pipeline * plan_.split.context;
    if (shards > all) return;
    if (all % shards == 0) plan_.gpus = all, chunks();
    constexpr int kTried = 3;  // the widest: those below have more microbatches, and are slower
    auto replica = std::upper_bound(replicas_.begin(), replicas_.end(), all / shards);
    for (int tries = 0; tries < kTried && replica != replicas_.begin(); ++tries)
      if (--replica; shards * *replica < all) plan_.gpus = shards * *replica, chunks();
  }

  void chunks() {
    constexpr std::int64_t kMostMicroBatch = 16;
    const std::int64_t layers = plan_.model.layers + plan_.model.prediction_layers, stages = plan_.split.pipeline;
    for (const auto interleave : depths(limits_.interleave, stages > 1 ? (layers + 2) / stages : 1))
      for (const auto micro_batch : powers(limits_.micro_batch, kMostMicroBatch)) {
        if (!can_deal(layers, stages * interleave)) break;
        plan_.split.interleave = interleave, plan_.micro_batch = micro_batch;
        plan_.split.zero = limits_.zero.value_or(1), plan_.recompute = limits_.recompute.value_or(Recompute::selective);
        if (plan_problem(plan_).empty()) states();
      }
  }

  /// Splitting more and computing again cost time: only where it does not fit otherwise, but ZeRO-3 is tried always.
  void states() {
    for (const int zero : limits_.zero ? std::vector{*limits_.zero} : std::vector{1, 3}) {
      plan_.split.zero = zero;
      for (const auto recompute :
           limits_.recompute ? std::vector{*limits_.recompute} : std::vector{Recompute::selective, Recompute::full}) {
        plan_.recompute = recompute;
        if (consider()) break;
      }
    }
  }

  /// Whether its memory fits.
  bool consider() {
    const double bytes = memory_of(plan_).total();
    const bool whole = plan_.gpus == in_.plan.gpus,
               fits = !(in_.hardware.memory_bytes > 0) || bytes <= in_.hardware.memory_bytes;
    out_.tried += whole ? 1 : 0;
    if (whole && bytes < least_) least_ = bytes, leanest_ = plan_;
    if (!fits) return false;
    const double seconds = step_time(plan_, in_.hardware, in_.shares).total();
    if (!whole) return keep_fewer(seconds), true;
    ++out_.fitting;
    const auto at =
        std::size_t(std::upper_bound(out_.seconds.begin(), out_.seconds.end(), seconds) - out_.seconds.begin());
    if (at >= keep_) return true;
    out_.seconds.insert(out_.seconds.begin() + std::ptrdiff_t(at), seconds);
    out_.best.insert(out_.best.begin() + std::ptrdiff_t(at), plan_);
    if (out_.best.size() > keep_) out_.best.pop_back(), out_.seconds.pop_back();
    return true;
  }

  void keep_fewer(double seconds) {
    if (out_.fewer && !(seconds < out_.fewer_seconds)) return;
    out_.fewer = plan_, out_.fewer_seconds = seconds;
  }

  [[noreturn]] void refuse() const {
    const std::string name = in_.plan.model_name;
    const std::string fewer =
        out_.fewer ? fmt::format("--gpus {} would, with {}", out_.fewer->gpus, describe(*out_.fewer)) : "";
    if (out_.tried == 0)
      throw InputError(fmt::format("no parallelism{} divides {} over {} GPUs with --global-batch {} and --seq {}; {}",
                                   limits_.any() ? " with what was asked for" : "", name, in_.plan.gpus,
                                   in_.plan.global_batch, in_.plan.sequence,
                                   out_.fewer ? fewer : "a batch that is a multiple of the GPUs would"));
    std::string what = states_problem(in_.plan, in_.hardware);
    if (what.empty()) what = out_.fewer ? fewer : "more GPUs or a shorter --seq would";
    throw InputError(fmt::format(
        "{} on {} GPUs of {:.0f} GB fits in none of {} ways; the least takes {:.1f} GB ({}): {}", name, in_.plan.gpus,
        in_.hardware.memory_bytes / 1e9, out_.tried, least_ / 1e9, describe(leanest_), what));
  }

  const ProjectionInput& in_;
  const std::size_t keep_;
  const SearchLimits& limits_;
  const std::vector<std::int64_t> replicas_;  // that share the batch evenly
  TrainingPlan plan_, leanest_;
  double least_ = std::numeric_limits<double>::infinity();
  SearchResult out_;
};

}  // namespace

SearchResult search(const ProjectionInput& in, std::size_t keep, const SearchLimits& limits) {
  return Search(in, keep, limits).run();
}

}  // namespace assay
