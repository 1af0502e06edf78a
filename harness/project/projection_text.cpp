#include "harness/project/projection_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace assay {
namespace {

std::string seconds_text(double s) {
  if (s >= 1) return fmt::format("{:.3g} s", s);
  return s >= 1e-3 ? fmt::format("{:.3g} ms", s * 1e3) : fmt::format("{:.3g} us", s * 1e6);
}

/// Four digits, never an exponent.
std::string number(double value) {
  const int decimals = std::clamp(3 - int(std::floor(std::log10(std::max(1e-3, value)))), 0, 3);
  return fmt::format("{:.{}f}", value, decimals);
}

std::string range_text(double low, double value, double high) {
  return fmt::format("{} ({} to {})", number(value), number(low), number(high));
}

/// Parts, largest first, none below a thousandth.
std::string parts_text(std::vector<std::pair<const char*, double>> parts, double whole, double unit,
                       const char* suffix) {
  std::stable_sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string out;
  for (const auto& [name, value] : parts)
    if (value > whole / 1000)
      out += fmt::format("  {:<28}{:>10.4g} {}  {:>5.1f} %\n", name, value / unit, suffix, 100 * value / whole);
  return out;
}

std::vector<std::pair<const char*, double>> parts_of(const StepTime& t) {
  return {{"GEMM", t.gemm},
          {"attention", t.attention},
          {"norms, activations, loss", t.stream},
          {"exposed: tensor parallel", t.tensor},
          {"exposed: context parallel", t.context},
          {"exposed: experts", t.expert},
          {"exposed: pipeline", t.pipeline},
          {"exposed: data parallel", t.data},
          {"pipeline bubble", t.bubble},
          {"optimizer", t.optimizer},
          {"host", t.host},
          {"stragglers", t.stragglers}};
}

std::vector<std::pair<const char*, double>> parts_of(const Memory& m) {
  return {{"weights", m.weights},
          {"gradients", m.gradients},
          {"optimizer", m.optimizer},
          {"activations", m.activations},
          {"logits", m.logits},
          {"gathered layers", m.gathered},
          {"context, fragmentation", m.overhead}};
}

std::string memory_text(const ProjectionPage& page) {
  const double total = page.projection.memory.total(), has = page.input.hardware.memory_bytes;
  std::string out = fmt::format("memory a GPU: {:.1f} GB", total / 1e9);
  if (has > 0)
    out += fmt::format(" of {:.0f}{}", has / 1e9,
                       total > has ? ": more than there is, but within the formulas' own error of 10 %" : "");
  return out + "\n" + parts_text(parts_of(page.projection.memory), total, 1e9, "GB");
}

std::string rates_text(const ProjectionPage& page) {
  const auto& [in, p] = std::tie(page.input, page.projection);
  const double peak = peak_of(in), slower = 1 + in.error.slower, faster = 1 + in.error.faster;
  const auto tokens = tokens_per_second_per_gpu(in.plan, p.step.total());
  std::string out = fmt::format("tokens/s a GPU: {}; all: {}\n", range_text(tokens / slower, tokens, tokens * faster),
                                number(tokens * double(in.plan.gpus)));
  out += fmt::format("model FLOP/s a GPU, and MFU of the dense {} peak of {:.4g} TFLOP/s:\n",
                     name_of(in.plan.precision), peak / 1e12);
  for (std::size_t i = 0; i < kFlopConventions.size(); ++i)
    out += fmt::format("  {:<28}{:>10.4g} TFLOP/s  {:>5.1f} % ({:.1f} to {:.1f})\n", name_of(kFlopConventions[i]),
                       p.model_flops[i] / 1e12, 100 * p.model_flops[i] / peak, 100 * p.model_flops[i] / peak / slower,
                       100 * p.model_flops[i] / peak * faster);
  return out;
}

std::string goodput_text(const ProjectionPage& page) {
  const auto& [in, p] = std::tie(page.input, page.projection);
  if (!in.has_cluster) return {};
  const Goodput& g = p.goodput;
  return fmt::format(
      "goodput: {:.1f} % of the time; {:.3g} failures a day ({:.3g} a 1000 node-days: {})\n"
      "  checkpoints of {:.3g} TB every {:.4g} min, {} each, {} to restart: T* = sqrt(2 delta M), "
      "share = T / (M e^(R/M) (e^((T + delta)/M) - 1))\n",
      100 * g.share, g.failures_per_day, in.cluster.failures_per_1000_node_days.value,
      in.cluster.failures_per_1000_node_days.source, g.checkpoint_bytes / 1e12, g.interval_seconds / 60,
      seconds_text(in.recovery.checkpoint_seconds), seconds_text(in.recovery.restart_seconds));
}

std::string bill_text(const ProjectionPage& page) {
  const auto& [in, p] = std::tie(page.input, page.projection);
  if (!p.bill) return {};
  const Bill &b = *p.bill, &low = *p.bill_low, &high = *p.bill_high;
  std::string out =
      fmt::format("{:.4g} tokens: {} days, {} GPU-hours\n", *in.tokens, range_text(low.days, b.days, high.days),
                  range_text(low.gpu_hours, b.gpu_hours, high.gpu_hours));
  if (b.kilowatt_hours > 0)
    out += fmt::format("  energy {} MWh: boards of {:.0f} W, PUE {:.2f} ({}); hosts and switches not counted\n",
                       range_text(low.kilowatt_hours / 1e3, b.kilowatt_hours / 1e3, high.kilowatt_hours / 1e3),
                       in.hardware.watts, in.cluster.power_usage_effectiveness.value,
                       in.cluster.power_usage_effectiveness.source);
  if (const auto& price = in.cluster.dollars_per_gpu_hour)
    out += fmt::format("  money {} million dollars: {:.3g} a GPU-hour ({})\n",
                       range_text(low.dollars / 1e6, b.dollars / 1e6, high.dollars / 1e6), price->value, price->source);
  else
    out += "  money: no price is known; --price takes dollars a GPU-hour\n";
  return out;
}

std::string source_text(const ProjectionInput& in, const Coverage& coverage) {
  std::string out = fmt::format("rates: {}\n", in.hardware.source);
  if (in.hardware.fitted_on > 0)
    out += fmt::format(
        "  {} of the step's {} kernel shapes were measured; the others by a model off by {:.1f} % on average on {} "
        "measured shapes it had not seen\n",
        coverage.measured, coverage.measured + coverage.modelled, 100 * in.hardware.kernel_model_error,
        in.hardware.fitted_on);
  out += fmt::format("interval: 90 %, {:+.1f} to {:+.1f} % of the time: {}\n", 100 / (1 + in.error.faster) - 100,
                     100 * in.error.slower, in.error_source);
  for (const auto& note : in.hardware.notes) out += "  note: " + note + "\n";
  for (const auto& note : in.notes) out += "  note: " + note + "\n";
  return out;
}

std::string search_text(const SearchResult& found) {
  std::string out = fmt::format("search: {} ways, {} fit in memory; the fastest:\n", found.tried, found.fitting);
  for (std::size_t i = 0; i < found.best.size(); ++i)
    out += fmt::format("  {:>8}  {}\n", seconds_text(found.seconds[i]), describe(found.best[i]));
  return out;
}

std::string sensitivity_text(const std::vector<Sensitivity>& parts) {
  std::string out = fmt::format("what a faster part would do to the step's time:\n  {:<20}{:>12}{:>12}\n", "",
                                "10 % faster", "twice");
  for (const auto& part : parts)
    out += fmt::format("  {:<20}{:>10.1f} %{:>10.1f} %\n", part.part, 100 * part.by_tenth, 100 * part.doubled);
  return out;
}

}  // namespace

