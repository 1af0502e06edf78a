// The CPU as a backend: OpenMP threads, each pinned to its core; memory on huge pages; the steady clock.
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>

#include "harness/backends/backend.h"
#include "harness/backends/cores.h"
#include "harness/backends/cpu_memory.h"
#include "harness/backends/last_level_cache.h"
#include "harness/backends/ping_pong.h"
#include "harness/core/error.h"
#include "harness/core/units.h"

namespace assay {
namespace {

/// Memory is looked at again after this much was allocated: reading the kernel's files for every small buffer would
/// take longer than allocating it.
constexpr std::size_t kBytesBetweenLooks = std::size_t(16) << 20;
/// Below this, waking threads takes longer than copying.
constexpr std::size_t kWorthThreads = std::size_t(1) << 20;

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(int threads) : cores_(process_cores()), threads_(threads > 0 ? threads : available_threads()) {
    settle_threads();
  }
  explicit CpuBackend(std::vector<int> cores) : cores_(std::move(cores)), threads_(int(cores_.size())) {
    settle_threads();
  }

  Target target(int) const override {
    Target out;
    out.threads = threads_;
    return out;
  }
  Stream stream(int) const override { return nullptr; }

  Buffer allocate(std::size_t bytes, int slot) override;
  void copy_in(const Buffer& to, const void* from, std::size_t bytes) override { copy(to.data(), from, bytes); }
  void copy_out(void* to, const Buffer& from, std::size_t bytes) override { copy(to, from.data(), bytes); }
  void fill(const Buffer& buffer, std::uint8_t byte) override { set(buffer.data(), byte, buffer.bytes()); }
  std::size_t free_bytes(int) const override { return available_memory(); }

  void settle() override { settle_threads(); }
  double time(const std::function<void()>& enqueue) override {
    const auto start = std::chrono::steady_clock::now();
    enqueue();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    has_waited();
    return seconds;
  }
  void synchronize() override { has_waited(); }

  std::size_t last_level_cache_bytes() const override {
    if (!cache_bytes_) cache_bytes_ = last_level_cache_bytes_of(used_cores());
    return *cache_bytes_;
  }
  Placement probe_placement(bool own_threads) override;

 private:
  void release(void* data, std::size_t bytes, int) noexcept override { free_memory(data, bytes); }

  std::optional<double> ask_partner();
  std::optional<double> ask_team();

  int core_of(int thread) const { return cores_[std::size_t(thread) % cores_.size()]; }
  std::vector<int> used_cores() const {
    return {cores_.begin(), cores_.begin() + std::min<std::ptrdiff_t>(threads_, std::ptrdiff_t(cores_.size()))};
  }

  /// Pins whoever is not on its core yet.  Again and again, because OpenMP's threads are not forever: a
  /// library that runs a smaller region ends the rest, and new ones start on the core of the thread that made them.  It
  /// also wakes them.
  void settle_threads() {
    if (threads_ == 1) {
      settle_on(core_of(0));
      return;
    }
#pragma omp parallel num_threads(threads_)
    settle_on(core_of(omp_get_thread_num()));
  }

  /// `work(begin, end)` over parts of 0 .. bytes, each by the thread that would compute there: static parts, whole
  /// pages.
  template <class Work>
  void in_parts(std::size_t bytes, const Work& work) {
    constexpr std::size_t kPage = 4096;
    const int parts = bytes < kWorthThreads ? 1 : threads_;
    const std::size_t part = (bytes / std::size_t(parts) + kPage) / kPage * kPage;
#pragma omp parallel for num_threads(parts) schedule(static, 1)
    for (int i = 0; i < parts; ++i) {
      const std::size_t begin = std::min(bytes, std::size_t(i) * part), end = std::min(bytes, begin + part);
      if (begin < end) work(begin, end);
    }
  }
  void copy(void* to, const void* from, std::size_t bytes) {
    in_parts(bytes, [&](std::size_t begin, std::size_t end) {
      std::memcpy(static_cast<char*>(to) + begin, static_cast<const char*>(from) + begin, end - begin);
    });
  }
  void set(void* to, int byte, std::size_t bytes) {
    in_parts(bytes, [&](std::size_t begin, std::size_t end) {
      std::memset(static_cast<char*>(to) + begin, byte, end - begin);
    });
  }

  const std::vector<int> cores_;
  const int threads_;
  const ThreadSettings settings_of_caller_;
  std::size_t since_look_ = kBytesBetweenLooks;
  mutable std::optional<std::size_t> cache_bytes_;
  std::unique_ptr<PingPongPartner> partner_;
};

Buffer CpuBackend::allocate(std::size_t bytes, int slot) {
  since_look_ = bytes < kBytesBetweenLooks ? since_look_ + bytes : kBytesBetweenLooks;
  if (since_look_ >= kBytesBetweenLooks) {
    since_look_ = 0;
    // Refused here with both sizes: later, a touched page too many gets the process killed without a word.
    if (const std::size_t free = available_memory(); bytes > free)
      throw MeasureError("cannot allocate " + format_bytes(bytes) + " of host memory: " + format_bytes(free) +
                         " are free");
  }
  void* data = allocate_memory(bytes);
  if (data == nullptr) throw MeasureError("the system refused " + format_bytes(bytes) + " of host memory");
  Buffer out(this, slot, data, bytes);
  set(data, 0, bytes);  // first touch: pages land near the thread that will use them, and none faults while timed
  return out;
}

// No answer means that something else had one of the cores for longer than the probe waits: asked again, twice.
Placement CpuBackend::probe_placement(bool own_threads) {
  if (cores_.size() < 2) return Placement::none;
  std::optional<double> round_trip;
  for (int attempt = 0; attempt < 3 && !round_trip; ++attempt)
    round_trip = threads_ == 1 || own_threads ? ask_partner() : ask_team();
  return placement_of(round_trip);
}

/// For one of several ranks, and for kernels with threads of their own: the neighbour's core.
std::optional<double> CpuBackend::ask_partner() {
  if (!partner_) partner_ = std::make_unique<PingPongPartner>(cores_[1]);
  return partner_->ask();
}

/// The first and the last of the very threads that are measured: they are on their cores already, and a thread of our
/// own beside them would have to wait until OpenMP's stops spinning there.
std::optional<double> CpuBackend::ask_team() {
  PingPong line;
  std::optional<double> round_trip;
#pragma omp parallel num_threads(threads_)
  {
    const int thread = omp_get_thread_num(), last = std::min(omp_get_num_threads(), int(cores_.size())) - 1;
    if (last > 0 && thread == 0) round_trip = line.ask();
    if (last > 0 && thread == last) line.answer();
  }
  return round_trip;
}

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(int threads) { return std::make_unique<CpuBackend>(threads); }

std::unique_ptr<Backend> make_core_backend(int core) {
  const auto& cores = process_cores();
  if (core < 0 || core >= int(cores.size()))
    throw MeasureError("there is no core " + std::to_string(core) + ": this process has " +
                       std::to_string(cores.size()) + ", counted from 0");
  return std::make_unique<CpuBackend>(std::vector<int>{cores[std::size_t(core)]});
}

}  // namespace assay
