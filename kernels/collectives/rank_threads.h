// Persistent threads, one per local rank after the first, which the caller itself drives.
#pragma once
#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

namespace assay {

/// Threads are pinned, one core each as far as there are cores, starting behind the core the caller is on.  They spin
/// for work, then yield, then sleep: an idle ring does not disturb what is measured next.
class RankThreads {
 public:
  /// `body(r)` is what rank r does in one run; called from its own thread, 0 from the caller's.  `threads` is how many
  /// CPUs this process may use.
  RankThreads(int ranks, int threads, std::function<void(int)> body);
  RankThreads(const RankThreads&) = delete;
  RankThreads& operator=(const RankThreads&) = delete;
  ~RankThreads();

  /// Every rank's body once; returns when all have finished.  Rethrows the error of the lowest rank that had one.
  void run();

 private:
  void work(int rank);
  void call(int rank) noexcept;
  std::uint32_t next_epoch(std::uint32_t seen) const;

  std::function<void(int)> body_;
  std::vector<std::exception_ptr> errors_;
  alignas(128) std::atomic<std::uint32_t> epoch_ = 0;  // runs started; a 32-bit word is what a futex waits on
  alignas(128) std::atomic<int> running_ = 0;
  alignas(128) std::atomic<bool> stopping_ = false;
  std::vector<std::thread> threads_;  // last: they use the members above
};

}  // namespace assay
