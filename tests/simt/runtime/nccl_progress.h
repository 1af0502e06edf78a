// What NCCL's kernels do without the host: a collective that waits for other processes goes on although its own process
// does not wait for it, being in a call of MPI, say.
#pragma once
#include <cuda_runtime_api.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace simt::nccl {

class Progress {
 public:
  Progress() : thread_([this] { run(); }) {}
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Of that device; it is destroyed here when it was reached, which is at the latest a while after this.
  void reach(int device, cudaEvent_t);

 private:
  struct Awaited {
    int device;
    cudaEvent_t event;
  };
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Awaited> awaited_;
  bool ending_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace simt::nccl
