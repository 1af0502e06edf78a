// How far apart two cores are right now.  A hypervisor moves virtual cores about: between two of them a cache line
// takes about 110 ns there and back where they share a cache, about 500 ns where they do not, nothing in the guest
// shows it, and bandwidth changes two- to sixfold with it.
#pragma once
#include <atomic>
#include <cstdint>
#include <optional>
#include <thread>

#include "harness/core/placement.h"

namespace assay {

/// One cache line that two threads write in turns.
class PingPong {
 public:
  /// Seconds of a round trip: the fastest of a few short runs, 10 to 50 microseconds together.  Nothing where the other
  /// side did not answer within a millisecond.
  std::optional<double> ask();
  /// The other side: returns when ask() has finished.
  void answer();
  /// Before each use but the first, while nobody else is at it.
  void reset() { line_.turn = 0; }

 private:
  struct alignas(128) Line {  // two lines: processors fetch neighbours
    std::atomic<std::uint32_t> turn{0};
  };
  Line line_;
};

Placement placement_of(std::optional<double> round_trip_seconds);

/// A thread on another core that answers, for measurements whose own threads are on one core.  It sleeps in between.
class PingPongPartner {
 public:
  explicit PingPongPartner(int core);
  ~PingPongPartner();
  std::optional<double> ask();

 private:
  void serve(int core);
  PingPong line_;
  std::atomic<std::uint32_t> asked_{0}, answered_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace assay
