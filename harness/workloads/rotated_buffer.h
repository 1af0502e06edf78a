// One operand's buffers for all rotated sets, carved out of one allocation.
#pragma once
#include <cstddef>
#include <cstdint>

#include "harness/backends/backend.h"

namespace assay {

/// Move-only.  Sets are 256 bytes aligned and followed by guard bytes, so that a kernel that writes past its output is
/// seen (guards_intact).
class RotatedBuffer {
 public:
  RotatedBuffer(Backend&, std::size_t bytes, int sets, int slot = 0);
  /// In `storage` of at least sets * stride_for(bytes), which the backend reaches: memory that a kernel allocated.
  RotatedBuffer(Backend&, std::size_t bytes, int sets, Buffer storage);

  void* data(int set) const;
  std::size_t bytes() const { return bytes_; }
  int sets() const { return sets_; }
  /// Memory a set of `bytes` takes, guards included.
  static std::size_t stride_for(std::size_t bytes);

  void copy_in(const void* host);  // the same contents into every set
  void copy_out(int set, void* host) const;
  void fill(std::uint8_t byte) const;   // every set; 0xff is NaN in every float type
  std::uint64_t digest(int set) const;  // verify/output_digest.h
  bool guards_intact(int set) const;

 private:
  Buffer view(int set, std::size_t offset, std::size_t bytes) const;

  Backend* backend_;
  std::size_t bytes_;
  int sets_;
  Buffer storage_;
};

}  // namespace assay
