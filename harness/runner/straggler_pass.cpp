#include "harness/runner/straggler_pass.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include <fmt/format.h>

namespace assay {
namespace {

using Json = nlohmann::json;

Json to_json(const RankPass& pass) {
  Json series = Json::array(), operations = Json::array(), pairs = Json::array(), clocks = Json::array();
  for (const auto& one : pass.series) series.push_back({one.device, one.compute, one.blocks});
  for (const auto& one : pass.operations) operations.push_back({one.arrived, one.left, one.disturbed});
  for (const auto& one : pass.pairs) pairs.push_back({one.ranks.first, one.ranks.second, one.seconds});
  for (const auto& one : pass.clocks) clocks.push_back({one.seconds, one.uncertainty});
  return {{"host", pass.host}, {"series", series}, {"operations", operations}, {"pairs", pairs}, {"clocks", clocks}};
}

RankPass from_json(const Json& json) {
  RankPass pass;
  pass.host = json.at("host");
  for (const Json& one : json.at("series")) pass.series.push_back({one.at(0), one.at(1), one.at(2).get<ProbeBlocks>()});
  for (const Json& one : json.at("operations")) pass.operations.push_back({one.at(0), one.at(1), one.at(2)});
  for (const Json& one : json.at("pairs"))
    pass.pairs.push_back({{one.at(0).get<int>(), one.at(1).get<int>()}, one.at(2).get<std::vector<double>>()});
  for (const Json& one : json.at("clocks")) pass.clocks.push_back({one.at(0), one.at(1)});
  return pass;
}

/// A device's probes: of each kind the first there is.
void add_members(StragglerPass& out, const RankPass& pass, int rank) {
  std::vector<std::string> devices;
  for (const auto& one : pass.series)
    if (std::find(devices.begin(), devices.end(), one.device) == devices.end()) devices.push_back(one.device);
  if (devices.empty()) devices.push_back("cpu");
  for (const auto& device : devices) {
    const auto blocks = [&](bool compute) {
      for (const auto& one : pass.series)
        if (one.device == device && one.compute == compute) return one.blocks;
      return ProbeBlocks();
    };
    out.members.push_back({rank, pass.host, device, {}, {}, {}, {}, 0});
    out.compute.push_back(blocks(true));
    out.memory.push_back(blocks(false));
  }
}

/// Of each rank, how often it was interrupted on the way to an operation.
void note_disturbances(StragglerPass& out, const std::vector<RankPass>& passes) {
  for (std::size_t rank = 0; rank < passes.size(); ++rank) {
    const auto& all = passes[rank].operations;
    const auto disturbed = std::count_if(all.begin(), all.end(), [](const auto& one) { return one.disturbed; });
    if (10 * disturbed >= std::ptrdiff_t(all.size()) && disturbed > 0)  // one in ten: more than a system's own threads
      out.notes.push_back(
          fmt::format("something else took the core of rank {} ({}) before {} of {} operations, which are left out",
                      rank, passes[rank].host, disturbed, all.size()));
  }
}

}  // namespace

std::vector<RankPass> exchange_passes(Communicator& ranks, const RankPass& mine) {
  std::vector<RankPass> out;
  for (const std::string& text : ranks.gather(to_json(mine).dump())) out.push_back(from_json(Json::parse(text)));
  return out;
}

StragglerPass merge(const std::vector<RankPass>& passes) {
  StragglerPass out;
  std::size_t operations = passes.front().operations.size();
  for (std::size_t rank = 0; rank < passes.size(); ++rank) {
    add_members(out, passes[rank], int(rank));
    out.pairs.insert(out.pairs.end(), passes[rank].pairs.begin(), passes[rank].pairs.end());
    operations = std::min(operations, passes[rank].operations.size());
  }
  const auto& clocks = passes.front().clocks;
  for (const auto& clock : clocks) out.clock_uncertainty.push_back(clock.seconds == 0 ? 0 : clock.uncertainty);
  for (std::size_t i = 0; i < operations; ++i) {
    OperationTimes times;
    for (std::size_t rank = 0; rank < passes.size(); ++rank) {
      const auto& one = passes[rank].operations[i];
      const double offset = rank < clocks.size() ? clocks[rank].seconds : 0;
      times.arrived.push_back(one.arrived - offset);
      times.left.push_back(one.left - offset);
      times.disturbed.push_back(one.disturbed);
    }
    out.operations.push_back(std::move(times));
  }
  note_disturbances(out, passes);
  return out;
}

}  // namespace assay
