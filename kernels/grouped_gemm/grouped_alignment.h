// Where groups may begin.  C++17: kernels include it.
#pragma once
#include <cstdint>

namespace assay {

/// Rows; the height of the kernels' tiles, so that no tile has rows of two groups.
inline constexpr std::int64_t kGroupAlignment = 128;

}  // namespace assay
