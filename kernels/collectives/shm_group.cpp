#include "kernels/collectives/shm_group.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;

// A cache line's round trip within one cache domain takes some 110 ns, between two some 500 ns (Zen 4, measured); the
// hypervisor may move cores from the one to the other at any time.
constexpr auto kFarRoundTrip = std::chrono::nanoseconds(240);
constexpr int kPings = 3;  // the first waits for the partner to arrive

// With a core for every rank the wait is shorter than a switch; without, whoever is waited for needs this core.
constexpr int kSpinsOnOwnCore = 2000, kSpinsOnSharedCore = 64;

void wait_for_value(const std::atomic<std::int32_t>& value, std::int32_t least, Clock::time_point deadline, int ranks) {
  while (value.load(std::memory_order_acquire) < least) {
    if (Clock::now() > deadline)
      throw std::runtime_error("shared memory: only " + std::to_string(value.load()) + " of " + std::to_string(ranks) +
                               " ranks have mapped the segment in time");
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

// The creator's hold on the name: it goes as soon as everybody has the mapping, so that nothing outlives a killed run.
class SegmentName {
 public:
  explicit SegmentName(std::string name) : name_(std::move(name)) {}
  SegmentName(const SegmentName&) = delete;
  SegmentName& operator=(const SegmentName&) = delete;
  ~SegmentName() { SharedMemory::unlink(name_); }

 private:
  std::string name_;
};

ShmControl* control_of(const SharedMemory& memory) { return reinterpret_cast<ShmControl*>(memory.data()); }

}  // namespace

SharedMemory meet(const CollectivePeers& peers, std::size_t bytes, double seconds) {
  if (peers.single_process()) return SharedMemory::anonymous(bytes);
  const auto deadline =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  if (peers.first_local == 0) {
    SharedMemory memory = SharedMemory::create(peers.shared_name, bytes);
    {
      const SegmentName name(peers.shared_name);
      control_of(memory)->mapped.fetch_add(peers.local, std::memory_order_acq_rel);
      wait_for_value(control_of(memory)->mapped, peers.ranks, deadline, peers.ranks);
    }
    control_of(memory)->unlinked.store(1, std::memory_order_release);
    return memory;
  }
  SharedMemory memory = SharedMemory::open(peers.shared_name, bytes, deadline);
  control_of(memory)->mapped.fetch_add(peers.local, std::memory_order_acq_rel);
  // Not before the name is gone: the next operation of this group uses it again.
  wait_for_value(control_of(memory)->unlinked, 1, deadline, peers.ranks);
  return memory;
}

Support can_share_memory(const CollectivePeers& peers) {
  if (peers.ranks > kMaxShmRanks) return Support::no("takes at most " + std::to_string(kMaxShmRanks) + " ranks");
  if (!peers.one_host) return Support::no("shared memory does not reach across hosts: start all ranks on one");
  if (!peers.single_process() && peers.shared_name.empty())
    return Support::no("the processes share no name to meet under");
  return Support::yes();
}

ShmMember::ShmMember(ShmControl* control, int rank, int ranks, double deadline_seconds)
    : control_(control),
      rank_(rank),
      ranks_(ranks),
      deadline_seconds_(deadline_seconds),
      own_cores_(unsigned(ranks) <= std::thread::hardware_concurrency()),
      spins_(own_cores_ ? kSpinsOnOwnCore : kSpinsOnSharedCore) {}

void ShmMember::pause() { hwy::Pause(); }

void ShmMember::wait_for(Phase phase, int rank, std::uint64_t least) {
  const std::atomic<std::uint64_t>& value = control_->ranks[rank].finished[int(phase)].value;
  wait_until([&] { return value.load(std::memory_order_acquire) >= least; }, rank);
}

void ShmMember::wait_for_all(Phase phase, std::uint64_t least) {
  for (int i = 1; i < ranks_; ++i) wait_for(phase, (rank_ + i) % ranks_, least);
}

std::uint64_t ShmMember::progress_of(int rank) const {
  std::uint64_t sum = 0;
  for (const ShmCounter& counter : control_->ranks[rank].finished) sum += counter.value.load(std::memory_order_relaxed);
  return sum;
}

void ShmMember::wait_slowly(bool (*done)(const void*), const void* state, int rank) {
  const auto deadline = Clock::now() + std::chrono::duration<double>(deadline_seconds_);
  while (!done(state)) {
    if (const std::int32_t missing = control_->missing.load(std::memory_order_acquire)) give_up(missing - 1, rank);
    if (Clock::now() > deadline) {
      // Whoever we wait for may itself be waiting: the one to name is furthest behind.
      int behind = rank;
      for (int r = 0; r < ranks_; ++r)
        if (r != rank_ && progress_of(r) < progress_of(behind)) behind = r;
      std::int32_t none = 0;
      control_->missing.compare_exchange_strong(none, behind + 1, std::memory_order_acq_rel);
      give_up(none ? none - 1 : behind, rank);
    }
    std::this_thread::yield();
  }
}

void ShmMember::give_up(int missing, int waited_for) const {
  throw std::runtime_error("rank " + std::to_string(missing) + " of " + std::to_string(ranks_) +
                           " did not arrive in time (rank " + std::to_string(rank_) + " waited for rank " +
                           std::to_string(waited_for) + ")");
}

void ShmMember::measure_distance() {
  const int even = rank_ & ~1, partner = rank_ ^ 1;
  if (!own_cores_ || partner >= ranks_) return;
  ShmRank& pair = control_->ranks[even];
  if (rank_ != even) {
    for (int i = 0; i < kPings; ++i) {
      ++pings_;
      wait_until([&] { return pair.ping.value.load(std::memory_order_acquire) >= pings_; }, partner);
      pair.pong.value.store(pings_, std::memory_order_release);
    }
    return;
  }
  auto shortest = Clock::duration::max();
  for (int i = 0; i < kPings; ++i) {
    const auto start = Clock::now();
    pair.ping.value.store(++pings_, std::memory_order_release);
    wait_until([&] { return pair.pong.value.load(std::memory_order_acquire) >= pings_; }, partner);
    shortest = std::min(shortest, Clock::now() - start);
  }
  pair.far.store(shortest > kFarRoundTrip, std::memory_order_relaxed);
}

bool ShmMember::far() const {
  for (int even = 0; even < ranks_; even += 2)
    if (control_->ranks[even].far.load(std::memory_order_relaxed)) return true;
  return false;
}

}  // namespace assay
