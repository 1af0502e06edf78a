// Bundles: what is sent is what was measured, and a redacted one names nobody.
#include "harness/publish/bundle.h"

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>

#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/core/sha256.h"
#include "tests/harness/record/sample_records.h"

namespace assay {
namespace {

using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;
using Files = std::map<std::string, std::string>;

constexpr const char* kUuid = "GPU-01234567-89ab-cdef-0123-456789abcdef";

/// A result of a node that tells its name in as many places as there are.
Result telling(const std::string& host, const std::string& uuid) {
  Result result = sample_result({ok_record(64), ok_record(65)});
  auto& p = result.provenance;
  p["system"]["hostname"] = host + ".acme.example";
  p["system"]["board_serial"] = "SN0042X";
  p["gpus"] = {{{"index", 0}, {"name", "NVIDIA H200"}, {"uuid", uuid}}};
  p["environment"]["CUDA_VISIBLE_DEVICES"] = uuid;
  p["environment"]["NCCL_TOPO_FILE"] = "/home/alice/topo.xml";
  p["command"] = {"/home/alice/bin/assay", "run", "--out=/home/alice/r.json", "--filter", "gemm/*"};
  p["findings"] = {{{"severity", "info"}, {"what", host + ": board SN0042X"}, {"meaning", "-"}, {"action", "-"}}};
  result.records[0].description = "on " + host + ", " + uuid.substr(4);
  result.records[1].outcome = {OutcomeKind::failed, "lost " + host + "-ib0: " + uuid};
  result.records[1].measurement = {};
  result.records[1].check.reset();
  StragglerReport stragglers;
  stragglers.members = {{0, host, "gpu0", {}, {}, {}, {}, 0}};
  stragglers.notes = {host + " is slow"};
  result.stragglers = stragglers;
  return result;
}

class Bundle : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("bundle_test_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    save_result(telling("Mercury7", kUuid), at("mercury7.json"));
    save_result(telling("venus", "GPU-fedcba98-7654-3210-fedc-ba9876543210"), at("venus.json"));
    save_result(telling("Mercury7", kUuid), at("later.json"));
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path at(const char* name) const { return folder_ / name; }
  std::vector<fs::path> results() const { return {at("mercury7.json"), at("venus.json"), at("later.json")}; }
  Files contents(const char* name) const {
    Files out;
    read_archive(read_file(at(name)), name, {}, [&](const std::string& n, std::string&& text) { out[n] = text; });
    return out;
  }
  /// An archive of these files, with SHA256SUMS made anew unless told not to.
  void pack(const char* name, Files files, bool with_sums = true) const {
    if (with_sums) {
      std::string sums;
      files.erase(kBundleSums);
      for (const auto& [file, text] : files) sums += sha256_hex(text) + "  " + file + "\n";
      files[kBundleSums] = sums;
    }
    ArchiveWriter writer;
    for (const auto& [file, text] : files) writer.add("packed/" + file, text);
    write_file_atomically(at(name), writer.finish());
  }
  /// What verification complains of; empty where it does not.
  std::string complaint(const char* name, const ArchiveLimits& limits = {}) const {
    try {
      verify_bundle(at(name), limits);
    } catch (const InputError& error) {
      return error.what();
    }
    return {};
  }
  fs::path folder_;
};

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

TEST_F(Bundle, AFileChangedMissingOrExtraIsNamed) {
  write_bundle(results(), at("sent.tar.gz"), false);
  const Files good = contents("sent.tar.gz");
  pack("same.tar.gz", good, false);
  EXPECT_EQ(complaint("same.tar.gz"), "");
  Files files = good;
  files["venus.environment.json"][5] ^= 1;
  pack("changed.tar.gz", files, false);
  EXPECT_THAT(complaint("changed.tar.gz"), HasSubstr("changed.tar.gz: venus.environment.json: was changed"));
  files = good;
  files.erase("venus.json");
  pack("missing.tar.gz", files, false);
  EXPECT_THAT(complaint("missing.tar.gz"), HasSubstr("venus.json: is missing"));
  files = good;
  files["more.json"] = good.at("venus.json");
  pack("extra.tar.gz", files, false);
  EXPECT_THAT(complaint("extra.tar.gz"), HasSubstr("more.json: is there but not in SHA256SUMS"));
  files = good;
  files.erase(kBundleSums);
  pack("sumless.tar.gz", files, false);
  EXPECT_THAT(complaint("sumless.tar.gz"), HasSubstr("SHA256SUMS: is missing"));
}

/// Whoever makes the digests anew still has to keep seals, environments and kinds.
TEST_F(Bundle, DigestsMadeAnewDoNotHideAChange) {
  write_bundle(results(), at("sent.tar.gz"), false);
  const Files good = contents("sent.tar.gz");
  Files files = good;
  files["venus.json"].replace(files["venus.json"].find("tile 64"), 7, "tile 65");
  pack("seal.tar.gz", files);
  EXPECT_THAT(complaint("seal.tar.gz"), HasSubstr("venus.json: its seal is broken"));
  files = good;
  files["venus.json"] = "{}";
  pack("parse.tar.gz", files);
  EXPECT_THAT(complaint("parse.tar.gz"), HasSubstr("parse.tar.gz: venus.json"));
  files = good;
  files["venus.environment.json"] = good.at("mercury7.environment.json");
  pack("environment.tar.gz", files);
  EXPECT_THAT(complaint("environment.tar.gz"), HasSubstr("venus.environment.json: is not the environment"));
  files = good;
  files["run.sh"] = "true\n";
  pack("kind.tar.gz", files);
  EXPECT_THAT(complaint("kind.tar.gz"), HasSubstr("run.sh: belongs to no bundle"));
}

TEST_F(Bundle, TruncatedAnywhereIsNoticed) {
  write_bundle({at("venus.json")}, at("sent.tar.gz"), false);
  const std::string bytes = read_file(at("sent.tar.gz"));
  std::vector<std::size_t> lengths = {0, 1, 10, bytes.size() / 3, bytes.size() / 2};
  for (std::size_t cut = 1; cut <= 40; ++cut) lengths.push_back(bytes.size() - cut);
  for (const std::size_t length : lengths) {
    write_file_atomically(at("cut.tar.gz"), std::string_view(bytes).substr(0, length));
    EXPECT_THAT(complaint("cut.tar.gz"), HasSubstr("cut.tar.gz: ")) << length << " of " << bytes.size();
  }
  write_file_atomically(at("more.tar.gz"), bytes + "more");
  EXPECT_THAT(complaint("more.tar.gz"), HasSubstr("behind its end"));
}

la_ssize_t append(archive*, void* bytes, const void* data, std::size_t size) {
  static_cast<std::string*>(bytes)->append(static_cast<const char*>(data), size);
  return la_ssize_t(size);
}

/// An archive of one entry that no bundle would hold.
std::string one_entry(const char* path, int type, const char* target) {
  std::string bytes;
  archive* a = archive_write_new();
  archive_write_add_filter_gzip(a);
  archive_write_set_format_pax_restricted(a);
  archive_write_set_bytes_in_last_block(a, 1);
  archive_write_open(a, &bytes, nullptr, append, nullptr);
  archive_entry* entry = archive_entry_new();
  archive_entry_set_pathname(entry, path);
  archive_entry_set_filetype(entry, type);
  archive_entry_set_size(entry, 0);
  archive_entry_set_perm(entry, 0644);
  if (type == AE_IFLNK) archive_entry_set_symlink(entry, target);
  if (type == AE_IFREG && target) archive_entry_set_hardlink(entry, target);
  archive_write_header(a, entry);
  archive_entry_free(entry);
  archive_write_close(a);
  archive_write_free(a);
  return bytes;
}

TEST_F(Bundle, PathsLinksAndBombsAreRefused) {
  const struct {
    const char* path;
    int type;
    const char *target, *expected;
  } kCases[] = {{"/etc/passwd", AE_IFREG, nullptr, "absolute path"},
                {"../x.json", AE_IFREG, nullptr, "leads out"},
                {"a/../../x.json", AE_IFREG, nullptr, "leads out"},
                {"a/..", AE_IFREG, nullptr, "leads out"},
                {"a/b/c.json", AE_IFREG, nullptr, "expected FOLDER/NAME"},
                {"x.json", AE_IFREG, nullptr, "expected FOLDER/NAME"},
                {"a/x.json", AE_IFLNK, "/etc/passwd", "is a link"},
                {"a/x.json", AE_IFREG, "a/y.json", "is a link"},
                {"a/x", AE_IFIFO, nullptr, "no regular file"}};
  for (const auto& c : kCases) {
    write_file_atomically(at("odd.tar.gz"), one_entry(c.path, c.type, c.target));
    EXPECT_THAT(complaint("odd.tar.gz"), HasSubstr(c.expected)) << c.path;
  }
  pack("bomb.tar.gz", {{"zeros.json", std::string(20 << 20, '\0')}});
  EXPECT_LT(fs::file_size(at("bomb.tar.gz")), 100'000u);
  EXPECT_THAT(complaint("bomb.tar.gz", {1 << 20, std::int64_t(1) << 40, 10}), HasSubstr("zeros.json: claims 20971520"));
  EXPECT_THAT(complaint("bomb.tar.gz", {std::int64_t(1) << 40, 1 << 20, 10}), HasSubstr("unpacks to more than"));
  EXPECT_THAT(complaint("bomb.tar.gz", {std::int64_t(1) << 40, std::int64_t(1) << 40, 1}),
              HasSubstr("more than 1 files"));
}

}  // namespace
}  // namespace assay