double peak_of(const ProjectionInput& in) {
  const double narrow = in.hardware.datasheet_flops[int(in.plan.precision)];
  return narrow > 0 ? narrow : in.hardware.peak_flops;
}

std::string describe(const TrainingPlan& plan) {
  const Parallelism& p = plan.split;
  std::string out = fmt::format("tp {}, pp {}", p.tensor, p.pipeline);
  if (p.interleave > 1) out += fmt::format(" x {}", p.interleave);
  if (p.context > 1) out += fmt::format(", cp {}", p.context);
  if (p.expert > 1) out += fmt::format(", ep {}", p.expert);
  out += fmt::format(", dp {}, zero {}, micro-batch {}, recompute {}", plan.data_parallel(), p.zero, plan.micro_batch,
                     name_of(plan.recompute));
  if (const std::string parts = name_of(plan.parts); !parts.empty()) out += fmt::format(" ({})", parts);
  if (p.schedule != Schedule::one_f_one_b) out += fmt::format(", schedule {}", name_of(p.schedule));
  if (plan.model.prediction_layers > 0) out += fmt::format(", mtp {}", plan.model.prediction_layers);
  return out;
}

std::string projection_text(const ProjectionPage& page) {
  const ProjectionInput& in = page.input;
  const Projection& p = page.projection;
  std::string out =
      fmt::format("{} on {} x {}, {}\n{}\nbatch {} x {} tokens, {}, stack {}\n", in.plan.model_name, in.plan.gpus,
                  in.hardware.name, in.has_cluster ? in.cluster.full_name : "no cluster", describe(in.plan),
                  in.plan.global_batch, in.plan.sequence, name_of(in.plan.precision), in.plan.stack.name);
  out += source_text(in, p.step.coverage);
  const double total = p.step.total();
  out += fmt::format("\nstep: {} ({} to {}); bubble {:.1f} % of a stage's work\n", seconds_text(total),
                     seconds_text(p.step_low), seconds_text(p.step_high), 100 * p.step.bubble_share);
  out += parts_text(parts_of(p.step), total, 1, "s") + memory_text(page) + rates_text(page) + goodput_text(page) +
         bill_text(page);
  if (!page.sensitivity.empty()) out += sensitivity_text(page.sensitivity);
  if (page.search) out += search_text(*page.search);
  return out;
}

}  // namespace assay
