// synthetic_fleet --nodes N --cases C --seed S --stragglers K --slow 0.05 --out DIR
// Writes a made-up fleet's results, and to stdout the truth: host name and fault of each node that has one.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>

#include "tests/harness/verdict/synthetic_fleet.h"

int main(int count, char** words) {
  assay::SyntheticFleet fleet;
  std::string folder;
  CLI::App app("A made-up fleet's results, with faults planted; prints the truth.", "synthetic_fleet");
  app.add_option("--nodes", fleet.nodes)->capture_default_str();
  app.add_option("--cases", fleet.cases)->capture_default_str();
  app.add_option("--samples", fleet.samples)->capture_default_str();
  app.add_option("--seed", fleet.seed)->capture_default_str();
  app.add_option("--stragglers", fleet.stragglers, "slow in every case");
  app.add_option("--slow", fleet.slow, "by how much a straggler's rate is lower")->capture_default_str();
  app.add_option("--one-case", fleet.one_case, "nodes slow in one case alone, by 20 %");
  app.add_option("--empty", fleet.empty, "results without a record");
  app.add_option("--broken", fleet.broken, "files cut off in the middle");
  app.add_option("--out", folder)->required();
  CLI11_PARSE(app, count, words);
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) return fmt::print(stderr, "synthetic_fleet: {}: {}\n", folder, failed.message()), 2;
  const assay::FleetMaker maker(fleet);
  for (std::size_t n = 0; n < fleet.nodes; ++n) {
    std::ofstream file(std::filesystem::path(folder) / (maker.host(n) + ".json"), std::ios::binary);
    if (!(file << maker.text(n))) return fmt::print(stderr, "synthetic_fleet: cannot write into {}\n", folder), 4;
    if (maker.planted(n) != assay::Planted::none) fmt::print("{} {}\n", maker.host(n), name(maker.planted(n)));
  }
}
