// `assay bundle` as its users see it.
#include <gmock/gmock.h>

#include <fstream>

#include "harness/core/file.h"
#include "tests/harness/cli/program.h"
#include "tests/harness/record/sample_records.h"

namespace assay {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

class BundleVerb : public InEmptyFolder {
 protected:
  void SetUp() override {
    InEmptyFolder::SetUp();
    fs::create_directory("results");
    save("results/a.json", 64);
    save("results/b.json", 65);
  }
  static void save(const char* path, std::int64_t n) {
    Result result = sample_result({ok_record(n)});
    result.provenance["system"]["hostname"] = "mercury7";
    save_result(result, path);
  }
  static Ran bundle(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "bundle");
    return run_program(arguments, {});
  }
};

TEST_F(BundleVerb, PacksAndVerifies) {
  const Ran packed = bundle({"results", "--out", "node7.tar.gz", "--redact"});
  EXPECT_EQ(packed.code, 0) << packed.err;
  EXPECT_EQ(packed.out, "node7.tar.gz: 2 results, redacted\n");
  const Ran verified = bundle({"--verify", "node7.tar.gz"});
  EXPECT_EQ(verified.code, 0) << verified.err;
  EXPECT_EQ(verified.out, "node7.tar.gz: 2 results, redacted: every digest and seal holds\n");
}

/// One line that names the file, exit code 2, and nothing that was not there before.
TEST_F(BundleVerb, RefusesWithOneLine) {
  ASSERT_EQ(bundle({"results/a.json", "--out", "there.tgz"}).code, 0);
  const std::string whole = read_file("there.tgz");
  write_file_atomically("cut.tgz", std::string_view(whole).substr(0, whole.size() / 2));
  std::ofstream("empty.json").close();
  const struct {
    std::vector<std::string> arguments;
    const char* expected;
  } kCases[] = {{{}, "expected results, or --verify FILE"},
                {{"results/a.json"}, "expected --out FILE.tar.gz"},
                {{"results/a.json", "--vrify", "there.tgz"}, "did you mean '--verify'?"},
                {{"results/a.json", "--verify", "there.tgz"}, "takes one bundle and nothing else"},
                {{"results/a.json", "--out", "there.tgz"}, "there.tgz: is there already"},
                {{"results/a.json", "--out", "a.zip"}, "a.zip: expected a name that ends in .tar.gz or .tgz"},
                {{"results/a.json", "gone.json", "--out", "a.tgz"}, "gone.json: cannot open"},
                {{"results/a.json", "empty.json", "--out", "a.tgz"}, "empty.json"},
                {{"--verify", "gone.tgz"}, "gone.tgz: cannot open"},
                {{"--verify", "cut.tgz"}, "cut.tgz: is no gzipped tar: truncated gzip input"},
                {{"--verify", "results/a.json"}, "results/a.json: is no bundle"}};
  for (const auto& c : kCases) {
    const Ran ran = bundle(c.arguments);
    EXPECT_EQ(ran.code, 2) << c.expected;
    EXPECT_THAT(ran.err, HasSubstr(c.expected));
    EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
    EXPECT_EQ(ran.out, "");
  }
  EXPECT_EQ(read_file("there.tgz"), whole);
  EXPECT_EQ(std::distance(fs::directory_iterator("."), {}), 4);  // results, there.tgz, cut.tgz, empty.json
}

}  // namespace
}  // namespace assay
