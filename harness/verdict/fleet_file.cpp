#include "harness/verdict/fleet_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/measure/statistics.h"
#include "harness/record/result.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

std::string text_or(const Json& object, const char* key, const std::string& otherwise) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

}  // namespace

int fleet_device(const Case& point) {
  if (point.device == Device::gpu) return point.device_index;
  return point.core < 0 ? kCpuDevice : core_device(point.core);
}

std::string without_ordinal(std::string id, int device) {
  const std::string device_name = fleet_device_name(device);
  const auto at = id.find("/" + device_name + "/");
  if (at != std::string::npos)
    id.replace(at + 1, device_name.size(), device > kCpuDevice ? "gpu" : device < kCpuDevice ? "core" : "cpu");
  return id;
}

void add_value(FleetNode& node, const std::string& id, const std::string& workload, int device, const Measurement& m,
               FleetCases& cases) {
  const Placement placement = dominant_placement(m.placement);
  std::vector<double> samples = samples_in(m, placement);
  std::sort(samples.begin(), samples.end());
  const std::string key = placement == Placement::none ? id : fmt::format("{} [{}]", id, name(placement));
  node.values.push_back({cases.number_of(key, workload), 0, device, quantile(samples, 0.5), quantiles_of(samples)});
}

std::string hardware_of(const std::vector<std::string>& gpus, const std::string& cpu) {
  std::string out;
  for (std::size_t i = 0; i < gpus.size();) {
    std::size_t end = i;
    while (end < gpus.size() && gpus[end] == gpus[i]) ++end;
    out += fmt::format("{} x {}, ", end - i, gpus[i]);
    i = end;
  }
  return out + (cpu.empty() ? "a CPU of unknown model" : cpu);
}

FleetNode slow_read_fleet_node(const std::filesystem::path& path, FleetCases& cases) {
  const Result result = load_result(path);
  FleetNode node;
  node.files = {path.string()};
  node.name = text_or(result.provenance.at("system"), "hostname", path.stem().string());
  node.started_utc = text_or(result.provenance, "started_utc", "");
  node.complete = result.complete;
  node.seal = result.seal;
  std::vector<std::string> gpus;
  for (const auto& gpu : result.provenance.at("gpus")) {
    gpus.push_back(text_or(gpu, "name", "unknown"));
    if (const auto uuid = text_or(gpu, "uuid", ""); !uuid.empty()) node.uuids[gpu.at("index").get<int>()] = uuid;
  }
  node.hardware = hardware_of(gpus, text_or(result.provenance.at("cpu"), "model", ""));
  for (const auto& record : result.records) {
    const Case& point = record.point;
    const int device = fleet_device(point);
    const std::string id = without_ordinal(point.id(), device);
    if (!record.outcome.ok()) {
      node.failures.push_back({id, device, record.outcome.kind, record.outcome.reason, 0});
      continue;
    }
    add_value(node, id, point.workload, device, record.measurement, cases);
    if (record.soak && !record.soak->digest.empty())
      node.digests.push_back({device, record.soak->digest_of, record.soak->computed_by, record.soak->digest, 0});
  }
  return node;
}

}  // namespace assay
