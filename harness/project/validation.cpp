#include "harness/project/validation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>

#include "harness/suite/models.h"

namespace assay {
namespace {

/// Groups whose mean error has a bar; the shipped runs must hold each of them.
const std::map<std::string, double>& bars() {
  static const std::map<std::string, double> all = {{"MLPerf 405B", 0.10}, {"Selene 2022", 0.04}};
  return all;
}

void add_groups(Validation& validation) {
  for (const auto& each : validation.runs) {
    auto& groups = validation.groups;
    auto at = std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.name == each.run->group; });
    if (at == groups.end()) {
      groups.push_back({each.run->group});
      at = groups.end() - 1;
    }
    const double error = each.error();
    at->mean_absolute = (at->mean_absolute * double(at->rows) + std::abs(error)) / double(at->rows + 1);
    at->bias = (at->bias * double(at->rows) + error) / double(at->rows + 1);
    at->worst = std::max(at->worst, std::abs(error));
    at->inside += each.inside() ? 1 : 0;
    ++at->rows;
  }
}

/// A bar of which no run is left would be met by nothing.
void set_bars(Validation& validation) {
  for (const auto& [name, bar] : bars()) {
    const auto at = std::find_if(validation.groups.begin(), validation.groups.end(),
                                 [&name = name](const auto& group) { return group.name == name; });
    if (at == validation.groups.end())
      throw std::logic_error("no published run of " + name + ", whose error has a bar");
    at->bar = bar;
  }
}

void add_orders(Validation& validation, const PublishedRuns& runs) {
  const auto find = [&](const std::string& id) {
    return *std::find_if(validation.runs.begin(), validation.runs.end(),
                         [&](const auto& v) { return v.run->id == id; });
  };
  const auto rate = [](const ValidatedRun& v, double seconds) {
    return tokens_per_second_per_gpu(v.run->setup, seconds);
  };
  for (const auto& pair : runs.orders) {
    const ValidatedRun fast = find(pair.faster), slow = find(pair.slower);
    validation.orders.push_back({pair, rate(fast, fast.run->step_seconds) / rate(slow, slow.run->step_seconds),
                                 rate(fast, fast.projected_seconds) / rate(slow, slow.projected_seconds)});
  }
}

/// Published pairs of tokens a second and FLOP/s, which fix the source's FLOP of a token.
std::vector<ValidatedFlops> flop_counts() {
  const PublishedRuns& runs = published_runs();
  const auto setup = [&](const char* id) {
    return std::find_if(runs.runs.begin(), runs.runs.end(), [&](const auto& run) { return run.id == id; })->setup;
  };
  std::vector<ValidatedFlops> out;
  const auto add = [&](const char* id, FlopConvention convention, double published, const char* what,
                       const char* source) {
    const TrainingPlan plan = setup(id);
    out.push_back({what, source, convention, published, training_flops(plan.model, double(plan.sequence), convention)});
  };
  constexpr auto full = FlopConvention::full_attention, causal = FlopConvention::causal;
  const double peak = 312e12;  // of an A100, which table 5's MFU is of
  const auto from_mfu = [&](double mfu, double seconds, double gpus, double batch) {
    return mfu * peak * seconds * gpus / (batch * 2048);
  };
  const char* korthikanti = "arXiv 2205.05198, table 5";
  add("selene-22b-selective", full, from_mfu(0.415, 1.10, 8, 4), "22B, MFU 41.5 %", korthikanti);
  add("selene-175b-selective", full, from_mfu(0.514, 13.75, 64, 64), "175B, MFU 51.4 %", korthikanti);
  add("selene-530b-selective", full, from_mfu(0.560, 37.83, 280, 280), "530B, MFU 56.0 %", korthikanti);
  add("selene-1t-selective", full, from_mfu(0.563, 71.49, 512, 512), "1T, MFU 56.3 %", korthikanti);
  add("mpt-70b-128", full, 428e12 / 1058, "MPT 70B, 428 TFLOP/s at 1058 tokens/s", "llm-foundry README");
  add("bridge-8b", causal, 744e12 / 14451, "Llama 3 8B, 744 TFLOP/s at 14451 tokens/s", "Megatron Bridge 25.11");
  add("bridge-70b", causal, 719e12 / 1602, "Llama 3 70B, 719 TFLOP/s at 1602 tokens/s", "Megatron Bridge 25.11");
  add("bridge-405b-1536", causal, 822e12 / 326, "Llama 3.1 405B, 822 TFLOP/s at 326 tokens/s",
      "Megatron Bridge archive");
  add("dsv3-gb300-bf16", causal, 961e12 / 3848, "DeepSeek-V3, 961 TFLOP/s at 3848 tokens/s", "Megatron Bridge 25.11");
  add("dsv3-gb300-fp8", causal, 1199e12 / 4612, "and its MTP layer, 1199 TFLOP/s at 4612", "Megatron Bridge 26.02");
  add("qwen3-235b-gb300-fp8", causal, 974e12 / 6583, "Qwen3 235B-A22B, 974 TFLOP/s at 6583", "Megatron Bridge 26.02");
  add("qwen3-30b-gb300-fp8", causal, 699e12 / 30376, "Qwen3 30B-A3B, 699 TFLOP/s at 30376", "Megatron Bridge 26.02");
  add("mixtral-8x7b-gb200-fp8", full, 1598e12 / 19275, "Mixtral 8x7B, 1598 TFLOP/s at 19275", "NeMo 25.04");
  const auto recomputed = [](double l, double h, double v) {  // equation 3 of the paper, of a token
    return 96 * l * h * h * (1 + 2048 / (6 * h) + v / (16 * l * h));
  };
  add("ptd-175b-384", FlopConvention::recomputed, recomputed(96, 12288, 51200), "175B, equation 3", "arXiv 2104.04473");
  return out;
}

