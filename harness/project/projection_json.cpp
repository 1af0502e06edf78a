#include <algorithm>
#include <nlohmann/json.hpp>

#include "harness/project/projection_text.h"

namespace assay {
namespace {

using nlohmann::ordered_json;

ordered_json range_json(double low, double value, double high) {
  return {{"low", low}, {"value", value}, {"high", high}};
}

ordered_json plan_json(const TrainingPlan& plan) {
  const Parallelism& p = plan.split;
  return {{"model", plan.model_name},
          {"gpus", plan.gpus},
          {"tensor", p.tensor},
          {"pipeline", p.pipeline},
          {"interleave", p.interleave},
          {"context", p.context},
          {"expert", p.expert},
          {"data", plan.data_parallel()},
          {"zero", p.zero},
          {"sequence_parallel", p.sequence_parallel},
          {"schedule", name_of(p.schedule)},
          {"global_batch", plan.global_batch},
          {"micro_batch", plan.micro_batch},
          {"sequence", plan.sequence},
          {"precision", name_of(plan.precision)},
          {"recompute", name_of(plan.recompute)},
          {"recompute_parts", name_of(plan.parts)},
          {"prediction_layers", plan.model.prediction_layers},
          {"expert_imbalance", plan.expert_imbalance},
          {"stack", plan.stack.name}};
}

ordered_json step_json(const StepTime& t) {
  return {{"gemm", t.gemm},       {"attention", t.attention}, {"stream", t.stream},     {"tensor", t.tensor},
          {"context", t.context}, {"expert", t.expert},       {"pipeline", t.pipeline}, {"data", t.data},
          {"bubble", t.bubble},   {"optimizer", t.optimizer}, {"host", t.host},         {"stragglers", t.stragglers}};
}

ordered_json memory_json(const Memory& m) {
  return {{"weights", m.weights},         {"gradients", m.gradients}, {"optimizer", m.optimizer},
          {"activations", m.activations}, {"logits", m.logits},       {"gathered", m.gathered},
          {"overhead", m.overhead},       {"total", m.total()}};
}

ordered_json rates_json(const ProjectionPage& page) {
  ordered_json out = ordered_json::array();
  const double slower = 1 + page.input.error.slower, faster = 1 + page.input.error.faster, peak = peak_of(page.input);
  for (std::size_t i = 0; i < kFlopConventions.size(); ++i) {
    const double rate = page.projection.model_flops[i];
    out.push_back({{"convention", name_of(kFlopConventions[i])},
                   {"flops_per_second", range_json(rate / slower, rate, rate * faster)},
                   {"mfu", range_json(rate / slower / peak, rate / peak, rate * faster / peak)}});
  }
  return out;
}

ordered_json bill_json(const ProjectionPage& page) {
  const Projection& p = page.projection;
  if (!p.bill) return nullptr;
  const auto range = [&](double Bill::*part) {
    return range_json((*p.bill_low).*part, (*p.bill).*part, (*p.bill_high).*part);
  };
  ordered_json out = {
      {"tokens", *page.input.tokens}, {"days", range(&Bill::days)}, {"gpu_hours", range(&Bill::gpu_hours)}};
  out["kilowatt_hours"] = p.bill->kilowatt_hours > 0 ? range(&Bill::kilowatt_hours) : ordered_json(nullptr);
  const auto& price = page.input.cluster.dollars_per_gpu_hour;
  out["dollars"] = price ? range(&Bill::dollars) : ordered_json(nullptr);
  out["price"] =
      price ? ordered_json{{"dollars_per_gpu_hour", price->value}, {"source", price->source}} : ordered_json(nullptr);
  return out;
}

ordered_json goodput_json(const ProjectionPage& page) {
  if (!page.input.has_cluster) return nullptr;
  const Goodput& g = page.projection.goodput;
  return {{"share", g.share},
          {"failures_per_day", g.failures_per_day},
          {"checkpoint_interval_seconds", g.interval_seconds},
          {"checkpoint_seconds", page.input.recovery.checkpoint_seconds},
          {"restart_seconds", page.input.recovery.restart_seconds},
          {"checkpoint_bytes", g.checkpoint_bytes}};
}

}  // namespace

std::string projection_json(const ProjectionPage& page) {
  const ProjectionInput& in = page.input;
  const Projection& p = page.projection;
  const double tokens = tokens_per_second_per_gpu(in.plan, p.step.total());
  ordered_json notes = in.hardware.notes;
  for (const auto& note : in.notes) notes.push_back(note);
  ordered_json out = {
      {"schema", "assay-projection/1"},
      {"plan", plan_json(in.plan)},
      {"hardware", in.hardware.name},
      {"cluster", in.has_cluster ? ordered_json(in.cluster.name) : ordered_json(nullptr)},
      {"rates_source", in.hardware.source},
      {"kernels_measured", p.step.coverage.measured},
      {"kernels_modelled", p.step.coverage.modelled},
      {"kernel_model_error",
       in.hardware.fitted_on > 0 ? ordered_json(in.hardware.kernel_model_error) : ordered_json(nullptr)},
      {"relative_error", std::max(in.error.faster, in.error.slower)},
      {"error_source", in.error_source},
      {"notes", notes},
      {"step_seconds", range_json(p.step_low, p.step.total(), p.step_high)},
      {"step_parts", step_json(p.step)},
      {"bubble_share", p.step.bubble_share},
      {"exposed_communication_seconds", p.step.exposed()},
      {"memory_bytes", memory_json(p.memory)},
      {"tokens_per_second_per_gpu", range_json(tokens / (1 + in.error.slower), tokens, tokens * (1 + in.error.faster))},
      {"peak_flops_per_second", peak_of(in)},
      {"model_flops", rates_json(page)},
      {"goodput", goodput_json(page)},
      {"bill", bill_json(page)}};
  out["sensitivity"] = ordered_json::array();
  for (const auto& part : page.sensitivity)
    out["sensitivity"].push_back({{"part", part.part}, {"by_tenth", part.by_tenth}, {"doubled", part.doubled}});
  out["search"] = nullptr;
  if (page.search) {
    out["search"] = {{"tried", page.search->tried}, {"fitting", page.search->fitting}, {"best", ordered_json::array()}};
    for (std::size_t i = 0; i < page.search->best.size(); ++i)
      out["search"]["best"].push_back(
          {{"step_seconds", page.search->seconds[i]}, {"plan", plan_json(page.search->best[i])}});
  }
  return out.dump(2) + "\n";
}

std::string validation_json(const Validation& v) {
  ordered_json out = {{"schema", "assay-projection-validation/1"}, {"passed", v.passed()}};
  out["factors"] = ordered_json::array();
  for (const auto& f : v.factors)
    out["factors"].push_back({{"name", f.name}, {"value", f.value}, {"fitted_on", f.fitted_on}});
  out["runs"] = ordered_json::array();
  for (const auto& each : v.runs)
    out["runs"].push_back({{"id", each.run->id},
                           {"group", each.run->group},
                           {"published_seconds", each.run->step_seconds},
                           {"projected_seconds", each.projected_seconds},
                           {"error", each.error()},
                           {"low_seconds", each.projected_seconds / (1 + each.band.faster)},
                           {"high_seconds", each.projected_seconds * (1 + each.band.slower)},
                           {"inside", each.inside()},
                           {"kind", name_of(each.kind)},
                           {"left_out_of_fit", each.run->calibrates},
                           {"assumed", each.run->assumed},
                           {"source", each.run->source}});
  out["groups"] = ordered_json::array();
  for (const auto& g : v.groups)
    out["groups"].push_back({{"name", g.name},
                             {"rows", g.rows},
                             {"inside", g.inside},
                             {"mean_absolute_error", g.mean_absolute},
                             {"worst", g.worst},
                             {"bias", g.bias},
                             {"bar", g.bar > 0 ? ordered_json(g.bar) : ordered_json(nullptr)},
                             {"passed", g.passed()}});
  out["orders"] = ordered_json::array();
  for (const auto& o : v.orders)
    out["orders"].push_back({{"faster", o.pair.faster},
                             {"slower", o.pair.slower},
                             {"published_ratio", o.published},
                             {"projected_ratio", o.projected},
                             {"passed", o.passed()}});
  out["flops"] = ordered_json::array();
  for (const auto& f : v.flops)
    out["flops"].push_back({{"what", f.what},
                            {"source", f.source},
                            {"convention", name_of(f.convention)},
                            {"published", f.published},
                            {"counted", f.counted},
                            {"passed", f.passed()}});
  return out.dump(2) + "\n";
}

}  // namespace assay
