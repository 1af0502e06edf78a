// A folder of made-up kernel files, gone with its owner.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace assay {

class TemporaryFolder {
 public:
  TemporaryFolder() : path_(testing::TempDir() + "/assay_" + std::to_string(getpid()) + "_" + test_name()) {
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((path_ / file).parent_path());
    std::ofstream(path_ / file) << text;
  }

 private:
  static std::string test_name() { return testing::UnitTest::GetInstance()->current_test_info()->name(); }
  std::filesystem::path path_;
};

}  // namespace assay
