// Quantities as people read them.
#pragma once
#include <cstddef>
#include <string>

namespace assay {
/// "512 B", "96 KiB", "1.5 GiB": powers of 1024, at most four digits.
std::string format_bytes(std::size_t bytes);
}  // namespace assay
