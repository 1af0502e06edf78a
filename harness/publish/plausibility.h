// What a maintainer asks of a contributed result before it is published: beyond the schema, can it be true?
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace assay {

struct Plausibility {
  std::string digest;                 // SHA-256 of the file
  std::string broken;                 // why it cannot be read as a result at all; empty where it can
  std::vector<std::string> problems;  // each names its place
  std::size_t cases = 0;
};

/// The seal (a file without one is a problem unless `unsealed`), schema, ids and outcomes; then whether the summary
/// follows from the samples, the work from the case, samples from how they stopped and from what their ranks took,
/// rates stay below what the device can do, dates between the first release and `now_utc` and in the order of a run,
/// provenance is whole, and no measurement is there twice.
Plausibility examine(std::string_view text, const std::string& source, const std::string& now_utc,
                     bool unsealed = false);

}  // namespace assay
