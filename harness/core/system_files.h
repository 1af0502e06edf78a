// Small reads of /proc, /sys and /etc, which may be absent or not ours to read: then they answer nothing.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

namespace assay {

/// First line without trailing blanks; null where the file cannot be read or is empty.
std::optional<std::string> first_line(const std::filesystem::path&);
/// The whole of a small file; empty where it cannot be read.
std::string small_file(const std::filesystem::path&);
/// The value after "KEY<blanks>SEPARATOR" on the first such line of `text`.
std::optional<std::string> value_of(const std::string& text, const std::string& key, char separator);
std::optional<double> to_number(const std::optional<std::string>&);

}  // namespace assay
