// Files that are whole or absent.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

namespace assay {

/// The whole file; InputError with path and reason where it cannot be read or is larger than `limit` bytes.
/// Whether a word is a path rather than one of our names: it has a '/', or ends in .json.
bool names_file(std::string_view);
std::string read_file(const std::filesystem::path&, std::size_t limit = std::size_t(1) << 30);

/// Makes the folders that `path` is to be in, where they are missing.  InputError with path and reason.
void make_folder_of(const std::filesystem::path& path);

/// Writes to a temporary beside `path`, fsyncs, renames over it and fsyncs the folder: readers see the old file or the
/// new one.  Folders that are missing are made.  Leaves nothing behind on failure, which names path and reason:
/// InputError where no file can be there (it is a folder, a device, a pipe; its folder takes none), MeasureError where
/// one can and the system fails.
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

}  // namespace assay
