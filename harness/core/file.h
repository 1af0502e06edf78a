// Files that are whole or absent.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

namespace assay {

/// The whole file; InputError with path and reason where it cannot be read or is larger than `limit` bytes.
std::string read_file(const std::filesystem::path&, std::size_t limit = std::size_t(1) << 30);

/// Writes to a temporary beside `path`, fsyncs, renames over it and fsyncs the folder: readers see the old file or the
/// new one.  MeasureError with path and reason on failure, leaving nothing behind; InputError where `path` is a device
/// or a pipe.
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

}  // namespace assay
