#include "harness/suite/wording.h"

#include <fmt/format.h>

#include <algorithm>

namespace assay {
namespace {

constexpr std::size_t kLongestName = 64;  // longer words are no misspelled names, and the distance is quadratic

/// Edits (a letter replaced, added or left out, two neighbours swapped) that make `b` of `a`.
std::size_t distance(std::string_view a, std::string_view b) {
  std::size_t d[kLongestName + 1][kLongestName + 1];  // d[i][j]: of a's first i letters to b's first j
  for (std::size_t i = 0; i <= a.size(); ++i)
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      d[i][j] = std::min({d[i - 1][j - 1] + (a[i - 1] != b[j - 1]), d[i - 1][j] + 1, d[i][j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

}  // namespace

std::string printable(std::string_view text, std::size_t limit) {
  std::string out;
  for (const char c : text.substr(0, limit)) out += c >= 0x20 && c <= 0x7e ? c : '?';
  return text.size() > limit ? out + "..." : out;
}

std::string join(const std::vector<std::string>& words, std::string_view separator) {
  return fmt::format("{}", fmt::join(words, separator));
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  if (word.size() > kLongestName) return {};
  const std::string* best = nullptr;
  std::size_t least = 1 + std::max<std::size_t>(1, word.size() / 3);  // a third of the letters may be wrong
  for (const auto& candidate : candidates) {
    if (candidate.size() > kLongestName) continue;
    const std::size_t d = distance(word, candidate);
    if (d < least) {
      least = d;
      best = &candidate;
    }
  }
  return best ? fmt::format("; did you mean '{}'?", *best) : std::string();
}

}  // namespace assay
