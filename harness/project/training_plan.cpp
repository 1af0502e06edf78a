#include "harness/project/training_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "harness/core/error.h"
#include "harness/suite/wording.h"

namespace assay {
namespace {

constexpr std::array kPrecisions = {std::pair{Precision::bf16, "bf16"}, std::pair{Precision::fp8, "fp8"},
                                    std::pair{Precision::fp4, "fp4"}};
constexpr std::array kRecomputes = {std::pair{Recompute::none, "none"}, std::pair{Recompute::selective, "selective"},
                                    std::pair{Recompute::full, "full"}};
constexpr std::array kSchedules = {std::pair{Schedule::one_f_one_b, "1f1b"},
                                   std::pair{Schedule::zero_bubble, "zero_bubble"},
                                   std::pair{Schedule::dual_pipe, "dual_pipe"}};

template <class Table, class T>
const char* find_name(const Table& table, T value) {
  for (const auto& [each, name] : table)
    if (each == value) return name;
  return "";
}

template <class Table, class T>
bool find_value(const Table& table, std::string_view word, T& value) {
  for (const auto& [each, name] : table)
    if (word == name) return value = each, true;
  return false;
}

using PartFlag = bool RecomputedParts::*;
constexpr std::array kParts = {std::pair{PartFlag(&RecomputedParts::norms), "norms"},
                               std::pair{PartFlag(&RecomputedParts::latent_up), "latent_up"},
                               std::pair{PartFlag(&RecomputedParts::activation), "activation"},
                               std::pair{PartFlag(&RecomputedParts::dense), "dense"},
                               std::pair{PartFlag(&RecomputedParts::experts), "experts"}};

/// "1, 2, 4, 8": the divisors of `of`, those nearest to `wanted` where there are many.
std::string divisors(std::int64_t of, std::int64_t wanted) {
  constexpr std::size_t kMost = 8;
  std::vector<std::int64_t> all;
  for (std::int64_t i = 1; i <= std::min<std::int64_t>(of, 1 << 20); ++i)
    if (of % i == 0) all.push_back(i);
  const auto far = [&](std::int64_t a) { return std::max(a, wanted) / std::max<std::int64_t>(1, std::min(a, wanted)); };
  std::stable_sort(all.begin(), all.end(), [&](auto a, auto b) { return far(a) < far(b); });
  if (all.size() > kMost) all.resize(kMost);
  std::sort(all.begin(), all.end());
  return fmt::format("{}", fmt::join(all, ", "));
}

/// Heads are split over the tensor group whole; the vocabulary is padded.
std::string tensor_problem(const TrainingPlan& s) {
  const std::int64_t t = s.split.tensor;
  const Transformer& m = s.model;
  std::int64_t common = m.heads;
  if (!m.latent()) common = std::min(m.kv_heads, m.heads);
  if (m.heads % t != 0 || (!m.latent() && m.kv_heads % t != 0))
    return fmt::format("--tp {} does not divide the {} heads and {} kv heads of {}; {} would", t, m.heads, m.kv_heads,
                       s.model_name, divisors(common, t));
  return {};
}

/// Whether whole layers can be dealt so that chunks idle little: what pipeline layouts are written for.
bool nearly_full(std::int64_t layers, std::int64_t chunks) {
  constexpr double kFull = 0.95;
  return chunks <= layers && double(layers) >= kFull * double((layers + chunks - 1) / chunks * chunks);
}

std::string pipeline_problem(const TrainingPlan& s) {
  const Parallelism& p = s.split;
  const std::int64_t chunks = p.pipeline * p.interleave, layers = s.model.layers + s.model.prediction_layers;
  if (p.pipeline == 1 && p.interleave > 1)
    return fmt::format("--vp {} needs a pipeline; with --pp 1 only --vp 1 works", p.interleave);
  if (!can_deal(layers, chunks))
    return fmt::format(
        "--pp {} with --vp {} divides neither the {} layers of {} nor {} (embedding and loss as a layer each); --pp "
        "times --vp of {} or {} would",
        p.pipeline, p.interleave, layers, s.model_name, layers + 2, divisors(layers, chunks),
        divisors(layers + 2, chunks));
  if (p.schedule != Schedule::one_f_one_b && p.interleave > 1)
    return fmt::format("--schedule {} has its own order of chunks; --vp 1 works with it", name_of(p.schedule));
  if (p.schedule == Schedule::dual_pipe && p.pipeline % 2 != 0)
    return fmt::format("--schedule dual_pipe feeds the pipeline from both ends; an even --pp works, not {}",
                       p.pipeline);
  return {};
}

std::string batch_problem(const TrainingPlan& s) {
  const Parallelism& p = s.split;
  const std::int64_t shards = p.tensor * p.pipeline * p.context;
  if (s.gpus % shards != 0 || s.gpus < shards)
    return fmt::format("--gpus {} is no multiple of tp x pp x cp = {}; {} or {} would be", s.gpus, shards,
                       std::max<std::int64_t>(1, s.gpus / shards) * shards, (s.gpus / shards + 1) * shards);
  const std::int64_t step = s.micro_batch * s.data_parallel();
  if (s.global_batch % step != 0)
    return fmt::format("--global-batch {} is no multiple of micro-batch x data-parallel = {} x {}; {} or {} would be",
                       s.global_batch, s.micro_batch, s.data_parallel(),
                       std::max<std::int64_t>(1, s.global_batch / step) * step, (s.global_batch / step + 1) * step);
  // Half of the microbatches enters at either end, and each end fills the pipeline (DualPipe's own code asks for it).
  if (p.schedule == Schedule::dual_pipe && (s.microbatches() % 2 != 0 || s.microbatches() < 2 * p.pipeline))
    return fmt::format(
        "--schedule dual_pipe needs an even number of microbatches, at least 2 x --pp = {}, not {}; --global-batch {} "
        "would give as many",
        2 * p.pipeline, s.microbatches(), step * std::max(2 * p.pipeline, (s.microbatches() + 1) / 2 * 2));
  // Two chunks of the sequence a rank, so that causal masks load all alike (Llama 3, section 3.3.2).
  if (p.context > 1 && s.sequence % (2 * p.context) != 0)
    return fmt::format("--seq {} is no multiple of 2 x --cp = {}; {} would be", s.sequence, 2 * p.context,
                       (s.sequence / (2 * p.context) + 1) * 2 * p.context);
  if (p.sequence_parallel && (s.sequence / p.context) % p.tensor != 0)
    return fmt::format("--seq {} over --cp {} is not split evenly by --tp {}; a multiple of {} would be", s.sequence,
                       p.context, p.tensor, p.context * p.tensor);
  return {};
}

std::string expert_problem(const TrainingPlan& s) {
  const Parallelism& p = s.split;
  if (p.expert == 1) return {};
  if (s.model.experts == 0) return fmt::format("--ep {}: {} has no experts; only --ep 1 works", p.expert, s.model_name);
  if (s.model.experts % p.expert != 0)
    return fmt::format("--ep {} does not divide the {} experts of {}; {} would", p.expert, s.model.experts,
                       s.model_name, divisors(s.model.experts, p.expert));
  const std::int64_t ranks = s.gpus / p.pipeline;
  if (ranks % p.expert != 0)
    return fmt::format("--ep {} does not divide the {} GPUs of a pipeline stage; {} would", p.expert, ranks,
                       divisors(ranks, p.expert));
  return {};
}

}  // namespace

const char* name_of(Precision value) { return find_name(kPrecisions, value); }
const char* name_of(Recompute value) { return find_name(kRecomputes, value); }
const char* name_of(Schedule value) { return find_name(kSchedules, value); }
bool parse(std::string_view word, Precision& value) { return find_value(kPrecisions, word, value); }
bool parse(std::string_view word, Recompute& value) { return find_value(kRecomputes, word, value); }
bool parse(std::string_view word, Schedule& value) { return find_value(kSchedules, word, value); }

bool parse(std::string_view words, RecomputedParts& parts) {
  parts = {};
  while (!words.empty()) {
    const auto comma = std::min(words.find(','), words.size());
    PartFlag flag = nullptr;
    if (!find_value(kParts, words.substr(0, comma), flag)) return false;
    parts.*flag = true;
    words.remove_prefix(std::min(words.size(), comma + 1));
  }
  return true;
}

std::string name_of(const RecomputedParts& parts) {
  std::vector<std::string_view> names;
  for (const auto& [flag, name] : kParts)
    if (parts.*flag) names.emplace_back(name);
  return fmt::format("{}", fmt::join(names, ","));
}

bool can_deal(std::int64_t layers, std::int64_t chunks) {
  return layers % chunks == 0 || nearly_full(layers + 2, chunks);
}

StageLayers stage_layers(const TrainingPlan& s) {
  const std::int64_t layers = s.model.layers + s.model.prediction_layers, stages = s.split.pipeline;
  const std::int64_t chunks = stages * s.split.interleave;
  const bool both_ends = stages > 1 && s.split.schedule == Schedule::dual_pipe;
  if (!both_ends && layers % chunks == 0) return {double(layers) / double(stages), Layout::even};
  if (!both_ends && (layers + 2) % chunks == 0) return {double(layers + 2) / double(stages), Layout::ends};
  return {std::ceil(double(layers + 2) / double(stages)), Layout::uneven};
}

std::string range_problem(const TrainingPlan& s) {
  constexpr std::int64_t kMostGpus = 1 << 20;
  const auto below_one = [](std::int64_t value) { return value < 1; };
  const Parallelism& p = s.split;
  const std::array degrees = {std::pair{"--tp", p.tensor},
                              std::pair{"--pp", p.pipeline},
                              std::pair{"--vp", p.interleave},
                              std::pair{"--cp", p.context},
                              std::pair{"--ep", p.expert},
                              std::pair{"--global-batch", s.global_batch},
                              std::pair{"--micro-batch", s.micro_batch},
                              std::pair{"--seq", s.sequence}};
  constexpr std::int64_t kMost = 1'000'000'000;  // as in configs/models: no product of two overflows
  for (const auto& [flag, value] : degrees) {
    if (below_one(value)) return fmt::format("{} {}: must be at least 1", flag, value);
    if (value > kMost) return fmt::format("{} {}: must be at most {}", flag, value, kMost);
  }
  if (s.gpus < 1 || s.gpus > kMostGpus) return fmt::format("--gpus {}: expected 1 to {}", s.gpus, kMostGpus);
  constexpr double kMostImbalance = 1000;
  if (!(s.expert_imbalance >= 1 && s.expert_imbalance <= kMostImbalance))
    return fmt::format("--expert-imbalance {}: expected the busiest rank's tokens over the mean rank's, 1 to {}",
                       s.expert_imbalance, kMostImbalance);
  if (p.zero < 0 || p.zero > 3) return fmt::format("--zero {}: expected 0, 1, 2 or 3", p.zero);
  return {};
}

std::string plan_problem(const TrainingPlan& s) {
  for (const auto rule : {range_problem, tensor_problem, pipeline_problem, batch_problem, expert_problem})
    if (std::string problem = rule(s); !problem.empty()) return problem;
  return {};
}

void expect_possible(const TrainingPlan& s) {
  if (const std::string problem = plan_problem(s); !problem.empty()) throw InputError(problem);
}

}  // namespace assay
