// What ranks on one host share: how they meet in a segment, how far each has come, how they wait for each other, and
// how far apart their cores are.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "kernels/collectives/collectives.h"
#include "kernels/collectives/shared_memory.h"

namespace assay {

inline constexpr int kMaxShmRanks = 64;

/// An algorithm's counters, one per rank and phase, only ever grow: what a rank waits for is a number.
enum class Phase : std::uint8_t { first, second, third };

/// Two cache lines: the hardware prefetcher fetches lines in pairs, which would make neighbours share.
struct alignas(128) ShmCounter {
  std::atomic<std::uint64_t> value;
};

struct ShmRank {
  ShmCounter finished[3];                         // by Phase
  ShmCounter ping, pong;                          // of the distance between this rank and its partner
  alignas(128) std::atomic<std::int32_t> far;     // 1 where they were far apart when last measured
  alignas(128) std::atomic<std::int32_t> choice;  // what this rank tells the others; an algorithm's own
};

/// At the start of the shared segment.  Zeroed pages are its valid initial state.
struct ShmControl {
  std::atomic<std::int32_t> mapped;    // ranks that have the segment mapped
  std::atomic<std::int32_t> unlinked;  // 1 once its name is gone
  std::atomic<std::int32_t> missing;   // 0, or 1 + the rank that did not arrive: everybody gives up
  ShmRank ranks[kMaxShmRanks];
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<std::int32_t>::is_always_lock_free,
              "processes share them");

/// A segment of `bytes`, the control block at its start.  Collective: where there are several processes, they meet
/// under `peers.shared_name`, which is gone when this returns.  std::runtime_error where not all come within `seconds`.
SharedMemory meet(const CollectivePeers& peers, std::size_t bytes, double seconds);

/// Why ranks cannot share memory, or yes.
Support can_share_memory(const CollectivePeers&);

/// One rank's view of the group.
class ShmMember {
 public:
  ShmMember(ShmControl* control, int rank, int ranks, double deadline_seconds);

  int rank() const { return rank_; }
  int ranks() const { return ranks_; }
  std::uint64_t finished(Phase phase) const { return mine_[int(phase)]; }

  /// One more of that phase is done: what this rank wrote before is there for whoever sees the count.
  void finish(Phase phase) {
    control_->ranks[rank_].finished[int(phase)].value.store(++mine_[int(phase)], std::memory_order_release);
  }
  /// Until `rank` has finished `least` of that phase.  std::runtime_error naming the rank furthest behind after the
  /// deadline; the group is then unusable for all.
  void wait_for(Phase phase, int rank, std::uint64_t least);
  void wait_for_all(Phase phase, std::uint64_t least);

  /// `done()` until it is true, with the same deadline.
  template <class Done>
  void wait_until(const Done& done, int rank) {
    for (int spin = 0; spin < spins_; ++spin) {
      if (done()) return;
      if (spin > kSpinsAtOnce) pause();
    }
    wait_slowly([](const void* d) { return (*static_cast<const Done*>(d))(); }, &done, rank);
  }

  /// Measures how far this rank and its partner (rank ^ 1) are apart; both call it.  Hypervisors move cores while
  /// a program runs, so that it has to be asked again and again: a few hundred nanoseconds.
  void measure_distance();
  /// Whether any two partners were far apart when they last measured.
  bool far() const;
  /// Tells the others a number, before finish(); they see it once they have seen that count.
  void tell(std::int32_t choice) { control_->ranks[rank_].choice.store(choice, std::memory_order_relaxed); }
  std::int32_t told_by(int rank) const { return control_->ranks[rank].choice.load(std::memory_order_relaxed); }
  /// Whether each rank has a core of its own: without, distances mean nothing.
  bool own_cores() const { return own_cores_; }

 private:
  static constexpr int kSpinsAtOnce = 64;  // looks before the first pause, which takes as long as a near cache line
  static void pause();
  void wait_slowly(bool (*done)(const void*), const void* state, int rank);
  [[noreturn]] void give_up(int missing, int waited_for) const;
  std::uint64_t progress_of(int rank) const;

  ShmControl* control_;
  int rank_, ranks_;
  double deadline_seconds_;
  bool own_cores_;
  int spins_;  // looks before the processor is offered to others
  std::uint64_t mine_[3] = {};
  std::uint64_t pings_ = 0;
};

}  // namespace assay
