// Shell-style patterns over case ids and kernel names.
#pragma once
#include <string_view>

namespace assay {
/// `*` matches any run of characters ('/' included), `?` one, everything else itself.  The whole text must match.
bool glob_match(std::string_view pattern, std::string_view text);
}  // namespace assay
