// What a fleet's verdict says beyond who is slow: since when, why, and at what cost.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "harness/verdict/fleet.h"

namespace assay {
namespace {

using Unit = std::pair<std::size_t, int>;

/// Where a device was before: by its UUID, else by host name and ordinal.
class Earlier {
 public:
  explicit Earlier(const FleetFiles& before) {
    for (const auto& node : before.nodes) {
      std::map<int, std::map<std::uint32_t, double>> devices;
      for (const auto& v : node.values) devices[v.device][v.point] = v.median;
      for (auto& [device, medians] : devices) {
        const auto uuid = node.uuids.find(device);
        if (uuid != node.uuids.end()) by_uuid_[uuid->second] = medians;
        by_place_[{node.name, device}] = std::move(medians);
      }
    }
  }
  const std::map<std::uint32_t, double>* find(const FleetNode& node, int device) const {
    const auto uuid = node.uuids.find(device);
    if (uuid != node.uuids.end())
      if (const auto at = by_uuid_.find(uuid->second); at != by_uuid_.end()) return &at->second;
    const auto at = by_place_.find({node.name, device});
    return at == by_place_.end() ? nullptr : &at->second;
  }

 private:
  std::map<std::string, std::map<std::uint32_t, double>> by_uuid_;
  std::map<std::pair<std::string, int>, std::map<std::uint32_t, double>> by_place_;
};

struct Drift {
  Unit unit;
  std::vector<double> deficits;
  double deficit = 0;
  std::size_t point = 0, file = 0;
};

std::vector<Drift> drifts_of(const FleetFiles& now, const Earlier& earlier) {
  std::map<Unit, Drift> found;
  for (std::size_t n = 0; n < now.nodes.size(); ++n)
    for (const auto& v : now.nodes[n].values) {
      const auto* medians = earlier.find(now.nodes[n], v.device);
      if (!medians || !medians->count(v.point)) continue;
      Drift& drift = found[{n, v.device}];
      const double deficit = 1 - medians->at(v.point) / v.median;
      if (drift.deficits.empty() || deficit > *std::max_element(drift.deficits.begin(), drift.deficits.end()))
        drift.point = v.point, drift.file = v.file;
      drift.unit = {n, v.device};
      drift.deficits.push_back(deficit);
    }
  std::vector<Drift> out;
  for (auto& [unit, drift] : found) {
    drift.deficit = median_of(drift.deficits);
    out.push_back(std::move(drift));
  }
  return out;
}

}  // namespace

Gap gap_of(const Unreadable& file) { return {file.node.empty() ? file.file : file.node, file.why}; }

void add_missing(FleetVerdict& verdict, const FleetFiles& files, const std::vector<std::string>& expected) {
  std::set<std::string> there;
  const auto add = [&](const std::string& name) {
    const std::string host = name.substr(0, name.find(' '));
    there.insert({host, host.substr(0, host.find('.'))});
  };
  for (const auto& node : files.nodes) add(node.name);
  for (const auto& file : files.unreadable) add(file.node);  // it gave one, of which another gap speaks
  for (const auto& name : expected)
    if (!there.count(name) && !there.count(name.substr(0, name.find('.'))))
      verdict.gaps.push_back({name, "gave no result"});
}

void add_drift(FleetVerdict& verdict, const FleetFiles& now, const FleetFiles& before, const FleetCases&) {
  const auto drifts = drifts_of(now, Earlier(before));
  if (drifts.empty()) {
    verdict.gaps.push_back({"the baseline", "none of its devices is in this fleet, by UUID or host name"});
    return;
  }
  std::vector<double> deficits, p;
  for (const auto& d : drifts) deficits.push_back(d.deficit);
  const Spread spread = robust_spread(deficits, kLeastDeficit / kSigmas);
  verdict.notes.push_back(fmt::format("the fleet as a whole is {:.1f} % {} than in the baseline ({} devices in both)",
                                      100 * std::abs(spread.centre), spread.centre > 0 ? "slower" : "faster",
                                      drifts.size()));
  for (const double d : deficits) p.push_back(upper_tail((d - spread.centre) / spread.sigma, deficits.size()));
  const auto reject = rejected(p, 0.01);
  std::set<Unit> already;
  for (const auto& a : verdict.accused) already.emplace(a.node, a.device);
  for (std::size_t i = 0; i < drifts.size(); ++i) {
    const Drift& d = drifts[i];
    // A fleet that is slower as a whole beyond the least deficit accuses all that are.
    const bool beyond = d.deficit - spread.centre > flag_threshold(spread) && reject[i];
    if (!(beyond || (spread.centre > kLeastDeficit && d.deficit > kLeastDeficit)) || already.count(d.unit)) continue;
    verdict.accused.push_back({d.unit.first, d.unit.second, fmt::format("{} cases of the baseline", d.deficits.size()),
                               "drift", d.deficit, p[i], d.point, d.file, std::nullopt});
  }
  std::stable_sort(verdict.accused.begin(), verdict.accused.end(),
                   [](const auto& a, const auto& b) { return a.deficit > b.deficit; });
}

void add_causes(FleetVerdict& verdict, const FleetFiles& files, const FleetCases& cases) {
  std::map<std::pair<std::string, std::size_t>, const HeatCell*> usual;  // the device nearest to the median
  for (const auto& cell : verdict.cells) {
    auto& best = usual[{files.nodes[cell.node].hardware, cell.point}];
    if (!best || std::abs(cell.deficit) < std::abs(best->deficit)) best = &cell;
  }
  const auto record_of = [&](std::size_t node, int device, std::size_t point) -> std::optional<Record> {
    for (const auto& v : files.nodes[node].values)
      if (v.point == point && v.device == device)
        return read_fleet_record(files.nodes[node].files[v.file], cases[point].id, device);
    return std::nullopt;
  };
  for (auto& a : verdict.accused) {
    if (a.cause) continue;
    const auto record = record_of(a.node, a.device, a.point);
    if (!record || record->telemetry.empty()) continue;
    const HeatCell* good = usual[{files.nodes[a.node].hardware, a.point}];
    const auto known_good = good ? record_of(good->node, good->device, a.point) : std::nullopt;
    a.cause = explain(*record, 1 - a.deficit, known_good ? &*known_good : nullptr);
  }
}

std::optional<Cost> cost_of_slowest(const FleetVerdict& verdict, const FleetGroup& group, std::size_t job_gpus,
                                    std::optional<double> price, bool without_accused) {
  std::set<Unit> accused;
  if (without_accused)
    for (const auto& a : verdict.accused) accused.emplace(a.node, a.device);
  for (const auto& s : group.standings) {  // slowest first
    if (accused.count({s.node, s.device})) continue;
    Cost cost{s.node, s.device, std::max(0.0, s.deficit / (1 - s.deficit)), 24 * std::max(0.0, s.deficit), {}};
    if (price) cost.money_per_day = cost.hours_per_day * *price * double(job_gpus > 0 ? job_gpus : group.devices);
    return cost;
  }
  return std::nullopt;
}

}  // namespace assay
