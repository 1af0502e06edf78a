// The words of error messages: values as the file shows them, lists, and what was probably meant.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace assay {

/// Printable ASCII, shortened: error messages go to terminals and into one line.
std::string printable(std::string_view text, std::size_t limit = 80);

/// "a, b, c"
std::string join(const std::vector<std::string>& words, std::string_view separator = ", ");

/// "; did you mean 'seq_q'?" where one candidate is close to `word`, else empty.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace assay
