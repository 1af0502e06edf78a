#include "harness/workloads/rotated_buffer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "harness/verify/output_digest.h"

namespace assay {
namespace {

constexpr std::size_t kAlignment = 256;  // what cudaMalloc gives: kernels may count on it
constexpr std::size_t kGuard = 256;
constexpr std::uint8_t kGuardByte = 0xa5;
constexpr std::size_t kPieceBytes = std::size_t(64) << 20;  // whole words

}  // namespace

std::size_t RotatedBuffer::stride_for(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment + kGuard;
}

RotatedBuffer::RotatedBuffer(Backend& backend, std::size_t bytes, int sets, int slot)
    : RotatedBuffer(backend, bytes, sets, backend.allocate(stride_for(bytes) * std::size_t(sets), slot)) {}

RotatedBuffer::RotatedBuffer(Backend& backend, std::size_t bytes, int sets, Buffer storage)
    : backend_(&backend), bytes_(bytes), sets_(sets), storage_(std::move(storage)) {
  backend_->fill(storage_, kGuardByte);
}

Buffer RotatedBuffer::view(int set, std::size_t offset, std::size_t bytes) const {
  auto* start = static_cast<std::byte*>(storage_.data()) + stride_for(bytes_) * std::size_t(set) + offset;
  return Buffer(nullptr, storage_.slot(), start, bytes);  // no owner: a view
}

void* RotatedBuffer::data(int set) const { return view(set, 0, bytes_).data(); }

void RotatedBuffer::copy_in(const void* host) {
  for (int set = 0; set < sets_; ++set) backend_->copy_in(view(set, 0, bytes_), host, bytes_);
}

void RotatedBuffer::copy_out(int set, void* host) const { backend_->copy_out(host, view(set, 0, bytes_), bytes_); }

void RotatedBuffer::fill(std::uint8_t byte) const {
  for (int set = 0; set < sets_; ++set) backend_->fill(view(set, 0, bytes_), byte);
}

std::uint64_t RotatedBuffer::digest(int set) const {
  const Target target = backend_->target(storage_.slot());
  if (target.device == Device::cpu) return output_digest(data(set), bytes_, target.threads);
  // In pieces, so that a large output does not need as much memory on the host.
  std::vector<std::byte> piece(std::min(bytes_, kPieceBytes));
  std::uint64_t sum = 0;
  for (std::size_t at = 0; at < bytes_; at += kPieceBytes) {
    const std::size_t bytes = std::min(kPieceBytes, bytes_ - at);
    backend_->copy_out(piece.data(), view(set, at, bytes), bytes);
    sum += output_digest(piece.data(), bytes, available_threads(), at / sizeof(std::uint64_t));
  }
  return sum;
}

bool RotatedBuffer::guards_intact(int set) const {
  std::vector<std::uint8_t> guard(stride_for(bytes_) - bytes_);  // from the last byte of the data on
  backend_->copy_out(guard.data(), view(set, bytes_, guard.size()), guard.size());
  return std::all_of(guard.begin(), guard.end(), [](std::uint8_t byte) { return byte == kGuardByte; });
}

}  // namespace assay
