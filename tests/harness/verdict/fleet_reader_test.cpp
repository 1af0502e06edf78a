// What a node's result file says of the node, read in full or by the fast way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/harness/record/sample_records.h"
#include "tests/harness/verdict/fleet_files.h"
#include "tests/harness/verdict/soaked.h"

namespace assay {
namespace {

using testing::HasSubstr;

/// Cores, and GPUs, alone and together, beside the same on the whole CPU.
std::vector<Record> together_records() {
  std::vector<Record> out = {ok_record(64)};
  for (int device = 0; device < 2; ++device)
    for (const int together : {1, 2}) {
      Record core = ok_record(64), gpu = ok_record(64);
      core.point.core = device;
      gpu.point.device = Device::gpu;
      gpu.point.device_index = device;
      core.point.together = gpu.point.together = together;
      out.insert(out.end(), {core, gpu});
    }
  return out;
}

TEST_F(FleetFilesTest, KeepsCoresApartAndAloneFromTogether) {
  write("together.json", to_text(sample_result(together_records())));
  const FleetNode node = read_fleet_node(folder_ / "together.json", cases_);
  std::set<std::string> units;
  for (const auto& value : node.values) units.insert(cases_[value.point].id + " on " + node.device_name(value.device));
  EXPECT_EQ(units.size(), 9u);
  EXPECT_EQ(cases_.size(), 5u);  // the CPU; a core alone, with others; a GPU alone, with others
  const std::string& id = cases_[node.values.back().point].id;
  EXPECT_THAT(id, HasSubstr("/gpu/"));
  EXPECT_THAT(id, HasSubstr("/together=2"));
  const Record read = read_fleet_record(folder_ / "together.json", id, node.values.back().device);
  EXPECT_EQ(read.point.id(), together_records().back().point.id());
  const std::string core_id = cases_[node.values[1].point].id;
  EXPECT_THAT(core_id, HasSubstr("/core/"));
  EXPECT_EQ(read_fleet_record(folder_ / "together.json", core_id, core_device(1)).point.core, 1);
}

TEST_F(FleetFilesTest, ReadsFastWhatItReadsSlowly) {
  SyntheticFleet fleet;
  fleet.nodes = 1;
  fleet.cases = 4;
  write_fleet(fleet);
  Result mixed =
      sample_result({ok_record(64), wrong_record(65), reason_record(OutcomeKind::skipped, "no such kernel", 66)});
  mixed.records[0].measurement.placement.assign(mixed.records[0].measurement.seconds.size(), Placement::near);
  mixed.records[0].measurement.placement[3] = Placement::far;
  write("mixed.json", to_text(mixed));
  write("soaked.json", to_text(sample_result({soaked("c0ffee"), soaked("", 65), ok_record(66)})));
  Result twice = sample_result({soaked("c0ffee", 64, 0), soaked("c0ffee", 64, 1), wrong_record(65)});
  twice.records[2].soak = soaked("c0ffee").soak;
  twice.records[1].soak->corrupted = 1;  // leaves the fast way
  write("corrupted.json", to_text(twice));
  write("together.json", to_text(sample_result(together_records())));
  for (const std::string name : {"node00000.json", "mixed.json", "soaked.json", "corrupted.json", "together.json"}) {
    EXPECT_EQ(fast_read_fleet_node(folder_ / name, cases_).has_value(), name != "corrupted.json") << name;
    const FleetNode fast = read_fleet_node(folder_ / name, cases_), slow = slow_read_fleet_node(folder_ / name, cases_);
    EXPECT_EQ(fast.seal, Seal::intact);
    EXPECT_EQ(slow.seal, Seal::intact);
    EXPECT_EQ(fast.name, slow.name);
    EXPECT_EQ(fast.hardware, slow.hardware);
    EXPECT_EQ(fast.uuids, slow.uuids);
    EXPECT_EQ(fast.complete, slow.complete);
    ASSERT_EQ(fast.values.size(), slow.values.size());
    for (std::size_t i = 0; i < fast.values.size(); ++i) {
      EXPECT_EQ(fast.values[i].point, slow.values[i].point);
      EXPECT_EQ(fast.values[i].device, slow.values[i].device);
      EXPECT_EQ(fast.values[i].median, slow.values[i].median);
      EXPECT_EQ(fast.values[i].quantiles, slow.values[i].quantiles);
    }
    ASSERT_EQ(fast.failures.size(), slow.failures.size());
    for (std::size_t i = 0; i < fast.failures.size(); ++i) EXPECT_EQ(fast.failures[i].reason, slow.failures[i].reason);
    EXPECT_EQ(fast.digests.size(), name == "soaked.json" ? 1u : name == "corrupted.json" ? 2u : 0u) << name;
    ASSERT_EQ(fast.digests.size(), slow.digests.size());
    for (std::size_t i = 0; i < fast.digests.size(); ++i) EXPECT_TRUE(fast.digests[i].repeats(slow.digests[i]));
  }
}

}  // namespace
}  // namespace assay
