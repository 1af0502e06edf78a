#include "tests/simt/runtime/nccl_progress.h"

#include <chrono>
#include <utility>

namespace simt::nccl {
namespace {

// Until then the process itself is to wait, as late as it may: a launch that is held back is released by then.
constexpr auto kPatience = std::chrono::milliseconds(200);

}  // namespace

Progress::~Progress() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  thread_.join();
  for (const Awaited& one : awaited_) cudaEventDestroy(one.event);
}

void Progress::reach(int device, cudaEvent_t event) {
  const std::lock_guard lock(mutex_);
  awaited_.push_back({device, event});
  changed_.notify_all();
}

void Progress::run() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    if (awaited_.empty()) {
      changed_.wait(lock);
      continue;
    }
    if (changed_.wait_for(lock, kPatience, [this] { return ending_; })) return;
    const std::deque<Awaited> now = std::exchange(awaited_, {});
    lock.unlock();
    for (const Awaited& one : now) {
      cudaSetDevice(one.device);
      cudaEventSynchronize(one.event);
      cudaEventDestroy(one.event);
    }
    lock.lock();
  }
}

}  // namespace simt::nccl
