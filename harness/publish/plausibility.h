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

/// Schema, ids, samples and outcomes; then whether medians are those of the samples, rates below what the device can
/// do, dates between the first release and `now_utc`, provenance whole, and every case of the plan there.
Plausibility examine(std::string_view text, const std::string& source, const std::string& now_utc);

}  // namespace assay
