// A fleet's verdict as people and as machines read it.
#pragma once
#include <optional>
#include <string>

#include "harness/publish/style.h"
#include "harness/verdict/fleet.h"

namespace assay {

struct FleetPage {
  const FleetFiles& files;
  const FleetCases& cases;
  const FleetVerdict& verdict;
  std::size_t job_gpus = 0;  // 0: all of a group's devices
  std::optional<double> price_per_gpu_hour;
};

/// The verdict, the worst-first list with causes, what is missing, the cost, a heat map of the worst nodes.
std::string fleet_text(const FleetPage&, const Style&);
/// The same with every node and case, for the report page and scripts.
std::string fleet_json(const FleetPage&);

}  // namespace assay
