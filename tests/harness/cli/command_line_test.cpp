// The program as its users see it: arguments in, text, files and an exit code out.  The kernels are planted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "harness/core/file.h"
#include "harness/record/journal.h"
#include "tests/harness/cli/planted_program.h"

namespace assay {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

TEST_F(CommandLine, MeasuresAndSaysWhereTheFilesAre) {
  const Ran ran = run({"right", "lib_right"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.err, "");
  EXPECT_THAT(ran.out, HasSubstr("% of vendor"));
  for (const char* file : {"r.json", "r.json.md", "r.gbench.json"}) {
    EXPECT_TRUE(fs::exists(file)) << file;
    EXPECT_THAT(ran.out, HasSubstr(file));
  }
  const Result result = load_result("r.json");
  EXPECT_EQ(result.provenance["command"], Json({"assay", "run", "planted.json", "--out", "r.json", "--quiet"}));
}

TEST_F(CommandLine, NamesTheResultAfterSuiteAndTimeWhereNotTold) {
  const Ran ran = assay({"run", suite({"right"}), "--quiet"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, ContainsRegex("result: out/planted-[0-9]{8}-[0-9]{6}.json\n"));
}

TEST_F(CommandLine, ShowsProgressOnStderr) {
  const Ran ran = assay({"run", suite({"right"}), "--out", "r.json"});
  EXPECT_THAT(ran.err, StartsWith("[0/1] about "));
  EXPECT_THAT(ran.err, HasSubstr("[1/1] took "));
}

// `planted` is no collective: of it nothing may be printed that a script would take for a pass.
TEST_F(CommandLine, PrintsInTheFormatOfNcclTests) {
  const std::string footer = "# Out of bounds values : 0 FAILED\n# Avg bus bandwidth    : 0 \n";
  const Ran ran = assay({"run", suite({"right"}), "--out", "r.json", "--quiet", "--format", "nccl-tests"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr(footer));
  EXPECT_THAT(ran.out, HasSubstr("\n# result: r.json\n"));
  EXPECT_THAT(ran.out, testing::MatchesRegex("(#[^\n]*\n)+")) << "all but rows is behind '#'";
  EXPECT_THAT(assay({"table", "r.json", "--format", "nccl-tests"}).out, HasSubstr(footer));
}

/// A kernel that is made wrong, and what must come of it.
struct Planted {
  const char* kernel;
  int exit_code;
  const char* outcome;
  const char* reason;
};

class PlantedKernel : public CommandLine, public testing::WithParamInterface<Planted> {};

TEST_P(PlantedKernel, HasItsExitCodeAndNoRateAnywhere) {
  const Planted planted = GetParam();
  const Ran ran = run({planted.kernel});
  EXPECT_EQ(ran.code, planted.exit_code) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr(planted.reason));
  const std::string markdown = assay({"table", "r.json", "--format", "md"}).out;
  EXPECT_EQ(markdown, read_file("r.json.md"));
  for (const std::string& text : {ran.out, markdown}) {
    EXPECT_THAT(text, HasSubstr(planted.reason));
    for (const char* rate : {"FLOP/s", "GB/s", "B/s", " ms", " us", "%"}) EXPECT_THAT(text, Not(HasSubstr(rate)));
  }
  EXPECT_THAT(assay({"table", "r.json", "--format", "csv"}).out,
              ContainsRegex(std::string(planted.outcome) + ",[^\r]*,,,,[0-9]+,,,,,,"));
  const Json rows = Json::parse(assay({"table", "r.json", "--format", "json"}).out);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]["outcome"], planted.outcome);
  EXPECT_THAT(rows[0]["reason"].get<std::string>(), HasSubstr(planted.reason));
  for (const char* key :
       {"seconds", "flops_per_second", "bytes_per_second", "bus_bytes_per_second", "percent_of_vendor"})
    EXPECT_TRUE(rows[0][key].is_null()) << key;
  EXPECT_EQ(Json::parse(read_file("r.gbench.json"))["benchmarks"], Json::array());
  EXPECT_TRUE(Json::parse(read_file("r.json"))["records"][0]["summary"].is_null());
}

INSTANTIATE_TEST_SUITE_P(Faults, PlantedKernel,
                         testing::Values(Planted{"wrong", 3, "wrong", "out[32]"}, Planted{"nan", 3, "wrong", "out[63]"},
                                         Planted{"never_writes", 3, "wrong", "64 of 64 checked elements"},
                                         Planted{"throws", 4, "failed", "the planted launch fails"},
                                         Planted{"checks_nothing", 4, "failed", "no element was compared"},
                                         Planted{"unsupported", 4, "skipped", "needs a machine of the future"}),
                         [](const auto& planted) { return std::string(planted.param.kernel); });

TEST_F(CommandLine, PassesWithSkippedCasesWhereSomethingRan) { EXPECT_EQ(run({"right", "unsupported"}).code, 0); }

TEST_F(CommandLine, WrongNumbersWeighMoreThanFailures) { EXPECT_EQ(run({"throws", "wrong", "right"}).code, 3); }
TEST_F(CommandLine, OneFailureAmongRightOnesIsNoSuccess) { EXPECT_EQ(run({"right", "throws"}).code, 4); }

TEST_F(CommandLine, NeverOverwritesAResult) {
  ASSERT_EQ(run({"right"}).code, 0);
  const std::string before = read_file("r.json");
  const Ran ran = run({"right"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, StartsWith("assay: r.json: is there already"));
  EXPECT_EQ(read_file("r.json"), before);
}

TEST_F(CommandLine, ResumingAFinishedRunIsFine) {
  const int first = run({"right", "wrong"}).code;
  const std::string before = read_file("r.json");
  const Ran again = assay({"run", "planted.json", "--out", "r.json", "--quiet", "--resume"});
  EXPECT_EQ(again.code, first);
  EXPECT_EQ(read_file("r.json"), before);
}

TEST_F(CommandLine, EndsOnASignalWithAValidResultAndResumes) {
  const auto make = catalog_[0].make;
  catalog_[0].make = [make](const Case& point, WorkloadContext& context) {
    std::raise(SIGINT);
    return make(point, context);
  };
  const std::string planted = suite({"right"});
  std::vector<std::string> words = {"run", planted, "--set", "n=5,7", "--out", "r.json", "--quiet"};
  const Ran first = assay(words);
  EXPECT_EQ(first.code, 4);
  EXPECT_THAT(first.out, HasSubstr("--resume"));
  EXPECT_EQ(load_result("r.json").records.size(), 1u);
  EXPECT_FALSE(load_result("r.json").complete);
  catalog_[0].make = make;
  words.push_back("--resume");
  const Ran second = assay(words);
  EXPECT_EQ(second.code, 0) << second.err;
  EXPECT_TRUE(load_result("r.json").complete);
  EXPECT_EQ(load_result("r.json").records.size(), 2u);
}

TEST_F(CommandLine, DescribesTheMachine) {
  const Ran text = assay({"devices"});
  EXPECT_EQ(text.code, 0);
  EXPECT_THAT(text.out, HasSubstr("CPU: "));
  EXPECT_THAT(text.out, HasSubstr("GPU"));
  EXPECT_THAT(text.out, HasSubstr("capabilities: cuda"));
  const Json json = Json::parse(assay({"devices", "--json"}).out);
  for (const char* key : {"build", "libraries", "cpu", "gpus", "system", "findings"})
    EXPECT_TRUE(json.contains(key)) << key;
}

TEST_F(CommandLine, WritesATableToAFile) {
  ASSERT_EQ(run({"right"}).code, 0);
  const Ran ran = assay({"table", "r.json", "--format", "csv", "--out", "t.csv"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(read_file("t.csv"), assay({"table", "r.json", "--format", "csv"}).out);
}

TEST_F(CommandLine, HasHelpAndVersion) {
  EXPECT_THAT(assay({"--version"}).out, ContainsRegex("^assay [0-9]+\\.[0-9]+\\.[0-9]+\n"));
  for (const auto& arguments : std::vector<std::vector<std::string>>{{"--help"}, {"run", "--help"}, {"table", "-h"}}) {
    const Ran ran = assay(arguments);
    EXPECT_EQ(ran.code, 0);
    EXPECT_THAT(ran.out, HasSubstr("Usage: assay"));
    EXPECT_EQ(ran.err, "");
  }
}

struct Mistake {
  std::vector<std::string> arguments;
  const char* message;
};

TEST_F(CommandLine, AnswersAMistakeWithOneLineAndExitCodeTwo) {
  suite({"right"});
  std::ofstream("broken.json") << "{\"schema\": ";
  std::ofstream("other.json") << "{\"schema\": \"something\"}";
  const std::vector<Mistake> mistakes = {
      {{}, "the verbs are devices, list, run, "},
      {{"rnu"}, "did you mean 'run'?"},
      {{"benchmark"}, "the verbs are"},
      {{"run", "--reusme"}, "did you mean '--resume'?"},
      {{"run", "--frobnicate"}, "there is no flag '--frobnicate'"},
      {{"run", "planted.json", "again.json"}, "again.json"},
      {{"run", "--threads", "0"}, "--threads"},
      {{"run", "--threads", "many"}, "--threads"},
      {{"run", "quikc"}, "quick"},
      {{"run", "nowhere.json"}, "nowhere.json"},
      {{"run", "broken.json"}, "broken.json"},
      {{"run", "planted.json", "--set", "n"}, "n"},
      {{"run", "planted.json", "--set", "q=1"}, "q"},
      {{"run", "planted.json", "--resume"}, "--resume needs --out"},
      {{"run", "planted.json", "--out", "planted.json/r.json"}, "planted.json"},
      {{"table"}, "result"},
      {{"table", "nowhere.json"}, "nowhere.json"},
      {{"table", "broken.json"}, "broken.json:1:"},
      {{"table", "other.json"}, "other.json"},
      {{"table", "other.json", "--format", "xml"}, "csv,json,latex,md,nccl-tests"},
  };
  for (const auto& mistake : mistakes) {
    const Ran ran = assay(mistake.arguments);
    const std::string shown = testing::PrintToString(mistake.arguments);
    EXPECT_EQ(ran.code, 2) << shown << ran.err;
    EXPECT_EQ(ran.out, "") << shown;
    EXPECT_THAT(ran.err, StartsWith("assay: ")) << shown;
    EXPECT_THAT(ran.err, HasSubstr(mistake.message)) << shown;
    EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << shown;
  }
  EXPECT_FALSE(fs::exists("out"));
}

TEST_F(CommandLine, LeavesNothingBehindWhereItCannotWrite) {
  if (::geteuid() == 0) {
    EXPECT_EQ(assay({"run", suite({"right"}), "--out", "/proc/r.json", "--quiet"}).code, 2);
    return;
  }
  fs::create_directory("closed");
  fs::permissions("closed", fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_EQ(assay({"run", suite({"right"}), "--out", "closed/r.json", "--quiet"}).code, 2);
  EXPECT_TRUE(fs::is_empty("closed"));
}

TEST_F(CommandLine, StaysSilentOnTheOtherRanks) {
  ::setenv("PMIX_RANK", "1", 1);
  const Ran ran = assay({"rnu"});
  ::unsetenv("PMIX_RANK");
  EXPECT_EQ(ran.code, 2);
  EXPECT_EQ(ran.out + ran.err, "");
}

}  // namespace
}  // namespace assay
