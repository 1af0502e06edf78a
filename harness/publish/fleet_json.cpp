#include <nlohmann/json.hpp>

#include <cmath>

#include "harness/publish/fleet_text.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

Json accused_json(const FleetPage& page) {
  Json out = Json::array();
  for (const auto& a : page.verdict.accused) {
    Json cause = nullptr;
    if (a.cause) cause = {{"code", name(a.cause->code)}, {"text", a.cause->text}, {"action", name(a.cause->action)}};
    const auto& node = page.files.nodes[a.node];
    const auto uuid = node.uuids.find(a.device);
    out.push_back({{"node", node.name},
                   {"device", fleet_device_name(a.device)},
                   {"uuid", uuid == node.uuids.end() ? Json(nullptr) : Json(uuid->second)},
                   {"scope", a.scope},
                   {"evidence", a.evidence},
                   {"deficit", a.deficit},
                   {"p", a.p},
                   {"worst_case", a.evidence == "wrong" ? a.scope : page.cases[a.point].id},
                   {"file", node.files[a.file]},
                   {"cause", cause}});
  }
  return out;
}

Json cost_json(const FleetPage& page, const FleetGroup& group, bool without_accused) {
  const auto cost = cost_of_slowest(page.verdict, group, page.job_gpus, page.price_per_gpu_hour, without_accused);
  if (!cost) return nullptr;
  return {{"node", page.files.nodes[cost->node].name},
          {"device", fleet_device_name(cost->device)},
          {"step_longer", cost->longer},
          {"hours_per_day", cost->hours_per_day},
          {"money_per_day", cost->money_per_day ? Json(*cost->money_per_day) : Json(nullptr)}};
}

/// Of each device judged: its deficits in the order of "cases"; null where it has none.
Json heat_json(const FleetPage& page) {
  Json cases = Json::array(), rows = Json::array();
  for (std::size_t i = 0; i < page.cases.size(); ++i) cases.push_back(page.cases[i].id);
  std::map<std::pair<std::size_t, int>, std::vector<Json>> devices;
  for (const auto& cell : page.verdict.cells) {
    auto& row = devices[{cell.node, cell.device}];
    row.resize(page.cases.size());
    row[cell.point] = std::round(1e4 * cell.deficit) / 1e4;  // to a hundredth of a percent
  }
  for (const auto& [unit, row] : devices)
    rows.push_back(
        {{"node", page.files.nodes[unit.first].name}, {"device", fleet_device_name(unit.second)}, {"deficits", row}});
  return {{"cases", cases}, {"rows", rows}};
}

}  // namespace

std::string fleet_json(const FleetPage& page) {
  Json gaps = Json::array(), groups = Json::array();
  for (const auto& gap : page.verdict.gaps) gaps.push_back({{"node", gap.node}, {"why", gap.why}});
  for (const auto& group : page.verdict.groups)
    groups.push_back({{"hardware", group.hardware},
                      {"nodes", group.nodes.size()},
                      {"devices_judged", group.devices},
                      {"cases_judged", group.cases},
                      {"slowest", cost_json(page, group, false)},
                      {"slowest_without_accused", cost_json(page, group, true)}});
  const Json out = {{"schema", "assay-fleet/1"},
                    {"exit_code", exit_code_of(page.verdict)},
                    {"nodes", page.files.nodes.size()},
                    {"accused", accused_json(page)},
                    {"not_judged", gaps},
                    {"notes", page.verdict.notes},
                    {"groups", groups},
                    {"heat_map", heat_json(page)}};
  return out.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace assay
