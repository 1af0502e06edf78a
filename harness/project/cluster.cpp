#include "harness/project/cluster.h"

#include <fmt/format.h>

#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/suite/embedded.h"
#include "harness/suite/json_schema.h"
#include "harness/suite/wording.h"

namespace assay {
namespace {

SourcedFigure figure_of(const nlohmann::ordered_json& json) {
  return {json["value"], fmt::format("{}, {}", json["source"].get<std::string>(), json["date"].get<std::string>())};
}

Cluster parse_cluster(std::string_view text, const std::string& source) {
  const auto json = parse_json(text, source, "cluster.schema.json");
  Cluster out;
  out.name = json["name"], out.full_name = json["full_name"], out.accelerator = json["accelerator"];
  out.topology = json.value("topology", std::string());
  out.gpus_per_node = json["gpus_per_node"], out.nvlink_domain = json["nvlink_domain"];
  out.network_bytes_per_second = figure_of(json["network_bytes_per_second"]);
  out.failures_per_1000_node_days = figure_of(json["failures_per_1000_node_days"]);
  if (json.contains("dollars_per_gpu_hour")) out.dollars_per_gpu_hour = figure_of(json["dollars_per_gpu_hour"]);
  if (json.contains("power_usage_effectiveness"))
    out.power_usage_effectiveness = figure_of(json["power_usage_effectiveness"]);
  if (json.contains("link_bytes_per_second")) out.link_bytes_per_second = figure_of(json["link_bytes_per_second"]);
  if (out.nvlink_domain % out.gpus_per_node != 0 && out.gpus_per_node % out.nvlink_domain != 0)
    throw InputError(
        fmt::format("{}: /nvlink_domain: {}, which neither divides nor is a multiple of the {} GPUs of a node", source,
                    out.nvlink_domain, out.gpus_per_node));
  return out;
}

}  // namespace

const std::vector<Cluster>& clusters() {
  static const std::vector<Cluster> all = [] {
    std::vector<Cluster> parsed;
    for (const auto& file : embedded_files())
      if (file.path.starts_with("clusters/")) {
        parsed.push_back(parse_cluster(file.text, fmt::format("configs/{}", file.path)));
        accelerator_named(parsed.back().accelerator);  // refuses one that is not known
      }
    return parsed;
  }();
  return all;
}

const Cluster& cluster_named(std::string_view name) {
  std::vector<std::string> names;
  for (const auto& cluster : clusters()) {
    if (cluster.name == name) return cluster;
    names.push_back(cluster.name);
  }
  throw InputError(fmt::format("no cluster is called '{}'; there are {}, or give the path of a file ending in .json{}",
                               printable(name), join(names), did_you_mean(name, names)));
}

Cluster load_cluster(const std::string& name) {
  constexpr std::size_t kMostBytes = 1 << 20;
  return names_file(name) ? parse_cluster(read_file(name, kMostBytes), name) : cluster_named(name);
}

const Cluster* cluster_of(std::string_view accelerator) {
  for (const auto& cluster : clusters())
    if (cluster.accelerator == accelerator) return &cluster;
  return nullptr;
}

}  // namespace assay
