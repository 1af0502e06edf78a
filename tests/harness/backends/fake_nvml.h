// The fake NVML library (fake_nvml.cpp) as a test uses it: its script in a file, and its time by hand.
#pragma once
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace assay {

/// While it lives, ASSAY_NVML_LIBRARY names the fake and time stands still at 0 s, until advanced.  One at a time, made
/// before the first Nvml.
class FakeNvml {
 public:
  explicit FakeNvml(const std::string& script)
      : script_(std::filesystem::temp_directory_path() / ("fake_nvml_" + std::to_string(::getpid()))),
        library_(::dlopen(ASSAY_FAKE_NVML, RTLD_NOW | RTLD_LOCAL)) {
    std::ofstream(script_) << script;
    ::setenv("ASSAY_NVML_LIBRARY", ASSAY_FAKE_NVML, 1);
    ::setenv("ASSAY_FAKE_NVML_SCRIPT", script_.c_str(), 1);
    EXPECT_NE(library_, nullptr);
    const auto init = reinterpret_cast<int (*)()>(::dlsym(library_, "nvmlInit_v2"));
    init();  // a user that outlives all others: the script is read once, and time is ours
    at(0);
  }
  ~FakeNvml() {
    reinterpret_cast<int (*)()>(::dlsym(library_, "nvmlShutdown"))();
    ::dlclose(library_);
    ::unsetenv("ASSAY_NVML_LIBRARY");
    ::unsetenv("ASSAY_FAKE_NVML_SCRIPT");
    std::filesystem::remove(script_);
  }
  FakeNvml(const FakeNvml&) = delete;
  FakeNvml& operator=(const FakeNvml&) = delete;

  void at(double seconds) const {
    reinterpret_cast<void (*)(double)>(::dlsym(library_, "fake_nvml_set_seconds"))(seconds);
  }

 private:
  const std::filesystem::path script_;
  void* const library_;
};

}  // namespace assay
