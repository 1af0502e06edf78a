// One slot of a backend, with that slot's second stream in place of the first.
#pragma once
#include "harness/backends/backend.h"

namespace assay {

/// For a workload of one device that shall run beside what is on the first stream.  Asking for the stream makes the
/// slot's device the calling thread's: what is launched or prepared there comes right after it.
class SecondStream final : public Backend {
 public:
  SecondStream(Backend& backend, int slot) : backend_(backend), slot_(slot) {}
  Target target(int) const override { return backend_.target(slot_); }
  Stream stream(int) const override { return backend_.second_stream(slot_); }
  Buffer allocate(std::size_t bytes, int) override { return backend_.allocate(bytes, slot_); }
  void copy_in(const Buffer& to, const void* from, std::size_t bytes) override { backend_.copy_in(to, from, bytes); }
  void copy_out(void* to, const Buffer& from, std::size_t bytes) override { backend_.copy_out(to, from, bytes); }
  void fill(const Buffer& buffer, std::uint8_t byte) override { backend_.fill(buffer, byte); }
  std::size_t free_bytes(int) const override { return backend_.free_bytes(slot_); }
  double time(const std::function<void()>& enqueue) override { return backend_.time(enqueue); }
  void synchronize() override { backend_.synchronize(); }
  std::size_t last_level_cache_bytes() const override { return backend_.last_level_cache_bytes(); }
  void settle() override { backend_.settle(); }

 private:
  void release(void*, std::size_t, int) noexcept override {}  // buffers are the backend's

  Backend& backend_;
  const int slot_;
};

}  // namespace assay
