// configs/clusters: nodes of one accelerator, the network between them, how often they fail and what they cost.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/project/hardware.h"

namespace assay {

struct SourcedFigure {
  double value = 0;
  std::string source;  // document and date; "the command line"
};

struct Cluster {
  std::string name, full_name, accelerator, topology;
  std::int64_t gpus_per_node = 8, nvlink_domain = 8;
  SourcedFigure network_bytes_per_second;  // payload of one GPU's share, one direction
  std::optional<SourcedFigure>
      link_bytes_per_second;  // busbw of a large all-reduce in a node, instead of the datasheet's
  SourcedFigure failures_per_1000_node_days;
  std::optional<SourcedFigure> dollars_per_gpu_hour;
  SourcedFigure power_usage_effectiveness{1, "not stated: 1 is taken"};

  Network network() const {
    return {nvlink_domain, network_bytes_per_second.value, link_bytes_per_second ? link_bytes_per_second->value : 0};
  }
};

/// The shipped ones; parsed and validated once.
const std::vector<Cluster>& clusters();
/// InputError naming those there are.
const Cluster& cluster_named(std::string_view name);
/// By name, or from a file of one's own (names_file).
Cluster load_cluster(const std::string& name);
/// The first shipped one of an accelerator; null where there is none.
const Cluster* cluster_of(std::string_view accelerator);

}  // namespace assay
