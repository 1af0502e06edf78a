#include "harness/project/published_runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "harness/core/error.h"
#include "harness/project/cluster.h"
#include "harness/suite/embedded.h"
#include "harness/suite/json_schema.h"
#include "harness/suite/models.h"
#include "harness/suite/wording.h"

namespace assay {
namespace {

using nlohmann::ordered_json;
using Models = std::vector<std::pair<std::string, Transformer>>;

constexpr std::string_view kShipped = "references/training_runs.json", kSchema = "training_runs.schema.json";

PublishedStack parse_stack(const ordered_json& json) {
  PublishedStack out;
  out.stack.name = json["name"];
  out.stack.tensor_overlap = json["tensor_overlap"];
  out.stack.expert_overlap = json.value("expert_overlap", 0.0);
  out.stack.dispatch_per_node = json.value("dispatch", std::string()) == "per_node";
  out.stack.narrow_dispatch = json.value("narrow_dispatch", false);
  out.stack.attention_share = json.value("attention_share", 1.0);
  out.stack.recomputes_products = json.value("recomputes_products", false);
  out.stack.flash_attention = json.value("flash_attention", true);
  out.stack.dropout = json.value("dropout", false);
  out.stack.gradient_bytes = json.value("gradient_bytes", 4);
  const std::string fits = json.value("fits", std::string());
  out.fits = fits == "compute" ? StackFactor::compute : fits == "gathers" ? StackFactor::gathers : StackFactor::none;
  out.factor_of = json.value("as", out.stack.name);
  return out;
}

Transformer parse_dimensions(const ordered_json& json) {
  Transformer t;
  t.layers = json["layers"], t.hidden = json["hidden"], t.heads = json["heads"], t.kv_heads = json["kv_heads"];
  t.head_dim = json["head_dim"], t.vocabulary = json["vocabulary"];
  t.tied_embedding = json.value("tied_embedding", false);
  t.dense = {json["feed_forward"]["form"] == "gated", json["feed_forward"]["size"].get<std::int64_t>()};
  t.dense_layers = t.layers;
  return t;
}

/// The shipped file's models, so that other files of rows may name them.
const Models& shipped_models() {
  static const Models all = [] {
    Models out;
    for (const auto& each : models()) out.emplace_back(each.name, each.transformer());
    const auto json = parse_json(*embedded_file(kShipped), fmt::format("configs/{}", kShipped), kSchema);
    for (const auto& each : json["models"]) out.emplace_back(each["name"], parse_dimensions(each));
    return out;
  }();
  return all;
}

Transformer model_named(const Models& all, const std::string& name) {
  std::vector<std::string> names;
  for (const auto& [each, model] : all) {
    if (each == name) return model;
    names.push_back(each);
  }
  throw InputError(
      fmt::format("no model is called '{}'; there are {}{}", printable(name), join(names), did_you_mean(name, names)));
}

Hardware hardware_for(const ordered_json& json) {
  const std::string name = json["accelerator"];
  Hardware hw = hardware_of(accelerator_named(name));
  if (json.contains("memory_bytes_per_second"))
    hw.memory_bytes_per_second *=
        json["memory_bytes_per_second"].get<double>() / accelerator_named(name).memory_bytes_per_second;
  hw.link_bytes_per_second = json.value("link_bytes_per_second", hw.link_bytes_per_second);
  const Cluster* cluster = cluster_of(name);
  if (!cluster && !json.contains("network_bytes_per_second"))
    throw InputError(fmt::format("network_bytes_per_second is missing, and no cluster of {} is known", name));
  const double network = json.contains("network_bytes_per_second") ? json["network_bytes_per_second"].get<double>()
                                                                   : cluster->network_bytes_per_second.value;
  join(hw, {json.value("nvlink_domain", std::int64_t(8)), network});
  return hw;
}

double step_seconds_of(const ordered_json& json, const TrainingPlan& s) {
  const int given = int(json.contains("step_seconds")) + int(json.contains("tokens_per_second_per_gpu")) +
                    int(json.contains("tflops_per_gpu"));
  if (given != 1)
    throw InputError(
        "expected exactly one of step_seconds, tokens_per_second_per_gpu, and tflops_per_gpu with convention");
  if (json.contains("step_seconds")) return json["step_seconds"];
  if (json.contains("tokens_per_second_per_gpu"))
    return s.tokens() / (json["tokens_per_second_per_gpu"].get<double>() * double(s.gpus));
  if (!json.contains("convention")) throw InputError("tflops_per_gpu needs convention: how the source counts FLOP");
  for (const auto convention : kFlopConventions)
    if (json["convention"] == name_of(convention))
      return training_flops(s.model, double(s.sequence), convention) * s.tokens() /
             (json["tflops_per_gpu"].get<double>() * 1e12 * double(s.gpus));
  throw std::logic_error("a convention that the schema lists is not known");
}

PublishedRun parse_run(const ordered_json& json, const PublishedRuns& all, const Models& models) {
  PublishedRun out;
  out.id = json["id"], out.group = json["group"];
  out.source = fmt::format("{}, {}", json["source"].get<std::string>(), json["date"].get<std::string>());
  out.assumed = json.value("assumed", std::string());
  TrainingPlan& s = out.setup;
  s.model_name = json["model"];
  s.model = model_named(models, s.model_name);
  s.gpus = json["gpus"];
  const auto count = [&](const char* key) { return json.value(key, std::int64_t(1)); };
  s.split = {count("tensor"),
             count("pipeline"),
             count("interleave"),
             count("context"),
             count("expert"),
             json.value("zero", 1),
             json.value("sequence_parallel", true),
             Schedule::one_f_one_b};
  parse(json.value("schedule", std::string(name_of(s.split.schedule))), s.split.schedule);
  s.model.prediction_layers = json.value("prediction_layers", std::int64_t(0));
  s.global_batch = json["global_batch"], s.micro_batch = json["micro_batch"], s.sequence = json["sequence"];
  parse(json["precision"].get<std::string>(), s.precision);  // the schema lists them
  parse(json["recompute"].get<std::string>(), s.recompute);
  const auto parts = json.value("recompute_parts", std::vector<std::string>());
  parse(fmt::format("{}", fmt::join(parts, ",")), s.parts);
  s.expert_imbalance = json.value("expert_imbalance", 1.0);
  s.stack = stack_named(all, json["stack"]).stack;
  out.hardware = hardware_for(json);
  if (!(out.hardware.gemm_flops[int(s.precision)] > 0))
    throw InputError(fmt::format("{} has no {} peak", out.hardware.name, name_of(s.precision)));
  expect_possible(s);
  out.step_seconds = step_seconds_of(json, s);
  out.calibrates = json.value("calibrates", false);
  return out;
}

}  // namespace

PublishedRuns parse_published_runs(std::string_view text, const std::string& source) {
  const auto json = parse_json(text, source, kSchema);
  PublishedRuns out;
  Models models = shipped_models();
  for (const auto& each : json.value("models", ordered_json::array()))
    models.emplace(models.begin(), each["name"], parse_dimensions(each));
  for (const auto& each : json.value("stacks", ordered_json::array())) out.stacks.push_back(parse_stack(each));
  if (out.stacks.empty()) out.stacks = published_runs().stacks;
  for (const auto& each : json["runs"]) {
    try {
      out.runs.push_back(parse_run(each, out, models));
    } catch (const InputError& error) {
      throw InputError(fmt::format("{}: run '{}': {}", source, printable(each["id"].get<std::string>()), error.what()));
    }
  }
  const auto known = [&](const std::string& id) {
    return std::any_of(out.runs.begin(), out.runs.end(), [&](const PublishedRun& run) { return run.id == id; });
  };
  for (const auto& each : json.value("orders", ordered_json::array())) {
    out.orders.push_back({each["faster"], each["slower"]});
    for (const std::string& id : {out.orders.back().faster, out.orders.back().slower})
      if (!known(id))
        throw InputError(fmt::format("{}: orders name a run '{}' that is not there", source, printable(id)));
  }
  return out;
}

const PublishedRuns& published_runs() {
  static const PublishedRuns all = [] {
    const auto text = embedded_file(kShipped);
    if (!text) throw std::logic_error(fmt::format("configs/{} is not built in", kShipped));
    return parse_published_runs(*text, fmt::format("configs/{}", kShipped));
  }();
  return all;
}

const PublishedStack& stack_named(const PublishedRuns& runs, const std::string& name) {
  std::vector<std::string> names;
  for (const auto& each : runs.stacks) {
    if (each.stack.name == name) return each;
    names.push_back(each.stack.name);
  }
  throw InputError(
      fmt::format("no stack is called '{}'; there are {}{}", printable(name), join(names), did_you_mean(name, names)));
}

double tokens_per_second_per_gpu(const TrainingPlan& s, double step_seconds) {
  return s.tokens() / (step_seconds * double(s.gpus));
}

double flops_per_gpu(const TrainingPlan& s, double step_seconds, FlopConvention convention) {
  return training_flops(s.model, double(s.sequence), convention) * tokens_per_second_per_gpu(s, step_seconds);
}

}  // namespace assay
