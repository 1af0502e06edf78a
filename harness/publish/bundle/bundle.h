// A bundle: results, what they say of their machines, and the digests of all, in one file to be sent.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "harness/publish/bundle/archive.h"
#include "harness/record/result.h"

namespace assay {

struct BundleSummary {
  std::size_t results = 0;
  bool redacted = false;  // every result of it
};

/// Names inside a bundle.
inline constexpr const char* kBundleSums = "SHA256SUMS";
inline constexpr const char* kBundleReadme = "README.txt";
inline constexpr const char* kResultSuffix = ".json";
inline constexpr const char* kEnvironmentSuffix = ".environment.json";

/// What NAME.environment.json holds: a result's provenance, readable without tools.
std::string environment_text(const Result&);

/// Writes `out`, NAME.tar.gz or NAME.tgz, which must not be there yet.  Results whose seal is absent or broken are
/// refused: nobody could tell them from the ones that were measured.
BundleSummary write_bundle(const std::vector<std::filesystem::path>& results, const std::filesystem::path& out,
                           bool redact);

/// Every file's digest, no file more or fewer, every result with its seal and its environment.  InputError with one
/// line that names the file and says why.  Nothing is written to disk.
BundleSummary verify_bundle(const std::filesystem::path&, const ArchiveLimits& = {});

}  // namespace assay
