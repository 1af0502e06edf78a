// Memory that several threads or processes of one host share.
#pragma once
#include <chrono>
#include <cstddef>
#include <string>

namespace assay {

/// Zeroed pages, unmapped with their owner.  Move-only.
class SharedMemory {
 public:
  SharedMemory() = default;
  SharedMemory(SharedMemory&&) noexcept;
  SharedMemory& operator=(SharedMemory&&) noexcept;
  ~SharedMemory();

  /// For the threads of this process.
  static SharedMemory anonymous(std::size_t bytes);
  /// A new segment of that name; std::runtime_error where there is one already, or no room for it.
  static SharedMemory create(const std::string& name, std::size_t bytes);
  /// Waits until another process has created the segment in full size.
  static SharedMemory open(const std::string& name, std::size_t bytes, std::chrono::steady_clock::time_point deadline);
  /// The name disappears; mappings stay.
  static void unlink(const std::string& name) noexcept;

  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  SharedMemory(std::byte* data, std::size_t bytes) : data_(data), bytes_(bytes) {}
  static SharedMemory map(int descriptor, std::size_t bytes, int flags);
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace assay
