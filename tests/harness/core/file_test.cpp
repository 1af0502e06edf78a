#include "harness/core/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>

#include "harness/core/error.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "assay-file-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  int files() const { return int(std::distance(fs::directory_iterator(folder_), fs::directory_iterator())); }

  fs::path folder_;
};

std::string message_of(const std::function<void()>& action, ExitCode code) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, code);
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

TEST_F(FileTest, RoundTripKeepsEveryByte) {
  std::string text(300000, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = char(i * 7);
  write_file_atomically(folder_ / "a", text);
  EXPECT_EQ(read_file(folder_ / "a"), text);
  write_file_atomically(folder_ / "a", "");
  EXPECT_EQ(read_file(folder_ / "a"), "");
  EXPECT_EQ(files(), 1);
}

TEST_F(FileTest, ARelativePathWithoutAFolderIsTheCurrentOne) {
  const fs::path before = fs::current_path();
  fs::current_path(folder_);
  write_file_atomically("plain", "x");
  fs::current_path(before);
  EXPECT_EQ(read_file(folder_ / "plain"), "x");
}

TEST_F(FileTest, PermissionsFollowTheUmask) {
  const mode_t before = ::umask(027);
  write_file_atomically(folder_ / "a", "x");
  ::umask(before);
  struct stat status;
  ASSERT_EQ(::stat((folder_ / "a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST_F(FileTest, ReadingSaysWhichFileAndWhy) {
  EXPECT_THAT(message_of([&] { read_file(folder_ / "absent"); }, ExitCode::bad_input),
              AllOf(HasSubstr((folder_ / "absent").string()), HasSubstr("No such file")));
  EXPECT_THAT(message_of([&] { read_file(folder_); }, ExitCode::bad_input), HasSubstr("Is a directory"));
}

TEST_F(FileTest, TheLimitIsInclusive) {
  write_file_atomically(folder_ / "a", "12345678");
  EXPECT_EQ(read_file(folder_ / "a", 8), "12345678");
  EXPECT_THAT(message_of([&] { read_file(folder_ / "a", 7); }, ExitCode::bad_input), HasSubstr("larger than 7 bytes"));
}

TEST_F(FileTest, MissingFoldersAreMade) {
  const fs::path path = folder_ / "absent" / "as well" / "a";
  write_file_atomically(path, "x");
  EXPECT_EQ(read_file(path), "x");
}

TEST_F(FileTest, AFolderThatCannotBeIsAWrongPath) {
  write_file_atomically(folder_ / "a", "x");
  for (const fs::path& path : {folder_ / "a" / "b", fs::path("/proc/assay/b"), fs::path("/proc/b")})
    EXPECT_THAT(message_of([&] { write_file_atomically(path, "x"); }, ExitCode::bad_input),
                AllOf(HasSubstr(path.string() + ": cannot"), HasSubstr("folder")));
  EXPECT_EQ(files(), 1);
}

TEST_F(FileTest, AFolderIsNotReplaced) {
  const fs::path path = folder_ / "occupied";
  fs::create_directory(path);
  write_file_atomically(path / "keep", "x");
  EXPECT_THAT(message_of([&] { write_file_atomically(path, "x"); }, ExitCode::bad_input),
              HasSubstr(path.string() + ": is a folder"));
  EXPECT_EQ(files(), 1);
}

TEST_F(FileTest, APipeOrADeviceIsNotReplaced) {
  const fs::path pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(message_of([&] { write_file_atomically(pipe, "x"); }, ExitCode::bad_input), HasSubstr(pipe.string()));
  EXPECT_TRUE(fs::is_fifo(pipe));
  EXPECT_EQ(files(), 1);
}

/// Makes every write beyond a few bytes fail with EFBIG, as a full disk would with ENOSPC.
TEST_F(FileTest, AFailedWriteKeepsTheOldFileAndLeavesNothingBehind) {
  write_file_atomically(folder_ / "a", "old");
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 4;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string message =
      message_of([&] { write_file_atomically(folder_ / "a", "newer and longer"); }, ExitCode::could_not_measure);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(message, HasSubstr("File too large"));
  EXPECT_EQ(read_file(folder_ / "a"), "old");
  EXPECT_EQ(files(), 1);
}

}  // namespace
}  // namespace assay
