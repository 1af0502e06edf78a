#include "kernels/collectives/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <utility>

namespace assay {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) close(value_);
  }
  int get() const { return value_; }

 private:
  int value_;
};

std::runtime_error failure(const std::string& what, int error) {
  return std::runtime_error("shared memory: " + what + ": " + std::strerror(error));
}

std::string path_of(const std::string& name) { return "/assay-" + name; }

}  // namespace

SharedMemory::SharedMemory(SharedMemory&& other) noexcept { *this = std::move(other); }

SharedMemory& SharedMemory::operator=(SharedMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

SharedMemory::~SharedMemory() {
  if (data_) munmap(data_, bytes_);
}

SharedMemory SharedMemory::map(int descriptor, std::size_t bytes, int flags) {
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, descriptor, 0);
  if (data == MAP_FAILED) throw failure("cannot map " + std::to_string(bytes) + " bytes", errno);
  return SharedMemory(static_cast<std::byte*>(data), bytes);
}

SharedMemory SharedMemory::anonymous(std::size_t bytes) { return map(-1, bytes, MAP_PRIVATE | MAP_ANONYMOUS); }

SharedMemory SharedMemory::create(const std::string& name, std::size_t bytes) {
  const Descriptor file(shm_open(path_of(name).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (file.get() < 0) throw failure("cannot create /dev/shm" + path_of(name), errno);
  // Reserves the pages: without it a full /dev/shm (64 MiB in a default container) is a SIGBUS at the first write.
  if (const int error = posix_fallocate(file.get(), 0, off_t(bytes))) {
    unlink(name);
    throw failure("cannot reserve " + std::to_string(bytes) + " bytes in /dev/shm", error);
  }
  try {
    return map(file.get(), bytes, MAP_SHARED);
  } catch (...) {
    unlink(name);
    throw;
  }
}

SharedMemory SharedMemory::open(const std::string& name, std::size_t bytes,
                                std::chrono::steady_clock::time_point deadline) {
  for (;;) {
    const Descriptor file(shm_open(path_of(name).c_str(), O_RDWR | O_CLOEXEC, 0));
    if (file.get() < 0 && errno != ENOENT) throw failure("cannot open /dev/shm" + path_of(name), errno);
    struct stat status {};
    if (file.get() >= 0 && fstat(file.get(), &status) == 0 && std::size_t(status.st_size) == bytes)
      return map(file.get(), bytes, MAP_SHARED);
    if (std::chrono::steady_clock::now() > deadline)
      throw std::runtime_error("shared memory: rank 0 did not create /dev/shm" + path_of(name) + " with " +
                               std::to_string(bytes) + " bytes in time");
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

void SharedMemory::unlink(const std::string& name) noexcept { shm_unlink(path_of(name).c_str()); }

}  // namespace assay
