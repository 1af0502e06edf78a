// `assay compare` as its users see it; the commands of --ab copy results, so that nothing is measured.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "harness/core/file.h"
#include "tests/harness/cli/program.h"
#include "tests/harness/measure/streams.h"
#include "tests/harness/record/sample_records.h"

namespace assay {
namespace {

using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

class CompareVerb : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("compare_test_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    save(1, "base.json");
    save(1.1, "slow.json");
  }
  void TearDown() override { fs::remove_all(folder_); }

  void save(double seconds, const char* name) {
    Record record = ok_record(64);
    record.measurement.seconds.clear();
    Telemetry calm;
    calm.device = "cpu";
    calm.other_load = calm.steal_share = 0.0;
    record.telemetry = {calm};
    Noise noise(7);
    for (int i = 0; i < 50; ++i) record.measurement.seconds.push_back(seconds * std::exp(0.01 * noise.normal()));
    save_result(sample_result({record}), folder_ / name);
  }
  std::string path(const char* name) const { return (folder_ / name).string(); }
  int assay(std::vector<std::string> arguments, const char* verb = "compare") {
    arguments.insert(arguments.begin(), verb);
    const Ran ran = run_program(arguments, {});
    out_ = ran.out;
    err_ = ran.err;
    return ran.code;
  }
  fs::path folder_;
  std::string out_, err_;
};

TEST_F(CompareVerb, EndsInTheVerdict) {
  EXPECT_EQ(assay({path("base.json"), path("slow.json")}), 1) << err_;
  EXPECT_THAT(out_, HasSubstr("1 slower"));
  EXPECT_EQ(assay({path("base.json"), path("slow.json"), "--margin", "15%"}), 0) << err_;
  EXPECT_EQ(assay({path("slow.json"), path("base.json"), "--json"}), 0) << err_;
  EXPECT_EQ(nlohmann::json::parse(out_)["counts"]["faster"], 1);
}

/// One sample changed by hand: refused where a verdict or a gate hangs on it, marked where it is shown.
TEST_F(CompareVerb, AnEditedResultIsRefusedAndMarked) {
  std::string text = read_file(folder_ / "slow.json");
  char& digit = text[text.find_first_of("123456789", text.find("\"seconds\":[") + 11)];
  digit = digit == '1' ? '2' : '1';
  write_file_atomically(folder_ / "edited.json", text);
  for (const auto& words :
       {std::vector<std::string>{path("base.json"), path("edited.json")},
        {path("edited.json") + "," + path("slow.json"), path("base.json") + "," + path("base.json")}}) {
    EXPECT_EQ(assay(words), 2);
    EXPECT_THAT(err_, HasSubstr("edited.json: was changed after it was written (its seal does not match)"));
  }
  EXPECT_EQ(assay({path("edited.json"), "--format", "bencher"}, "export"), 2);
  EXPECT_EQ(assay({path("edited.json")}, "table"), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("Note 1: EDITED: the result was changed after it was written"));
  EXPECT_EQ(assay({path("base.json")}, "table"), 0) << err_;
  EXPECT_THAT(out_, Not(HasSubstr("EDITED")));
  EXPECT_EQ(assay({path("base.json"), path("edited.json"), "--format", "csv", "--columns", "seal"}, "table"), 0);
  EXPECT_EQ(out_, "seal\r\nintact\r\nbroken\r\n");
  EXPECT_EQ(assay({path("edited.json"), "--format", "nccl-tests"}, "table"), 0);
  EXPECT_THAT(out_, HasSubstr("# EDITED: 1 of 1 results"));
}

TEST_F(CompareVerb, TakesSeveralRunsASide) {
  const std::string two = path("base.json") + "," + path("base.json");
  EXPECT_EQ(assay({two, path("slow.json") + "," + path("slow.json")}), 1) << err_;
  EXPECT_EQ(assay({two, path("slow.json")}), 2);
  EXPECT_THAT(err_, HasSubstr("at least two a side"));
}

TEST_F(CompareVerb, LearnsFromAHistoryHowRunsDiffer) {
  std::vector<std::string> words = {path("base.json"), path("base.json"), "--json", "--history"};
  for (const double seconds : {0.9, 1.0, 1.1}) {
    const std::string name = "history-" + std::to_string(seconds) + ".json";
    save(seconds, name.c_str());
    words.push_back(path(name.c_str()));
  }
  EXPECT_EQ(assay(words), 0) << err_;
  const auto scatter = nlohmann::json::parse(out_)["cases"][0]["run_scatter"];
  EXPECT_EQ(scatter["source"], "history");
  EXPECT_EQ(scatter["observed"], 3);
  EXPECT_NEAR(scatter["deviation"], 0.1, 0.002);
  words.pop_back();
  EXPECT_EQ(assay(words), 2);
  EXPECT_THAT(err_, HasSubstr("a history of 2 results, expected at least 3"));
  const std::string two = path("base.json") + "," + path("base.json");
  EXPECT_EQ(assay({two, two, "--history", path("base.json")}), 2);
  EXPECT_THAT(err_, HasSubstr("a history is for one result a side"));
  EXPECT_EQ(assay({"--ab", "a {out}", "b {out}", "--history", path("base.json")}), 2);
}

TEST_F(CompareVerb, RefusesBadInput) {
  EXPECT_EQ(assay({path("base.json"), path("absent.json")}), 2);
  EXPECT_THAT(err_, HasSubstr("absent.json"));
  EXPECT_EQ(assay({path("base.json")}), 2);
  EXPECT_EQ(assay({}), 2);
  EXPECT_EQ(assay({path("base.json"), path("slow.json"), "--margin", "2x"}), 2);
  EXPECT_EQ(assay({path("base.json"), path("slow.json"), "--margin", "nan"}), 2);
  EXPECT_EQ(assay({path("base.json"), "--ab", "a {out}", "b {out}"}), 2);
  EXPECT_EQ(assay({"--ab", "cp x y", "cp x {out}", "--keep", path("kept")}), 2);
  EXPECT_THAT(err_, HasSubstr("{out}"));
  EXPECT_EQ(assay({"--ab", "cp x {out}", "cp x {out}", "--keep", path("kept"), "--rounds", "3"}), 2);
  EXPECT_THAT(err_, HasSubstr("even"));
}

TEST_F(CompareVerb, RunsTwoCommandsInTurns) {
  const std::string log = path("order.txt");
  const auto command = [&](const char* name, const char* letter) {
    return "printf " + std::string(letter) + " >> '" + log + "'; echo noise; cp '" + path(name) + "' {out}";
  };
  EXPECT_EQ(assay({"--ab", command("base.json", "a"), command("slow.json", "b"), "--rounds", "4", "--keep",
                   path("it's kept"), "--json"}),
            1)
      << err_;
  EXPECT_EQ(read_file(log), "abbaabba");
  const auto json = nlohmann::json::parse(out_);
  EXPECT_EQ(json["unit"], "pair");
  EXPECT_EQ(json["cases"][0]["base_units"], 4);
  EXPECT_TRUE(fs::exists(folder_ / "it's kept" / "round-04-b.json"));
  EXPECT_EQ(assay({"--ab", command("base.json", "a"), command("slow.json", "b"), "--keep", path("it's kept")}), 2)
      << "the results of other rounds are there";
  EXPECT_EQ(assay({"--ab", "exit 3; {out}", command("slow.json", "b"), "--keep", path("none")}), 4);
  EXPECT_THAT(err_, HasSubstr("round 1 of 6, command A: exit code 3 and no result"));
}

TEST_F(CompareVerb, HasATableForPublication) {
  EXPECT_EQ(assay({path("base.json"), "--format", "latex", "--rows", "accelerator", "--published"}, "table"), 0)
      << err_;
  EXPECT_THAT(out_, HasSubstr("\\toprule"));
  EXPECT_THAT(out_, HasSubstr("published by others"));
  EXPECT_EQ(assay({path("base.json"), "--price", "cpu=0.36,source=a list,date=2026-11", "--columns",
                   "kernel,pflop_per_dollar", "--format", "csv"},
                  "table"),
            0)
      << err_;
  EXPECT_THAT(out_, testing::StartsWith("kernel,pflop_per_dollar\r\ncpu_blocked,0.0"));
  EXPECT_EQ(assay({path("base.json"), "--columns", "colour"}, "table"), 2);
  EXPECT_THAT(err_, HasSubstr("no column 'colour'"));
  EXPECT_EQ(assay({path("base.json"), "--price", "h200=3"}, "table"), 2);
  EXPECT_THAT(err_, HasSubstr("a price has a source"));
}

TEST_F(CompareVerb, ExportsForOtherTools) {
  EXPECT_EQ(assay({path("base.json"), "--format", "bencher"}, "export"), 0) << err_;
  EXPECT_EQ(nlohmann::json::parse(out_).size(), 1u);
  EXPECT_EQ(assay({path("base.json"), "--format", "google-benchmark"}, "export"), 0) << err_;
  EXPECT_EQ(nlohmann::json::parse(out_)["benchmarks"].size(), 50u);
  EXPECT_EQ(assay({path("base.json"), "--format", "bencher", "--out", path("base.json")}, "export"), 2);
  EXPECT_EQ(assay({path("base.json"), "--format", "xml"}, "export"), 2);
}

TEST_F(CompareVerb, ValidatesContributions) {
  std::filesystem::copy_file(path("base.json"), path("copy.json"));
  EXPECT_EQ(assay({path("base.json"), path("copy.json")}, "validate"), 1);
  EXPECT_THAT(out_, HasSubstr("/provenance/build/revision: is missing"));
  EXPECT_THAT(out_, HasSubstr("is the same file as"));
  EXPECT_THAT(out_, HasSubstr("sha256 "));
  write_file_atomically(path("broken.json"), "{}");
  EXPECT_EQ(assay({path("base.json"), path("broken.json")}, "validate"), 2);
  EXPECT_THAT(out_, HasSubstr("broken.json: broken"));
  EXPECT_EQ(assay({path("absent.json")}, "validate"), 2);
}

}  // namespace
}  // namespace assay
