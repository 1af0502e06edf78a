#include "harness/project/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "harness/core/error.h"

namespace assay {
namespace {

std::vector<std::int64_t> divisors_up_to(std::int64_t of, std::int64_t most) {
  std::vector<std::int64_t> out;
  for (std::int64_t i = 1; i <= std::min(of, most); ++i)
    if (of % i == 0) out.push_back(i);
  return out;
}

/// Depths at which layers, or layers with embedding and loss, divide.
std::vector<std::int64_t> pipeline_chunks(std::int64_t layers, std::int64_t most) {
  auto out = divisors_up_to(layers, most);
  for (const auto i : divisors_up_to(layers + 2, most))
    if (std::find(out.begin(), out.end(), i) == out.end()) out.push_back(i);
  return out;
}

class Search {
 public:
  Search(const ProjectionInput& in, std::size_t keep) : in_(in), keep_(keep), plan_(in.plan) {}

  SearchResult run() {
    const Transformer& m = plan_.model;
    constexpr std::int64_t kMostStages = 64, kMostContext = 32, kMostExperts = 256;
    const std::int64_t heads = m.latent() ? m.heads : std::min(m.heads, m.kv_heads);
    for (plan_.split.tensor = 1; plan_.split.tensor <= std::min(heads, in_.hardware.domain); plan_.split.tensor *= 2)
      for (const auto pipeline : pipeline_chunks(m.layers, std::min(kMostStages, plan_.gpus)))
        for (plan_.split.context = 1; plan_.split.context <= kMostContext; plan_.split.context *= 2)
          for (std::int64_t expert = 1; expert <= std::min(std::max<std::int64_t>(1, m.experts), kMostExperts);
               expert *= 2) {
            plan_.split.pipeline = pipeline, plan_.split.expert = expert;
            chunks();
          }
    if (out_.best.empty()) refuse();
    return std::move(out_);
  }

 private:
  void chunks() {
    constexpr std::int64_t kMostMicroBatch = 16;
    const std::int64_t shards = plan_.split.tensor * plan_.split.pipeline * plan_.split.context;
    if (shards > plan_.gpus || plan_.gpus % shards != 0) return;
    const std::int64_t most = plan_.split.pipeline > 1 ? (plan_.model.layers + 2) / plan_.split.pipeline : 1;
    for (plan_.split.interleave = 1; plan_.split.interleave <= most; ++plan_.split.interleave)
      for (plan_.micro_batch = 1; plan_.micro_batch <= kMostMicroBatch; plan_.micro_batch *= 2) {
        plan_.split.zero = 1, plan_.recompute = Recompute::selective;
        if (!plan_problem(plan_).empty()) continue;
        // Splitting more and computing again cost time: only where it does not fit otherwise, but ZeRO-3 is tried
        // always.
        for (plan_.split.zero = 1; plan_.split.zero <= 3; plan_.split.zero += 2)
          for (const auto recompute : {Recompute::selective, Recompute::full}) {
            plan_.recompute = recompute;
            if (consider()) break;
          }
      }
    plan_.split.interleave = 1, plan_.micro_batch = 1;
  }

  /// Whether its memory fits.
  bool consider() {
    ++out_.tried;
    const double bytes = memory_of(plan_).total();
    if (bytes < least_) least_ = bytes, leanest_ = plan_;
    if (in_.hardware.memory_bytes > 0 && !(bytes <= in_.hardware.memory_bytes)) return false;
    ++out_.fitting;
    const double seconds = step_time(plan_, in_.hardware, in_.shares).total();
    const auto at =
        std::size_t(std::upper_bound(out_.seconds.begin(), out_.seconds.end(), seconds) - out_.seconds.begin());
    if (at >= keep_) return true;
    out_.seconds.insert(out_.seconds.begin() + std::ptrdiff_t(at), seconds);
    out_.best.insert(out_.best.begin() + std::ptrdiff_t(at), plan_);
    if (out_.best.size() > keep_) out_.best.pop_back(), out_.seconds.pop_back();
    return true;
  }

  [[noreturn]] void refuse() const {
    if (out_.tried == 0)
      throw InputError(
          fmt::format("no parallelism divides {} over {} GPUs with --global-batch {} and --seq {}; a batch that is a "
                      "multiple of the GPUs "
                      "would",
                      plan_.model_name, plan_.gpus, plan_.global_batch, plan_.sequence));
    throw InputError(
        fmt::format("{} on {} GPUs of {:.0f} GB fits in none of {} ways; the least takes {:.1f} GB (tp {}, pp {}, cp "
                    "{}, ep {}, zero {}, "
                    "recompute {}): more GPUs or a shorter --seq would",
                    plan_.model_name, plan_.gpus, in_.hardware.memory_bytes / 1e9, out_.tried, least_ / 1e9,
                    leanest_.split.tensor, leanest_.split.pipeline, leanest_.split.context, leanest_.split.expert,
                    leanest_.split.zero, name_of(leanest_.recompute)));
  }

  const ProjectionInput& in_;
  const std::size_t keep_;
  TrainingPlan plan_, leanest_;
  double least_ = std::numeric_limits<double>::infinity();
  SearchResult out_;
};

}  // namespace

SearchResult search(const ProjectionInput& in, std::size_t keep) { return Search(in, keep).run(); }

}  // namespace assay