RunKind kind_of(const PublishedRun& run, const PublishedRuns& runs, const Calibration& fitted) {
  TrainingPlan setup = run.setup;
  setup.stack = fitted.stack(stack_named(runs, setup.stack.name));
  return kind_of(setup, run.hardware, fitted.shares(run.hardware, setup.precision));
}

struct Weighted {
  double ratio = 0, weight = 0;
};

/// The ratio at which `share` of the weight is reached, between its neighbours' middles.
double percentile(const std::vector<Weighted>& sorted, double share) {
  double total = 0, below = 0;
  for (const auto& each : sorted) total += each.weight;
  Weighted last;
  double at_last = 0;
  for (const auto& each : sorted) {
    const double at = (below + each.weight / 2) / total;
    if (at >= share)
      return last.weight == 0 ? each.ratio
                              : last.ratio + (each.ratio - last.ratio) * (share - at_last) / (at - at_last);
    below += each.weight, last = each, at_last = at;
  }
  return last.ratio;
}

void add_bands(Validation& validation, const std::vector<ValidatedRun>* others) {
  for (auto& each : validation.runs)
    each.band = error_band(others ? *others : validation.runs, each.kind, others ? "" : each.run->group);
}

}  // namespace

bool Validation::passed() const {
  const auto ok = [](const auto& each) { return each.passed(); };
  return std::all_of(groups.begin(), groups.end(), ok) && std::all_of(orders.begin(), orders.end(), ok) &&
         std::all_of(flops.begin(), flops.end(), ok);
}

Validation validate_shipped() {
  const PublishedRuns& runs = published_runs();
  Validation out;
  out.factors = calibration().factors();
  for (const auto& run : runs.runs) {
    const double seconds =
        run.calibrates ? Calibration::fit(runs, run.id).step_seconds(run, runs) : calibration().step_seconds(run, runs);
    out.runs.push_back({&run, seconds, kind_of(run, runs, calibration())});
  }
  add_bands(out, nullptr);
  add_groups(out);
  set_bars(out);
  add_orders(out, runs);
  if (out.orders.empty()) throw std::logic_error("no order of published runs is asked for");
  out.flops = flop_counts();
  return out;
}

Validation validate_runs(const PublishedRuns& runs, const Calibration& fitted) {
  Validation out;
  out.factors = fitted.factors();
  for (const auto& run : runs.runs)
    out.runs.push_back({&run, fitted.step_seconds(run, runs), kind_of(run, runs, fitted)});
  add_bands(out, &shipped_validation().runs);
  add_groups(out);
  add_orders(out, runs);
  return out;
}

const char* name_of(RunKind kind) {
  switch (kind) {
    case RunKind::dense:
      return "dense";
    case RunKind::experts:
      return "experts";
    case RunKind::short_experts:
      return "experts, short layers";
  }
  return "";
}

RunKind kind_of(const TrainingPlan& plan, const Hardware& hw, const Shares& shares) {
  if (plan.model.expert_layers() == 0) return RunKind::dense;
  return layer_time(plan, hw, shares).total() < kShortLayer ? RunKind::short_experts : RunKind::experts;
}

ErrorBand error_band(const std::vector<ValidatedRun>& runs, RunKind kind, const std::string& without) {
  const auto counts = [&](const ValidatedRun& each) { return each.kind == kind && each.run->group != without; };
  std::map<std::string, double> rows;
  for (const auto& each : runs)
    if (counts(each)) ++rows[each.run->group];
  std::vector<Weighted> ratios;
  for (const auto& each : runs)
    if (counts(each)) ratios.push_back({each.run->step_seconds / each.projected_seconds, 1 / rows[each.run->group]});
  if (ratios.empty()) throw std::logic_error("no published run of the kind tells how far a projection may be off");
  std::sort(ratios.begin(), ratios.end(), [](const auto& a, const auto& b) { return a.ratio < b.ratio; });
  constexpr double kTail = 0.05;
  return {std::max(0.0, 1 / percentile(ratios, kTail) - 1), std::max(0.0, percentile(ratios, 1 - kTail) - 1),
          ratios.size(), rows.size()};
}

const Validation& shipped_validation() {
  static const Validation validation = validate_shipped();
  return validation;
}

}  // namespace assay
