#include <utility>

#include "harness/backends/backend.h"

namespace assay {

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(owner_, other.owner_);
  std::swap(slot_, other.slot_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Buffer::~Buffer() {
  if (owner_ != nullptr && data_ != nullptr) owner_->release(data_, bytes_, slot_);
}

void Backend::enqueue_copy_in(void* to, const void* from, std::size_t bytes, int slot) {
  copy_in(Buffer(nullptr, slot, to, bytes), from, bytes);
}

void Backend::enqueue_copy_out(void* to, const void* from, std::size_t bytes, int slot) {
  copy_out(to, Buffer(nullptr, slot, const_cast<void*>(from), bytes), bytes);
}

void Backend::enqueue_fill(void* to, std::uint8_t byte, std::size_t bytes, int slot) {
  fill(Buffer(nullptr, slot, to, bytes), byte);
}

HostMemory Backend::allocate_host(std::size_t bytes) {
  return {new std::byte[bytes], [](std::byte* memory) { delete[] memory; }};
}

}  // namespace assay
