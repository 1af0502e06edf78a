#include "kernels/collectives/rank_threads.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include <hwy/cache_control.h>

namespace assay {
namespace {

constexpr int kSpins = 1000;  // some ten microseconds: longer than two launches of a batch are apart

// How long a thread without work stays runnable.  Waking a sleeper costs tens of microseconds, which would be part of
// the next sample; what happens between two samples takes a few milliseconds.
constexpr std::chrono::milliseconds kYielding{20};

// The CPUs ranks may be pinned to, the caller's current one first.
std::vector<int> allowed_cpus(int threads) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) < threads) {
    // OpenMP with OMP_PROC_BIND has pinned the caller to one CPU, and its children inherit that: then any of the
    // machine.
    for (int cpu = 0; cpu < std::min(int(sysconf(_SC_NPROCESSORS_CONF)), CPU_SETSIZE); ++cpu) CPU_SET(cpu, &set);
  }
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  const auto here = std::find(cpus.begin(), cpus.end(), sched_getcpu());
  if (here != cpus.end()) std::rotate(cpus.begin(), here, cpus.end());
  return cpus;
}

void pin(std::thread& thread, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  pthread_setaffinity_np(thread.native_handle(), sizeof set, &set);  // refused in some sandboxes: then unpinned
}

}  // namespace

RankThreads::RankThreads(int ranks, int threads, std::function<void(int)> body)
    : body_(std::move(body)), errors_(std::size_t(ranks)) {
  const std::vector<int> cpus = allowed_cpus(threads);
  for (int rank = 1; rank < ranks; ++rank) {
    threads_.emplace_back([this, rank] { work(rank); });
    if (!cpus.empty()) pin(threads_.back(), cpus[std::size_t(rank) % cpus.size()]);
  }
}

RankThreads::~RankThreads() {
  stopping_.store(true, std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void RankThreads::run() {
  // A counter that nobody waits for would still make this core finish its stores first, to the output for one.
  if (threads_.empty()) return body_(0);
  running_.store(int(threads_.size()), std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  call(0);
  for (int spin = 0; running_.load(std::memory_order_acquire) > 0; ++spin)
    spin < kSpins ? hwy::Pause() : std::this_thread::yield();
  for (std::exception_ptr& error : errors_)
    if (error) std::rethrow_exception(std::exchange(error, nullptr));
}

void RankThreads::work(int rank) {
  for (std::uint32_t seen = 0;;) {
    seen = next_epoch(seen);
    if (stopping_.load(std::memory_order_relaxed)) return;
    call(rank);
    running_.fetch_sub(1, std::memory_order_release);
  }
}

void RankThreads::call(int rank) noexcept {
  try {
    body_(rank);
  } catch (...) {
    errors_[std::size_t(rank)] = std::current_exception();
  }
}

std::uint32_t RankThreads::next_epoch(std::uint32_t seen) const {
  std::uint32_t now;
  for (int spin = 0; spin < kSpins; ++spin) {
    if ((now = epoch_.load(std::memory_order_acquire)) != seen) return now;
    hwy::Pause();
  }
  const auto sleepy = std::chrono::steady_clock::now() + kYielding;
  while (std::chrono::steady_clock::now() < sleepy) {
    if ((now = epoch_.load(std::memory_order_acquire)) != seen) return now;
    std::this_thread::yield();
  }
  epoch_.wait(seen, std::memory_order_acquire);
  return epoch_.load(std::memory_order_acquire);
}

}  // namespace assay
