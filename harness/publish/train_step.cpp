#include "harness/publish/train_step.h"

#include <cmath>
#include <iterator>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/core/units.h"
#include "harness/publish/table/row_extras.h"

namespace assay {
namespace {

struct NamedDetail {
  const char* detail;
  const char* text;
};
constexpr NamedDetail kConventions[] = {{"flops_full_attention", "full attention"},
                                        {"flops_causal", "causal"},
                                        {"flops_recomputed", "recomputed"},
                                        {"flops_6n", "6N"}};
constexpr NamedDetail kParts[] = {{"seconds_gemm", "GEMM"},           {"seconds_attention", "attention"},
                                  {"seconds_pointwise", "pointwise"}, {"seconds_cross_entropy", "cross-entropy"},
                                  {"seconds_optimizer", "optimizer"}, {"seconds_communication", "communication"}};

std::string format_flops(double per_second) { return fmt::format("{:.4g} GFLOP/s", per_second / 1e9); }

std::optional<double> bytes_of(const Record& record) {
  double sum = 0;
  for (const char* use :
       {"bytes_parameters", "bytes_gradients", "bytes_optimizer", "bytes_activations", "bytes_temporary"}) {
    const auto bytes = detail_number(record, use);
    if (!bytes) return std::nullopt;
    sum += *bytes;
  }
  return sum;
}

/// Nothing where a detail is missing: a file from elsewhere.
std::optional<TrainStepSummary> summary_of(const Record& record) {
  const auto derived = rates(record);
  const auto number = [&](const char* name) { return detail_number(record, name).value_or(std::nan("")); };
  const auto bytes = bytes_of(record);
  if (record.point.workload != "train_step" || !derived || !derived->flops_per_second || !bytes) return std::nullopt;
  TrainStepSummary out;
  out.id = record.point.id();
  out.seconds = derived->seconds.median;
  out.tokens_per_second = number("tokens") / out.seconds;
  out.flops_per_second = *derived->flops_per_second;
  out.peak_flops_per_second = detail_number(record, "peak_flops_per_second");
  out.peak_kernel = detail_word(record, "peak_kernel").value_or("");
  out.units = record.point.device == Device::gpu ? "GPU" : "cores";
  for (const auto& [detail, text] : kConventions)
    if (out.peak_flops_per_second)
      out.utilisations.push_back({text, number(detail) / out.seconds / *out.peak_flops_per_second});
  TableRow row;
  row.flops_per_second = out.flops_per_second;
  add_telemetry(record, row);
  // Of several ranks, the power that was read is that of rank 0's node alone.
  if (row.power_watts && record.point.number_or("ranks", 1) == 1)
    out.tokens_per_joule = out.tokens_per_second / *row.power_watts;
  for (const auto& [detail, text] : kParts)
    if (const double seconds = number(detail); seconds > 0) out.parts.push_back({text, seconds});
  if (const auto alone = detail_number(record, "seconds_all_reduce_alone"))
    out.reduction = {*alone, number("seconds_exposed_communication"), number("hidden_communication"),
                     number("gradient_buckets")};
  out.projected_seconds = number("seconds_projected");
  if (const auto low = detail_number(record, "seconds_projected_low"))
    out.projected_interval = {*low, number("seconds_projected_high")};
  if (const auto compared = detail_number(record, "gradients_compared"))
    out.gradients = {*compared, number("gradients"), number("gradient_tokens_compared")};
  out.tokens = number("tokens");
  out.beside_seconds = detail_number(record, "seconds_beside").value_or(out.seconds);
  out.bytes = *bytes;
  out.activation_bytes = number("bytes_activations");
  out.first_loss = number("loss_first"), out.last_loss = number("loss_last"), out.steps = number("loss_steps");
  out.required_loss = detail_number(record, "loss_required");
  out.least_loss = detail_number(record, "loss_least_possible");
  out.difference_from_cpu = detail_number(record, "loss_difference_from_cpu");
  out.losses = record.losses;
  return out;
}

std::string utilisation_text(const TrainStepSummary& step) {
  if (!step.peak_flops_per_second) return "unknown: no peak of that type was measured";
  std::vector<std::string> parts;
  for (const auto& [convention, share] : step.utilisations)
    parts.push_back(fmt::format("{} {:.1f} %", convention, 100 * share));
  return fmt::format("{} (of {}, {} on the same {})", fmt::join(parts, ", "), format_flops(*step.peak_flops_per_second),
                     step.peak_kernel, step.units);
}

std::string time_text(const TrainStepSummary& step) {
  double all = 0;
  for (const auto& [kernels, seconds] : step.parts) all += seconds;
  std::vector<std::string> parts;
  for (const auto& [kernels, seconds] : step.parts)
    parts.push_back(fmt::format("{} {:.3g} ms ({:.1f} %)", kernels, seconds * 1e3, 100 * seconds / all));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string loss_text(const TrainStepSummary& step) {
  std::string out = fmt::format("{:.3f} to {:.3f} in {:.0f} steps", step.first_loss, step.last_loss, step.steps);
  if (step.losses && !step.losses->cpu_losses.empty() && step.difference_from_cpu)
    out += fmt::format(", the first {} at most {:.2g} from a CPU's", step.losses->cpu_losses.size(),
                       *step.difference_from_cpu);
  return out;
}

/// A line; empty for one rank.
std::string reduction_text(const TrainStepSummary& step) {
  if (!step.reduction) return "";
  const auto& r = *step.reduction;
  return fmt::format(
      "- gradients' all-reduce: {:.3g} ms alone; {}, the step is {:.3g} ms longer with it than without: {:.0f} % "
      "hidden\n",
      r.alone_seconds * 1e3,
      r.buckets > 0 ? fmt::format("in {:.0f} buckets beside backward", r.buckets) : std::string("after backward"),
      r.exposed_seconds * 1e3, 100 * r.hidden);
}

/// A line; empty of a file that does not say.
std::string gradients_text(const TrainStepSummary& step) {
  if (!step.gradients) return "";
  const auto& g = *step.gradients;
  if (g.compared == g.of && g.tokens == step.tokens) return fmt::format("- gradients beside fp64: all {:.0f}\n", g.of);
  return fmt::format("- gradients beside fp64: {:.0f} of {:.0f} elements, of the loss of {:.0f} of {:.0f} tokens\n",
                     g.compared, g.of, g.tokens, step.tokens);
}

/// "55.03 ms (54.1 to 56.2)"
std::string projection_text(const TrainStepSummary& step) {
  const std::string text = fmt::format("{:.4g} ms", step.projected_seconds * 1e3);
  if (!step.projected_interval) return text;
  return text +
         fmt::format(" ({:.4g} to {:.4g})", step.projected_interval->low * 1e3, step.projected_interval->high * 1e3);
}

std::string text_of(const TrainStepSummary& step) {
  return fmt::format(
      "{}\n"
      "- {:.0f} tokens/s, {} a rank; {}\n"
      "- MFU: {}\n"
      "- time: {}\n"
      "{}"
      "- memory: {}, of which activations {}\n"
      "- loss: {}\n"
      "{}"
      "- step projected from its kernels: {}, measured {:.4g} ms ({:+.1f} %)\n",
      step.id, step.tokens_per_second, format_flops(step.flops_per_second),
      step.tokens_per_joule ? fmt::format("{:.3g} tokens/J", *step.tokens_per_joule)
                            : std::string("tokens/J unknown: no power was read of all ranks"),
      utilisation_text(step), time_text(step), reduction_text(step), format_bytes(step.bytes),
      format_bytes(step.activation_bytes), loss_text(step), gradients_text(step), projection_text(step),
      step.beside_seconds * 1e3, 100 * (step.projected_seconds / step.beside_seconds - 1));
}

}  // namespace

std::vector<TrainStepSummary> train_steps(const Result& result) {
  std::vector<TrainStepSummary> out;
  for (const Record& record : result.records)
    if (auto one = summary_of(record)) out.push_back(std::move(*one));
  return out;
}

std::string to_train_step_text(const Result& result) {
  std::vector<std::string> texts;
  for (const TrainStepSummary& step : train_steps(result)) texts.push_back(text_of(step));
  return fmt::format("{}", fmt::join(texts, "\n"));
}

}  // namespace assay
