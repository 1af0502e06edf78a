#include "harness/core/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "harness/core/error.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  /// Closes now; false with errno set where the system reports a late write error.
  bool close() { return ::close(std::exchange(fd_, -1)) == 0; }

 private:
  int fd_;
};

int open_retrying(const fs::path& path, int flags, int mode = 0) {
  int fd;
  do fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  while (fd < 0 && errno == EINTR);
  return fd;
}

/// Removes the temporary unless it was renamed away.
class Temporary {
 public:
  explicit Temporary(fs::path path) : path_(std::move(path)) {}
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  const fs::path& path() const { return path_; }
  void release() { path_.clear(); }

 private:
  fs::path path_;
};

/// Whether the system has failed, rather than the path been wrong.
bool is_shortage(int error) {
  constexpr int kShortages[] = {ENOSPC, EDQUOT, EIO, EMFILE, ENFILE, ENOMEM, EINTR};
  return std::find(std::begin(kShortages), std::end(kShortages), error) != std::end(kShortages);
}

[[noreturn]] void fail_write(const fs::path& path, const char* step) {
  const int error = errno;
  throw MeasureError(fmt::format("{}: cannot {}: {}", path.string(), step, std::strerror(error)));
}

/// A new file in the same folder, so that the rename stays within one file system.
struct Beside {
  fs::path path;
  Descriptor file;
};
Beside create_beside(const fs::path& path) {
  constexpr int kTries = 1000;  // names left over by killed processes, or in use by another thread
  for (int i = 0; i < kTries; ++i) {
    fs::path beside = path.parent_path() / fmt::format(".assay-{}-{}.tmp", ::getpid(), i);
    Descriptor file(open_retrying(beside, O_WRONLY | O_CREAT | O_EXCL, 0666));  // the user's umask decides
    if (file.get() >= 0) return {std::move(beside), std::move(file)};
    if (errno != EEXIST) break;
  }
  constexpr const char* kStep = "create a file in its folder";
  if (!is_shortage(errno))
    throw InputError(fmt::format("{}: cannot {}: {}", path.string(), kStep, std::strerror(errno)));
  fail_write(path, kStep);
}

void write_all(const Descriptor& file, std::string_view text, const fs::path& path) {
  while (!text.empty()) {
    const ssize_t written = ::write(file.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_write(path, "write");
    text.remove_prefix(std::size_t(written));
  }
}

/// Makes the rename itself durable.
void sync_folder(const fs::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const Descriptor handle(open_retrying(folder, O_RDONLY | O_DIRECTORY));
  if (handle.get() < 0) fail_write(path, "open its folder");
  // Some file systems know no fsync of a folder and say EINVAL; there the rename is as durable as it gets.
  if (::fsync(handle.get()) != 0 && errno != EINVAL) fail_write(path, "sync its folder");
}

}  // namespace

bool names_file(std::string_view word) { return word.find('/') != std::string_view::npos || word.ends_with(".json"); }

std::string read_file(const fs::path& path, std::size_t limit) {
  const auto fail = [&](const std::string& reason) -> InputError {
    return InputError(fmt::format("{}: {}", path.string(), reason));
  };
  const Descriptor file(open_retrying(path, O_RDONLY));
  if (file.get() < 0) throw fail(fmt::format("cannot open: {}", std::strerror(errno)));
  std::string text;
  std::size_t used = 0;
  while (true) {
    // One byte more than the limit, to tell "as large as allowed" from "larger".  Doubled: files may be pipes.
    if (used == text.size()) {
      if (used > limit) throw fail(fmt::format("larger than {} bytes", limit));
      text.resize(std::min(limit + 1, std::max<std::size_t>(64 << 10, 2 * text.size())));
    }
    const ssize_t got = ::read(file.get(), text.data() + used, text.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw fail(fmt::format("cannot read: {}", std::strerror(errno)));
    if (got == 0) break;
    used += std::size_t(got);
  }
  if (used > limit) throw fail(fmt::format("larger than {} bytes", limit));
  text.resize(used);
  return text;
}

void make_folder_of(const fs::path& path) {
  if (!path.has_parent_path()) return;
  std::error_code failed;
  fs::create_directories(path.parent_path(), failed);
  if (failed) throw InputError(fmt::format("{}: cannot make its folder: {}", path.string(), failed.message()));
}

void write_file_atomically(const fs::path& path, std::string_view text) {
  // The rename would put a file in the place of a device or a pipe: root would lose /dev/null.
  struct stat there {};
  if (::stat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode))
    throw InputError(fmt::format("{}: is {}, expected the name of a file", path.string(),
                                 S_ISDIR(there.st_mode) ? "a folder" : "there and no regular file"));
  make_folder_of(path);
  auto [beside, file] = create_beside(path);
  Temporary temporary(beside);
  write_all(file, text, path);
  if (::fsync(file.get()) != 0) fail_write(path, "sync");
  if (!file.close()) fail_write(path, "close");
  if (::rename(temporary.path().c_str(), path.c_str()) != 0) fail_write(path, "rename a temporary file to it");
  temporary.release();
  sync_folder(path);
}

}  // namespace assay
