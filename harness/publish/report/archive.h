// The result files inside a report page: whole where they fit, else with every k-th sample.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "harness/record/named_result.h"

namespace assay {

/// A result as the page shows it.
struct ReportedResult {
  std::string file;    // as it was named
  std::string text;    // of the file
  std::string sha256;  // of the text
  Result result;
};

/// How much of the samples the archives keep.
struct Thinning {
  int every = 1;               // of each case, the 1st, (1+k)-th, (1+2k)-th ... sample
  bool without_ranks = false;  // each rank's own times are left out
  bool rounded = false;        // times to kDigitsKept digits, what a device said of itself to one less
  bool whole() const { return !rounded && every == 1 && !without_ranks; }
};

/// A case keeps at least so many samples, or all it has; of a device's clock and power half as many readings.
inline constexpr std::size_t kLeastSamplesKept = 20;
/// Of a double's 17: off by 0.005 % at most, where the interval of a good median is ten times as wide.
inline constexpr int kDigitsKept = 5;

struct Archives {
  Thinning thinning;
  std::vector<std::string> base64;  // of each result, gzip
  std::size_t bytes() const;
};

/// What remains is a valid result, sealed anew, whose provenance names the digest of the whole one and what was left
/// out.  A soak's intervals are joined, not left out.
Result thinned(const ReportedResult&, const Thinning&);

/// The least thinning (rounded, then without ranks' times, then every k-th sample) at which all of them together take
/// `limit` bytes at most; the strongest where none does.
Archives archive(const std::vector<ReportedResult>&, std::size_t limit);

std::string gzip(std::string_view);
std::string base64(std::string_view);

}  // namespace assay
