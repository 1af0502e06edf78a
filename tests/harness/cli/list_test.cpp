// What `assay list` says would run, here or on an accelerator that is not here.  The kernels are planted.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/harness/cli/planted_program.h"

namespace assay {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

TEST_F(CommandLine, FiltersAndSetsAxes) {
  const Ran ran = assay({"list", suite({"right", "wrong"}), "--filter", "*/right/*", "--set", "n=5,7", "--json"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  const Json cases = Json::parse(ran.out);
  ASSERT_EQ(cases.size(), 2u);
  EXPECT_THAT(cases[1]["id"].get<std::string>(), HasSubstr("/n=7/"));
  EXPECT_EQ(cases[1]["flops"], 7);
  const Ran none = assay({"list", "planted.json", "--filter", "*cublas*"});
  EXPECT_EQ(none.code, 2);
  EXPECT_THAT(none.err, HasSubstr("matches none of the 2 cases"));
}

TEST_F(CommandLine, ListsWhatWouldBeSkippedAndWhy) {
  const Ran ran = assay({"list", suite({"right", "unsupported"})});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, HasSubstr("runs\n"));
  EXPECT_THAT(ran.out, HasSubstr("skipped: needs a machine of the future\n"));
  EXPECT_THAT(ran.out, HasSubstr("suite planted: 2 cases, 1 run here, 1 are skipped\n"));
  EXPECT_FALSE(fs::exists("out"));
}

TEST_F(CommandLine, ExplainsWhatAKernelWouldChoose) {
  catalog_[0].explain = [](const Case& point, const Target& target) {
    return point.kernel == "right" ? fmt::format("{} parts for {} threads", point.number("n"), target.threads) : "";
  };
  const std::string file = suite({"right", "lib_right", "unsupported"});
  const Ran ran = assay({"list", file, "--explain", "--threads", "1"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("runs\n    64 parts for 1 threads\nplanted/unsupported"));
  EXPECT_THAT(ran.out, Not(HasSubstr("\n    \n")));
  EXPECT_THAT(assay({"list", file}).out, Not(HasSubstr("parts")));
  const Json cases = Json::parse(assay({"list", file, "--explain", "--json", "--threads", "1"}).out);
  EXPECT_EQ(cases[0]["explanation"], "64 parts for 1 threads");
  EXPECT_EQ(cases[1]["explanation"], "");
}

TEST_F(CommandLine, ListsAsOnAnAcceleratorThatIsNotHere) {
  const Ran without = assay({"list", suite({"right"}), "--as", "h200"});
  EXPECT_EQ(without.code, 4);
  EXPECT_THAT(without.err, HasSubstr("no kernel for GPUs"));

  catalog_ = {planted_kind({"right", "on_gpu"})};
  catalog_[0].supports = [](const Case& point, const Target& target, const Communicator&) {
    if (point.kernel != "on_gpu" || target.compute_capability == 90) return Support::yes();
    return Support::no(fmt::format("needs 90, this is {}", target.compute_capability));
  };
  catalog_[0].explain = [](const Case&, const Target& target) {
    return fmt::format("{} on {} multiprocessors", name(target.device), target.multiprocessors);
  };
  std::ofstream("all.json") << R"({"schema": "assay-suite/1", "name": "all", "cases": [
      {"workload": "planted", "device": ["gpu", "cpu"], "dtype": "f32", "n": [64, "64Gi"]}]})";
  const Ran h200 = assay({"list", "all.json", "--as", "h200", "--explain"});
  EXPECT_EQ(h200.code, 0) << h200.err;
  EXPECT_THAT(h200.out, ContainsRegex("planted/on_gpu/gpu0/f32/n=64/[^\n]* runs\n    gpu on 132 multiprocessors\n"));
  EXPECT_THAT(h200.out, ContainsRegex("planted/on_gpu/gpu0/f32/n=68719476736/[^\n]* skipped: needs [^\n]* of buffers"));
  EXPECT_THAT(h200.out, ContainsRegex("planted/right/cpu/f32/n=64/[^\n]* runs\n    cpu on 0 multiprocessors\n"));
  EXPECT_THAT(h200.out, HasSubstr("run on NVIDIA H200 SXM 141GB"));
  EXPECT_THAT(assay({"list", "all.json", "--as", "b200"}).out, HasSubstr("skipped: needs 90, this is 100"));
  const Ran unknown = assay({"list", "all.json", "--as", "h20"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("did you mean"));
  EXPECT_EQ(assay({"list", "all.json", "--as", "tpu-v6e"}).code, 2);
}

}  // namespace
}  // namespace assay
