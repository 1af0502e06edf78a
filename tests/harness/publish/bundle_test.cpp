// Bundles: what is sent is what was measured, and a redacted one names nobody.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/harness/publish/bundle_fixture.h"

namespace assay {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_F(Bundle, HoldsTheResultsByteForByteAndVerifies) {
  EXPECT_EQ(write_bundle(results(), at("sent.tar.gz"), false).results, 3u);
  const auto summary = verify_bundle(at("sent.tar.gz"));
  EXPECT_EQ(summary.results, 3u);
  EXPECT_FALSE(summary.redacted);
  const Files files = contents("sent.tar.gz");
  EXPECT_EQ(files.size(), 8u);  // three results, their environments, README.txt, SHA256SUMS
  EXPECT_EQ(files.at("venus.json"), read_file(at("venus.json")));
  EXPECT_THAT(files.at("venus.environment.json"), HasSubstr("\"hostname\": \"venus.acme.example\""));
  EXPECT_THAT(files.at(kBundleReadme), HasSubstr("venus.environment.json"));
  EXPECT_THAT(files.at(kBundleSums), HasSubstr(sha256_hex(files.at("venus.json")) + "  venus.json\n"));
}

TEST_F(Bundle, StockToolsUnpackAndVerifyIt) {
  write_bundle(results(), at("sent.tar.gz"), true);
  const std::string command =
      "cd '" + folder_.string() + "' && tar -xzf sent.tar.gz && cd sent && sha256sum --strict --quiet -c SHA256SUMS";
  EXPECT_EQ(std::system(command.c_str()), 0);
}

TEST_F(Bundle, TheSameResultsGiveTheSameBytes) {
  write_bundle(results(), at("sent.tar.gz"), false);
  fs::create_directory(at("again"));
  write_bundle(results(), at("again") / "sent.tar.gz", false);
  EXPECT_EQ(read_file(at("sent.tar.gz")), read_file(at("again") / "sent.tar.gz"));
}

TEST_F(Bundle, RedactedNamesNobody) {
  EXPECT_TRUE(write_bundle(results(), at("sent.tar.gz"), true).redacted);
  EXPECT_TRUE(verify_bundle(at("sent.tar.gz")).redacted);
  std::string all;
  for (const auto& [name, text] : contents("sent.tar.gz")) all += name + "\n" + text;
  for (char& c : all) c = char(std::tolower(static_cast<unsigned char>(c)));
  for (const char* secret :
       {"mercury7", "venus", "acme", "01234567-89ab", "fedcba98-7654", "sn0042x", "alice", "topo.xml"})
    EXPECT_EQ(all.find(secret), std::string::npos) << secret;
  EXPECT_THAT(all, HasSubstr("redacted: host names"));
}

TEST_F(Bundle, TheSameNameHasTheSamePseudonymInAllFiles) {
  write_bundle(results(), at("sent.tar.gz"), true);
  const Files files = contents("sent.tar.gz");
  const Result first = parse_result(files.at("result-1.json"), "first"),
               other = parse_result(files.at("result-2.json"), "o"),
               later = parse_result(files.at("result-3.json"), "later");
  EXPECT_EQ(first.seal, Seal::intact);
  EXPECT_EQ(first.provenance["system"]["hostname"], "node-1");
  EXPECT_EQ(later.provenance["system"]["hostname"], "node-1");
  EXPECT_EQ(other.provenance["system"]["hostname"], "node-2");
  EXPECT_EQ(first.provenance["gpus"][0]["uuid"], "gpu-1");
  EXPECT_EQ(first.provenance["environment"]["CUDA_VISIBLE_DEVICES"], "gpu-1");
  EXPECT_EQ(other.provenance["gpus"][0]["uuid"], "gpu-2");
  EXPECT_EQ(first.records[0].description, "on node-1, gpu-1");
  EXPECT_EQ(first.records[1].outcome.reason, "lost node-1-ib0: gpu-1");
  EXPECT_EQ(first.stragglers->members[0].host, "node-1");
  EXPECT_EQ(first.provenance["command"][4], "gemm/*");
  EXPECT_EQ(first.records[0].measurement.seconds, telling("", kUuid).records[0].measurement.seconds);
}

TEST_F(Bundle, PseudonymsAreNoneOfTheNames) {
  Result result = telling("node-1", kUuid);
  result.provenance["system"]["hostname"] = "node-1";
  save_result(result, at("numbered.json"));
  write_bundle({at("numbered.json")}, at("sent.tar.gz"), true);
  EXPECT_THAT(contents("sent.tar.gz").at("result-1.json"), Not(HasSubstr("node-1\"")));
}

/// Whatever a machine is called: our own keys and words stay, and the result is as readable as before.
TEST_F(Bundle, ANameThatIsAWordOfOursIsReplacedInTextsAlone) {
  for (const char* word : {"seconds", "cpu", "ok", "bf16", "gemm", "H200", "normal", "result", "A"}) {
    const Result before = telling(word, kUuid);
    save_result(before, at("word.json"));
    for (const char* word : {"gpu", "node", "serial", "path"}) {  // those that pseudonyms are made of
      save_result(telling(word, kUuid), at("word.json"));
      fs::remove(at("sent.tar.gz"));
      EXPECT_TRUE(write_bundle({at("word.json")}, at("sent.tar.gz"), true).redacted) << word;
      EXPECT_THAT(contents("sent.tar.gz").at("result-1.json"), Not(HasSubstr("acme"))) << word;
    }
    fs::remove(at("sent.tar.gz"));
    write_bundle({at("word.json")}, at("sent.tar.gz"), true);
    const Result after = parse_result(contents("sent.tar.gz").at("result-1.json"), word);
    EXPECT_EQ(after.provenance["system"]["hostname"], "node-1") << word;
    EXPECT_EQ(after.records[0].description, "on node-1, gpu-1") << word;
    EXPECT_EQ(after.records[1].outcome.reason, "lost node-1-ib0: gpu-1") << word;
    EXPECT_EQ(after.stragglers->notes[0], "node-1 is slow") << word;
    EXPECT_EQ(after.records[0].point.id(), before.records[0].point.id()) << word;
    EXPECT_EQ(after.provenance["gpus"][0]["name"], "NVIDIA H200") << word;
    EXPECT_EQ(after.provenance["cpu"]["model"], "A CPU") << word;
  }
  fs::remove(at("sent.tar.gz"));
  EXPECT_THROW(write_bundle(results(), at("venus.tar.gz"), true), InputError);  // the bundle's own name
}

TEST_F(Bundle, RefusesToOverwriteAndToSendWhatIsNotAsMeasured) {
  write_file_atomically(at("there.tar.gz"), "mine");
  EXPECT_THROW(write_bundle(results(), at("there.tar.gz"), false), InputError);
  EXPECT_EQ(read_file(at("there.tar.gz")), "mine");
  EXPECT_THROW(write_bundle(results(), at("there.zip"), false), InputError);
  std::string text = read_file(at("venus.json"));
  text.replace(text.find("tile 64"), 7, "tile 65");
  write_file_atomically(at("venus.json"), text);
  for (const bool redact : {false, true}) EXPECT_THROW(write_bundle(results(), at("sent.tar.gz"), redact), InputError);
}

TEST_F(Bundle, ResultsOfOneNameAreKeptApart) {
  fs::create_directory(at("b"));
  save_result(telling("venus", kUuid), at("b") / "venus.json");
  write_bundle({at("venus.json"), at("b") / "venus.json"}, at("sent.tar.gz"), false);
  EXPECT_EQ(verify_bundle(at("sent.tar.gz")).results, 2u);
  EXPECT_EQ(contents("sent.tar.gz").count("venus-2.json"), 1u);
}

}  // namespace
}  // namespace assay
