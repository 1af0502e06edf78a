// The host's side of a hold (cuda_hold.h).
#pragma once
#include <cuda_runtime.h>

#include <atomic>
#include <new>

#include "harness/backends/cuda_device.h"
#include "harness/backends/cuda_hold.h"

namespace assay {

/// Host memory mapped into every GPU.
class SharedHold {
 public:
  explicit SharedHold(int ordinal) {
    void* memory = nullptr;
    check_gpu(cudaHostAlloc(&memory, sizeof(HoldState), cudaHostAllocPortable | cudaHostAllocMapped), ordinal,
              "mapping host memory");
    state_ = new (memory) HoldState;
  }
  ~SharedHold() { cudaFreeHost(state_); }
  SharedHold(const SharedHold&) = delete;
  SharedHold& operator=(const SharedHold&) = delete;

  HoldState* state() const { return state_; }
  unsigned next_ticket() { return ++ticket_; }
  void release() { std::atomic_ref(state_->released).store(ticket_); }
  bool timed_out() const { return ticket_ != 0 && std::atomic_ref(state_->timed_out).load() == ticket_; }

 private:
  HoldState* state_ = nullptr;
  unsigned ticket_ = 0;
};

/// Ends the hold whatever happens: an exception must not leave the GPU spinning.
class ReleaseAtEnd {
 public:
  explicit ReleaseAtEnd(SharedHold& hold) : hold_(hold) {}
  ~ReleaseAtEnd() { hold_.release(); }
  ReleaseAtEnd(const ReleaseAtEnd&) = delete;
  ReleaseAtEnd& operator=(const ReleaseAtEnd&) = delete;

 private:
  SharedHold& hold_;
};

}  // namespace assay
