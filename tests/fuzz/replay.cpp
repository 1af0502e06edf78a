// Runs a fuzz target over the files of a folder, without libFuzzer: a crash, a hang or an exception fails the test.
#include <cstdio>
#include <filesystem>
#include <string>

#include "harness/core/file.h"
#include "tests/fuzz/fuzz_target.h"

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]), 2;
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    const std::string text = assay::read_file(entry.path());
    std::printf("%s\n", entry.path().filename().c_str());
    std::fflush(stdout);  // the last line names the file that crashed
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
    ++files;
  }
  std::printf("%d files\n", files);
  return files > 0 ? 0 : 1;
}
