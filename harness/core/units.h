// Quantities as people read them.
#pragma once
#include <string>

namespace assay {
/// "512 B", "96 KiB", "1.5 GiB": powers of 1024, at most four digits.  A file's number may be more than
/// any integer holds.
std::string format_bytes(double bytes);
}  // namespace assay
