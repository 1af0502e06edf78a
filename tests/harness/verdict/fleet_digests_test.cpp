// Devices of one kind must compute the same bits: who differs from the others, or from itself, is accused.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.h"
#include "harness/publish/fleet_text.h"
#include "tests/harness/record/sample_records.h"
#include "tests/harness/verdict/fleet_files.h"
#include "tests/harness/verdict/soaked.h"

namespace assay {
namespace {

using testing::HasSubstr;

std::string accused_by_bits(const FleetVerdict& verdict, const FleetFiles& files) {
  std::string out;
  for (const auto& a : verdict.accused)
    if (a.cause && a.cause->code == CauseCode::other_bits)
      out += files.nodes[a.node].name + " " + files.nodes[a.node].device_name(a.device) + ", " + name(a.cause->action) +
             "; ";
  return out;
}

TEST_F(FleetFilesTest, AccusesTheMinorityByItsBits) {
  for (int n = 0; n < 4; ++n) {
    const std::string host = fmt::format("node{}", n);
    write(host + ".json",
          to_text(soaked_node(host, {soaked("c0ffee", 64, 0), soaked(n == 2 ? "bad" : "c0ffee", 64, 1)})));
  }
  write("node9.json", to_text(soaked_node("node9", {ok_record(64)})));
  const FleetVerdict verdict = judge();
  EXPECT_EQ(accused_by_bits(verdict, files_), "node2 GPU 1, return; ");
  EXPECT_EQ(exit_code_of(verdict), int(ExitCode::wrong_numbers));
  EXPECT_THAT(verdict.accused.front().cause->text,
              HasSubstr("its output's digest is bad, that of node0 GPU 0 and 6 more is c0ffee"));
  ASSERT_EQ(verdict.notes.size(), 1u);
  EXPECT_EQ(verdict.notes[0], "1 of 5 nodes gave no soak's digest and are not judged by it: node9");
  const FleetPage page{files_, cases_, verdict, 0, std::nullopt};
  EXPECT_THAT(fleet_text(page, 100), HasSubstr("node2 GPU 1: silent data corruption"));
  EXPECT_THAT(fleet_json(page), HasSubstr("\"code\":\"other_bits\""));
}

TEST_F(FleetFilesTest, OfTwoThatDifferOneIsWrong) {
  write("a.json", to_text(soaked_node("a", {soaked("c0ffee")})));
  write("b.json", to_text(soaked_node("b", {soaked("bad")})));
  const FleetVerdict verdict = judge();
  EXPECT_EQ(accused_by_bits(verdict, files_), "a CPU, drain; b CPU, drain; ");
  EXPECT_THAT(verdict.accused.front().cause->text, HasSubstr("one of the two is wrong"));
  EXPECT_EQ(exit_code_of(verdict), int(ExitCode::wrong_numbers));
}

TEST_F(FleetFilesTest, ComparesNoBitsOfDifferentProcessors) {
  Record other = soaked("bad");
  other.soak->computed_by = "cpu, 4 threads";
  Record shape = soaked("bad", 65);
  write("a.json", to_text(soaked_node("a", {soaked("c0ffee")})));
  write("b.json", to_text(soaked_node("b", {other, shape})));
  EXPECT_EQ(accused_by_bits(judge(), files_), "");
}

TEST_F(FleetFilesTest, ADeviceThatContradictsItselfIsWrong) {
  for (const std::string host : {"a", "b", "c"}) write(host + ".json", to_text(soaked_node(host, {soaked("c0ffee")})));
  Result again = soaked_node("c", {soaked("bad")});
  again.provenance["started_utc"] = "2026-02-01T12:34:56Z";
  write("c_again.json", to_text(again));
  EXPECT_EQ(accused_by_bits(judge(), files_), "c CPU, return; ");
}

}  // namespace
}  // namespace assay
