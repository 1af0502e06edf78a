// What a bundle that came from elsewhere must be: whole, unchanged, and no danger to whoever opens it.
#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/harness/publish/bundle_fixture.h"

namespace assay {
namespace {

using testing::HasSubstr;
using testing::Not;

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
