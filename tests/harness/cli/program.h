// The program within a test: arguments in, exit code and text out, in a folder of its own.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "harness/cli/cli.h"

namespace assay {

struct Ran {
  int code = 0;
  std::string out, err;
};

inline Ran run_program(const std::vector<std::string>& arguments, const Catalog& workloads) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Ran ran;
  ran.code = run_command_line(arguments, workloads);
  ran.out = testing::internal::GetCapturedStdout();
  ran.err = testing::internal::GetCapturedStderr();
  return ran;
}

/// Works in an empty folder that is gone afterwards.
class InEmptyFolder : public testing::Test {
 protected:
  void SetUp() override {
    home_ = std::filesystem::current_path();
    folder_ = std::filesystem::temp_directory_path() / ("cli_test_" + std::to_string(::getpid()));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    std::filesystem::current_path(folder_);
  }
  void TearDown() override {
    std::filesystem::current_path(home_);
    std::filesystem::remove_all(folder_);
  }
  std::filesystem::path home_, folder_;
};

}  // namespace assay
