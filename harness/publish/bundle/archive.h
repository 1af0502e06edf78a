// Files packed into a gzipped tar, and read out of one: in memory, nothing is ever unpacked to disk.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

struct archive;

namespace assay {

/// Makes the archive: the same files give the same bytes (no times, no owners).
class ArchiveWriter {
 public:
  ArchiveWriter();
  ArchiveWriter(const ArchiveWriter&) = delete;
  ArchiveWriter& operator=(const ArchiveWriter&) = delete;
  ~ArchiveWriter();
  void add(const std::string& name, std::string_view text);
  /// The archive's bytes.  The writer is used up by it.
  std::string finish();

 private:
  void check(int status) const;
  archive* archive_;
  std::string bytes_;
};

/// What an archive may hold: a few kilobytes can claim to be terabytes.
struct ArchiveLimits {
  std::int64_t file_bytes = std::int64_t(256) << 20;  // a result of 10,000 cases is about 50 MB
  std::int64_t total_bytes = std::int64_t(8) << 30;   // a thousand nodes' results
  std::int64_t files = 100'000;
};

/// Calls `visit(name, text)` for each file.  InputError naming `source`, the file inside and why: truncated, changed, a
/// link, a path that leaves the archive's one folder, or larger than the limits.
void read_archive(std::string_view bytes, const std::string& source, const ArchiveLimits&,
                  const std::function<void(const std::string& name, std::string&& text)>& visit);

}  // namespace assay
