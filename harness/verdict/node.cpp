#include "harness/verdict/node.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/core/glob.h"
#include "harness/measure/statistics.h"
#include "harness/record/device_model.h"
#include "harness/suite/accelerators.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

Json look(const Json& object, const char* outer, const char* inner) {
  const Json part = object.is_object() ? object.value(outer, Json()) : Json();
  return part.is_object() ? part.value(inner, Json()) : Json();
}

/// As many as are on the bus: those that CUDA lost are missing, not absent.
int gpus_of(const Json& provenance) {
  const Json listed = provenance.value("gpus", Json::array());
  const Json on_bus = look(provenance, "system", "nvidia_gpus_on_bus");
  return std::max(listed.is_array() ? int(listed.size()) : 0, on_bus.is_number_integer() ? on_bus.get<int>() : 0);
}

std::vector<std::string> unfit(const Json& provenance) {
  std::vector<std::string> out;
  const Json findings = provenance.value("findings", Json::array());
  if (!findings.is_array()) return {"its findings cannot be read"};
  for (const auto& finding : findings)
    if (finding.is_object() && finding.value("severity", Json()) == "unfit")
      out.push_back("unfit to measure: " + finding.value("what", Json("no reason given")).dump());
  return out;
}

/// Of the same case on the node's GPUs, this one included.
std::vector<const Record*> peers(const Node& node, const Record& record) {
  std::vector<const Record*> out;
  for (const auto& other : node.result.records) {
    Case same = other.point;
    same.device_index = record.point.device_index;
    if (other.point.device == Device::gpu && same.id() == record.point.id() && rates(other)) out.push_back(&other);
  }
  return out;
}

Expected median_of_peers(const Node& node, const Record& record, RateUnit unit) {
  auto all = peers(node, record);
  if (int(all.size()) < node.gpus)
    return {{}, nullptr, fmt::format("measured on {} of {} GPUs: no spread", all.size(), node.gpus)};
  std::vector<double> values;
  for (const Record* peer : all) values.push_back(rate_of(*peer, unit).value_or(0));
  std::sort(all.begin(), all.end(),
            [&](const Record* a, const Record* b) { return rate_of(*a, unit) < rate_of(*b, unit); });
  std::sort(values.begin(), values.end());
  return {quantile(values, 0.5), all[all.size() / 2], {}};
}

Expected datasheet_peak(const Node& node, const Record& record, RateUnit unit) {
  const Accelerator* known = find_accelerator(device_model(record.point, node.result.provenance));
  if (known && unit == RateUnit::bytes) return {known->memory_bytes_per_second, nullptr, {}};
  if (known && unit == RateUnit::flops && known->peak(record.point.dtype))
    return {known->peak(record.point.dtype), nullptr, {}};
  return {{}, nullptr, "there is no datasheet peak for it"};
}

/// One that fell off the bus is not counted there any more.  Nodes have 2, 4, 8 or 16 of a kind, and clouds divide them
/// by two; the few that do not are for the operator to name.
std::string odd_count(const Node& node, const Expectations* expectations) {
  const bool even = (node.gpus & (node.gpus - 1)) == 0;
  if (even || node.options.gpus || !expectations || !expectations->machine.is_gpu()) return {};
  return fmt::format(
      "shows {} GPUs, and nodes have 1, 2, 4, 8 or 16: one is missing, or --gpus {} says that it has no more",
      node.gpus, node.gpus);
}

}  // namespace

Node look_at_node(const Result& result, const Expectations* expectations, const CheckOptions& options) {
  Node node{result, options, {}, options.gpus.value_or(gpus_of(result.provenance)), unfit(result.provenance)};
  const Json host = look(result.provenance, "system", "hostname");
  if (host.is_string()) node.host = host.get<std::string>();
  if (result.seal == Seal::broken) node.problems.push_back("was changed after it was written: its seal does not match");
  if (result.seal == Seal::none && !options.unsealed)
    node.problems.push_back("is not sealed, an older assay wrote it: measure again, or --unsealed takes it");
  if (expectations && !matches(expectations->machine, result.provenance))
    node.problems.push_back(fmt::format("is of {}, expected {}", machine_of(result.provenance).describe(),
                                        expectations->machine.describe()));
  if (const auto why = odd_count(node, expectations); !why.empty()) node.problems.push_back(why);
  return node;
}

std::vector<const Record*> matching(const Node& node, const Expectation& e, std::optional<int> gpu) {
  std::vector<const Record*> out;
  for (const auto& record : node.result.records) {
    const Case& point = record.point;
    if (!glob_match(e.pattern, point.id())) continue;
    if (gpu && point.device_index != *gpu) continue;
    // What a device does among others is expected where that is said, and compared with what the others do.
    const bool among_others = e.kind == ExpectationKind::spread || e.pattern.find("together=") != std::string::npos;
    if (point.together > 1 && !among_others) continue;
    if (e.conditions.data && point.data != *e.conditions.data) continue;
    if (e.conditions.cache && point.cache != *e.conditions.cache) continue;
    if (e.conditions.mode && point.mode != *e.conditions.mode) continue;
    out.push_back(&record);
  }
  return out;
}

std::optional<double> rate_of(const Record& record, RateUnit unit) {
  const auto derived = rates(record);
  return derived ? rate_of(*derived, unit) : std::nullopt;
}

const Record* fastest(const Node& node, const std::vector<const Record*>& records, RateUnit unit) {
  const Record* best = nullptr;
  for (const Record* record : records) {
    const auto rate = rate_of(*record, unit);
    if (!rate || !unusable(*record, node.options).empty()) continue;
    if (!best || *rate > *rate_of(*best, unit)) best = record;
  }
  return best;
}

Expected expected_of(const Node& node, const Expectation& e, const Record& record) {
  if (e.kind == ExpectationKind::floor) return {e.value, nullptr, {}};
  if (e.kind == ExpectationKind::spread) return median_of_peers(node, record, e.unit);
  Expected base;
  if (e.to == "datasheet") {
    base = datasheet_peak(node, record, e.unit);
  } else {
    std::vector<const Record*> others;
    for (const auto& other : node.result.records) {
      if (other.point.device_name() != record.point.device_name()) continue;
      const bool same_point = other.vendor && other.point.point_id() == record.point.point_id();
      if (e.to == "vendor" ? same_point : glob_match(e.to, other.point.id())) others.push_back(&other);
    }
    const Record* best = fastest(node, others, e.unit);
    base.value = best ? rate_of(*best, e.unit) : std::nullopt;
    if (!best) base.problem = "what it is a ratio of (" + e.to + ") was not measured";
  }
  if (base.value) *base.value *= e.value;
  return base;
}

std::string forced_on(const Node& node, const Record& record) {
  // What keeps NCCL from its own choice of paths and algorithms.
  constexpr const char* kForces[] = {"NCCL_TOPO_FILE",   "NCCL_GRAPH_FILE", "NCCL_ALGO",       "NCCL_PROTO",
                                     "NCCL_P2P_DISABLE", "NCCL_P2P_LEVEL",  "NCCL_SHM_DISABLE"};
  if (!record.point.kernel.starts_with("nccl")) return {};
  for (const char* variable : kForces) {
    const Json value = look(node.result.provenance, "environment", variable);
    if (value.is_string() && value != "" && value != "0")
      return fmt::format("{}={} is set, which NCCL must obey: unset it and measure again", variable,
                         value.get<std::string>());
  }
  return {};
}

}  // namespace assay
