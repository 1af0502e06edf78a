// Runs a fuzz target over the files of a folder and over changes to them, without libFuzzer: a crash, a hang or an
// exception fails the test.
//   NAME_corpus_test FOLDER [CHANGES] [FIRST] [INPUT]
// CHANGES of each file (0 where it is not given), drawn by the seeds from FIRST on; INPUT: a file that holds what is
// tried at any time, so that what crashed is there afterwards.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "harness/core/file.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/mutate.h"

namespace {

void try_text(const std::string& text, const char* keep) {
  if (keep) std::ofstream(keep, std::ios::binary) << text;
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 5) return std::fprintf(stderr, "usage: %s FOLDER [CHANGES] [FIRST] [INPUT]\n", argv[0]), 2;
  const long changes = argc > 2 ? std::atol(argv[2]) : 0, first = argc > 3 ? std::atol(argv[3]) : 0;
  const char* keep = argc > 4 ? argv[4] : nullptr;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const auto& path : files) {
    const std::string text = assay::read_file(path);
    std::printf("%s\n", path.filename().c_str());
    std::fflush(stdout);  // the last line names the file that crashed
    try_text(text, keep);
    for (long seed = first; seed < first + changes; ++seed) {
      std::mt19937_64 random(static_cast<std::uint64_t>(seed));
      try_text(assay::mutated(text, random), keep);
    }
  }
  std::printf("%zu files, %ld changes of each\n", files.size(), changes);
  return files.empty() ? 1 : 0;
}
