#include "harness/project/projection.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "harness/core/error.h"
#include "harness/project/validation.h"

namespace assay {
namespace {

/// What would make it fit, tried in the order of what it costs.
std::string what_would_fit(const TrainingPlan& plan, const Hardware& hw) {
  std::vector<std::pair<std::string, TrainingPlan>> tries;
  const auto add = [&](std::string words, const std::function<void(TrainingPlan&)>& change) {
    TrainingPlan other = plan;
    change(other);
    if (plan_problem(other).empty()) tries.emplace_back(std::move(words), other);
  };
  if (std::string problem = states_problem(plan, hw); !problem.empty()) return problem;
  if (plan.split.zero == 0) add("--zero 1", [](TrainingPlan& p) { p.split.zero = 1; });
  if (plan.micro_batch > 1) add("--micro-batch 1", [](TrainingPlan& p) { p.micro_batch = 1; });
  add("--recompute full", [](TrainingPlan& p) { p.recompute = Recompute::full; });
  add("--zero 3", [](TrainingPlan& p) { p.split.zero = 3; });
  add("--zero 3 --recompute full", [](TrainingPlan& p) { p.split.zero = 3, p.recompute = Recompute::full; });
  for (const std::int64_t factor : {2, 4, 8, 16}) {
    add(fmt::format("--tp {}", plan.split.tensor * factor), [&](TrainingPlan& p) { p.split.tensor *= factor; });
    add(fmt::format("--pp {}", plan.split.pipeline * factor), [&](TrainingPlan& p) { p.split.pipeline *= factor; });
  }
  for (const auto& [words, other] : tries)
    if (memory_of(other).total() <= hw.memory_bytes) return words + " would fit";
  return "--search looks for what would";
}

double seconds_of(const ProjectionInput& in, const Hardware& hw) { return step_time(in.plan, hw, in.shares).total(); }

}  // namespace

std::string states_problem(const TrainingPlan& plan, const Hardware& hw) {
  const double all = (kStateBytes + plan.stack.gradient_bytes) * parameters(plan.model).total;
  if (!(all > hw.memory_bytes * double(plan.gpus))) return {};
  return fmt::format(
      "split over all {} GPUs, weights, gradients and optimizer are {:.1f} GB each: {:.0f} GPUs would hold them",
      plan.gpus, all / double(plan.gpus) / 1e9, std::ceil(all / hw.memory_bytes));
}

ErrorBand projection_error(const TrainingPlan& plan, const Hardware& hw, const Shares& shares, std::string* source) {
  constexpr double kNinety = 1.645;
  const RunKind kind = kind_of(plan, hw, shares);
  ErrorBand out = error_band(shipped_validation().runs, kind);
  if (source)
    *source = fmt::format("what {} published runs of {} sets took over what is projected ({}; sets weigh alike)",
                          out.rows, out.sets, name_of(kind));
  if (source && hw.generation == 0) *source += fmt::format("; none of them on {}", hw.name);
  if (hw.fitted_on == 0) return out;
  const Coverage coverage = step_time(plan, hw, shares).coverage;
  const double modelled = double(coverage.modelled) / double(coverage.modelled + coverage.measured);
  const double kernels = kNinety * std::hypot(modelled * hw.kernel_model_error, hw.spread);
  out.faster = std::hypot(out.faster, kernels), out.slower = std::hypot(out.slower, kernels);
  return out;
}

void expect_fits(const TrainingPlan& plan, const Hardware& hw) {
  if (!(hw.memory_bytes > 0)) return;
  const Memory memory = memory_of(plan);
  if (memory.total() <= hw.memory_bytes * (1 + kMemoryTolerance)) return;
  throw InputError(
      fmt::format("{:.1f} GB a GPU ({:.1f} of weights, gradients and optimizer, {:.1f} of activations) do not fit in "
                  "the {:.0f} GB of "
                  "{}; {}",
                  memory.total() / 1e9, memory.states() / 1e9, memory.activations / 1e9, hw.memory_bytes / 1e9, hw.name,
                  what_would_fit(plan, hw)));
}

std::vector<std::string> plan_notes(const ProjectionInput& in) {
  std::vector<std::string> notes;
  if (in.plan.model.experts > 0 && in.plan.expert_imbalance == 1)
    notes.push_back(
        "experts are taken to be wanted alike, as benchmarks force them to be; --expert-imbalance takes what the "
        "busiest rank has above the mean (1.6 of four runs of Qwen3 235B without force: --validate)");
  if (const StageLayers stage = stage_layers(in.plan); stage.layout == Layout::uneven)
    notes.push_back(fmt::format("{} layers do not divide over {} stages: at most {} on one, dealt whole, the head too",
                                in.plan.model.layers + in.plan.model.prediction_layers, in.plan.split.pipeline,
                                stage.busiest));
  if (in.plan.model.vocabulary % in.plan.split.tensor != 0)
    notes.push_back(fmt::format("the vocabulary of {} is padded to {}, which {} ranks share evenly",
                                in.plan.model.vocabulary, in.plan.local_vocabulary() * in.plan.split.tensor,
                                in.plan.split.tensor));
  if (const double bytes = memory_of(in.plan).total(); in.hardware.memory_bytes > 0 && bytes > in.hardware.memory_bytes)
    notes.push_back(
        fmt::format("memory: {:.1f} GB, more than the {:.0f} there are, though within the formulas' own error of 10 %",
                    bytes / 1e9, in.hardware.memory_bytes / 1e9));
  if (in.plan.split.zero == 3 && in.plan.stack.gather_share == 1)
    notes.push_back("ZeRO-3 gathers at the full rate of the bus; DeepSpeed's of 2021 did not (--stack deepspeed-2021)");
  if (kind_of(in.plan, in.hardware, in.shares) == RunKind::short_experts)
    notes.push_back(
        fmt::format("a layer of a microbatch takes less than {:.0f} ms, forward and backward: published runs of such "
                    "layers wait for the host to launch them; larger microbatches or CUDA graphs help",
                    1e3 * kShortLayer));
  return notes;
}

Projection project(const ProjectionInput& in) {
  Projection out;
  const TrainingPlan& plan = in.plan;
  out.memory = memory_of(plan);
  out.step = step_time(plan, in.hardware, in.shares);
  const double seconds = out.step.total();
  out.step_low = seconds / (1 + in.error.faster);
  out.step_high = seconds * (1 + in.error.slower);
  for (std::size_t i = 0; i < kFlopConventions.size(); ++i)
    out.model_flops[i] = flops_per_gpu(plan, seconds, kFlopConventions[i]);
  if (in.has_cluster)
    out.goodput = goodput(std::ceil(double(plan.gpus) / double(in.cluster.gpus_per_node)), parameters(plan.model).total,
                          in.cluster, in.recovery);
  constexpr double kLeastShare = 1e-3;  // of the time: below, no run ends
  if (!(out.goodput.share >= kLeastShare))
    throw InputError(fmt::format(
        "{:.3g} failures a day, with {:.3g} s to restart and {:.3g} s for a checkpoint, leave {:.2g} of the "
        "time to train in: fewer GPUs, or less of --failures, --restart-seconds or --checkpoint-seconds "
        "would do",
        out.goodput.failures_per_day, in.recovery.restart_seconds, in.recovery.checkpoint_seconds, out.goodput.share));
  if (!in.tokens) return out;
  const double price = in.cluster.dollars_per_gpu_hour ? in.cluster.dollars_per_gpu_hour->value : 0;
  const auto at = [&](double step_seconds) {
    return bill(*in.tokens, plan.tokens() / step_seconds, double(plan.gpus), out.goodput.share, in.hardware.watts,
                in.cluster.power_usage_effectiveness.value, price);
  };
  out.bill = at(seconds), out.bill_low = at(out.step_low), out.bill_high = at(out.step_high);
  return out;
}

std::vector<Sensitivity> sensitivity(const ProjectionInput& in) {
  using Change = std::function<void(Hardware&, double)>;
  const auto scale_times = [](auto& measured, double f) {
    for (auto& [key, time] : measured) time.seconds /= f;
  };
  const std::vector<std::pair<const char*, Change>> parts = {
      {"GEMM",
       [&](Hardware& hw, double f) {
         for (double& rate : hw.gemm_flops) rate *= f;
         scale_times(hw.gemms, f), scale_times(hw.groups, f);
       }},
      {"attention",
       [&](Hardware& hw, double f) {
         hw.attention_forward *= f, hw.attention_backward *= f;
         scale_times(hw.attention, f);
       }},
      {"memory bandwidth",
       [](Hardware& hw, double f) { hw.memory_bytes_per_second *= f, hw.gemm_bytes_per_second *= f; }},
      {"links in a node", [](Hardware& hw, double f) { hw.link_bytes_per_second *= f; }},
      {"network (NIC)", [](Hardware& hw, double f) { hw.network_bytes_per_second *= f; }},
      {"kernel launch", [](Hardware& hw, double f) { hw.launch_seconds /= f; }}};
  const double now = seconds_of(in, in.hardware);
  std::vector<Sensitivity> out;
  for (const auto& [name, change] : parts) {
    const auto with = [&](double factor) {
      Hardware hw = in.hardware;
      change(hw, factor);
      return seconds_of(in, hw) / now - 1;
    };
    out.push_back({name, with(1.1), with(2)});
  }
  return out;
}

}  // namespace assay
