// Tests of fleets that are read from files, each in a folder of its own.
#pragma once
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "harness/verdict/fleet.h"
#include "tests/harness/verdict/synthetic_fleet.h"

namespace assay {

class FleetFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / fmt::format("fleet_test_{}", ::getpid());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  void write_fleet(const SyntheticFleet& fleet) {
    const FleetMaker maker(fleet);
    for (std::size_t n = 0; n < fleet.nodes; ++n) write(FleetMaker::host(n) + ".json", maker.text(n));
  }
  FleetVerdict judge() {
    files_ = read_fleet(expand_results({folder_.string()}), cases_);
    return judge_fleet(files_, cases_);
  }

  std::filesystem::path folder_;
  FleetCases cases_;
  FleetFiles files_;
};

}  // namespace assay
