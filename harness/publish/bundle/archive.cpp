#include "harness/publish/bundle/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <memory>
#include <vector>

#include "harness/core/error.h"

namespace assay {
namespace {

struct Free {
  void operator()(archive* a) const { archive_read_free(a); }
  void operator()(archive_entry* e) const { archive_entry_free(e); }
};
using Reader = std::unique_ptr<archive, Free>;
using Entry = std::unique_ptr<archive_entry, Free>;

la_ssize_t append(archive*, void* bytes, const void* data, std::size_t size) {
  static_cast<std::string*>(bytes)->append(static_cast<const char*>(data), size);
  return la_ssize_t(size);
}

[[noreturn]] void fail(const std::string& source, const std::string& why) { throw InputError(source + ": " + why); }

std::string reason(archive* a) {
  const char* text = archive_error_string(a);
  return text ? text : "unreadable";
}

Reader open_reader(std::string_view bytes, const std::string& source, bool as_tar) {
  Reader reader(archive_read_new());
  if (!reader) throw MeasureError("libarchive: out of memory");
  archive_read_support_filter_gzip(reader.get());  // the one compression a bundle has
  if (as_tar)
    archive_read_support_format_tar(reader.get());
  else
    archive_read_support_format_raw(reader.get());
  if (archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) != ARCHIVE_OK)
    fail(source, "is no gzipped tar: " + reason(reader.get()));
  return reader;
}

/// Unpacks to nowhere and compares with the length that stands in gzip's last four bytes: a tar reader stops at its end
/// mark and would not miss what was cut off behind it.
void check_whole(std::string_view bytes, const std::string& source, std::int64_t limit) {
  if (bytes.size() < 20 || bytes.substr(0, 2) != "\x1f\x8b") fail(source, "is no bundle: expected a gzipped tar");
  const Reader reader = open_reader(bytes, source, false);
  archive_entry* entry = nullptr;
  if (archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK)
    fail(source, "is truncated or changed: " + reason(reader.get()));
  std::vector<char> piece(1 << 20);
  std::int64_t total = 0;
  for (;;) {
    const la_ssize_t got = archive_read_data(reader.get(), piece.data(), piece.size());
    if (got < 0) fail(source, "is truncated or changed: " + reason(reader.get()));
    if (got == 0) break;
    total += got;
    if (total > limit) fail(source, fmt::format("unpacks to more than {} bytes, which no bundle does", limit));
  }
  std::uint32_t length = 0;
  for (int i = 0; i < 4; ++i) length |= std::uint32_t(std::uint8_t(bytes[bytes.size() - 4 + i])) << (8 * i);
  if (std::uint32_t(total) != length) fail(source, "is truncated, or has something behind its end");
}

/// The name without the folder; the folder is the same for all.
std::string plain_name(const std::string& path, std::string& folder, const std::string& source) {
  const auto slash = path.find('/');
  const std::string first = path.substr(0, slash);
  const std::string name = slash == std::string::npos ? "" : path.substr(slash + 1);
  if (path.empty() || path[0] == '/') fail(source, fmt::format("'{}': an absolute path, expected FOLDER/NAME", path));
  if (first == ".." || name == ".." || path.find("/../") != std::string::npos || path.find("../") == 0)
    fail(source, fmt::format("'{}': leads out of its folder", path));
  if (first == "." || name.empty() || name == "." || name.find_first_of("/\\") != std::string::npos)
    fail(source, fmt::format("'{}': expected FOLDER/NAME", path));
  if (folder.empty()) folder = first;
  if (folder != first) fail(source, fmt::format("'{}': expected everything in the folder '{}'", path, folder));
  return name;
}

std::string read_text(archive* reader, std::int64_t size, const std::string& place) {
  std::string text(std::size_t(size), '\0');
  std::size_t used = 0;
  while (used < text.size()) {
    const la_ssize_t got = archive_read_data(reader, text.data() + used, text.size() - used);
    if (got < 0) fail(place, "cannot be read: " + reason(reader));
    if (got == 0) fail(place, "is shorter than it says");
    used += std::size_t(got);
  }
  return text;
}

}  // namespace

ArchiveWriter::ArchiveWriter() : archive_(archive_write_new()) {
  if (!archive_) throw MeasureError("libarchive: out of memory");
  check(archive_write_add_filter_gzip(archive_));
  check(archive_write_set_filter_option(archive_, "gzip", "timestamp", nullptr));
  check(archive_write_set_format_pax_restricted(archive_));   // ustar where the name fits in it
  check(archive_write_set_bytes_in_last_block(archive_, 1));  // else zeros behind gzip's end fill a tape's block
  check(archive_write_open(archive_, &bytes_, nullptr, append, nullptr));
}

ArchiveWriter::~ArchiveWriter() { archive_write_free(archive_); }

void ArchiveWriter::check(int status) const {
  if (status != ARCHIVE_OK) throw MeasureError("libarchive: " + reason(archive_));
}

void ArchiveWriter::add(const std::string& name, std::string_view text) {
  const Entry entry(archive_entry_new());
  if (!entry) throw MeasureError("libarchive: out of memory");
  archive_entry_set_pathname(entry.get(), name.c_str());
  archive_entry_set_size(entry.get(), la_int64_t(text.size()));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0644);
  archive_entry_set_mtime(entry.get(), 0, 0);
  check(archive_write_header(archive_, entry.get()));
  if (archive_write_data(archive_, text.data(), text.size()) != la_ssize_t(text.size()))
    throw MeasureError("libarchive: " + reason(archive_));
}

std::string ArchiveWriter::finish() {
  check(archive_write_close(archive_));
  return std::move(bytes_);
}

void read_archive(std::string_view bytes, const std::string& source, const ArchiveLimits& limits,
                  const std::function<void(const std::string&, std::string&&)>& visit) {
  check_whole(bytes, source, limits.total_bytes);
  const Reader reader = open_reader(bytes, source, true);
  std::string folder;
  for (std::int64_t files = 0;; ++files) {
    archive_entry* entry = nullptr;
    const int status = archive_read_next_header(reader.get(), &entry);
    if (status == ARCHIVE_EOF) break;
    if (status != ARCHIVE_OK) fail(source, "is damaged: " + reason(reader.get()));
    if (files == limits.files) fail(source, fmt::format("holds more than {} files", limits.files));
    const char* path = archive_entry_pathname(entry);
    const std::string name = plain_name(path ? path : "", folder, source);
    const std::string place = source + ": " + name;
    if (archive_entry_hardlink(entry) || archive_entry_symlink(entry)) fail(place, "is a link, expected a file");
    if (archive_entry_filetype(entry) != AE_IFREG) fail(place, "is no regular file");
    const std::int64_t size = archive_entry_size(entry);
    if (size < 0 || size > limits.file_bytes)
      fail(place, fmt::format("claims {} bytes, more than the {} allowed", size, limits.file_bytes));
    visit(name, read_text(reader.get(), size, place));
  }
}

}  // namespace assay
