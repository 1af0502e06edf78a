// Where a rank is in the order of operations: what it tells the others' watchdogs, and what they say of it when it is
// lost.
#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>

namespace assay {

enum class OperationKind { none, barrier, maximum, broadcast, gather, launch, finish, exchange };
const char* name(OperationKind);

struct RankIdentity {
  int rank = 0;
  std::string host;
  int pid = 0;
  std::string pid_space;  // where `pid` means something: the same text, the same numbers
};
/// Of this process.
RankIdentity identify(int rank);

struct RankStatus {
  std::int64_t operation = 0;  // number of the last one begun, counted from 1
  OperationKind kind = OperationKind::none;
  double bytes = 0;
  bool inside = false;  // it has not left it yet
  double seconds = 0;   // since it began it, or since it left it
  std::string doing;    // "sampling all_reduce/..."
  std::string device;   // "cpu", "gpu0"; empty before the first case
};

nlohmann::ordered_json to_json(const RankIdentity&);
nlohmann::ordered_json to_json(const RankStatus&);
/// nlohmann's exceptions where it is none.
RankIdentity identity_from_json(const nlohmann::ordered_json&);
RankStatus status_from_json(const nlohmann::ordered_json&);

/// "rank 1 (node7, pid 4711, cpu)"
std::string describe(const RankIdentity&, const RankStatus&);
/// "operation 812, launch of 4096 bytes, for 3.2 s, while sampling X"
std::string describe(const RankStatus&);

/// What the measuring thread writes and the watchdog reads.  A write is a lock that nobody holds, some tens of
/// nanoseconds: the watchdog takes it a few times a second.
class StatusBoard {
 public:
  void begin(OperationKind, double bytes);
  void end();
  /// The barrier's end and the launch's beginning are one store: ranks that are to be timed together must not be taken
  /// apart by a lock.
  void begin_barrier_before_launch(double bytes);
  void launch() { launching_.store(true, std::memory_order_release); }
  void end_launch();
  void doing(const std::string& what, const std::string& device);
  /// RankStatus::seconds are counted anew.
  void goes_on();
  RankStatus read() const;
  /// The measuring thread stops for ever where it next says something, and nobody can read().
  void hold() { mutex_.lock(); }
  /// Depends on every operation begun so far and on their order.
  std::uint64_t digest() const;

 private:
  void count(OperationKind, double bytes);  // its number and its part of the digest
  void enter_launch();

  mutable std::mutex mutex_;
  std::atomic<bool> launching_{false};
  double launch_bytes_ = 0;
  mutable std::int64_t seen_launch_ = 0;  // the barrier before the launch that read() has seen, and when:
  mutable double seen_since_ = 0;         // nobody read a clock at its beginning
  RankStatus status_;
  double since_ = 0;
  std::uint64_t digest_ = 0xcbf29ce484222325;  // FNV-1a's start
};

/// Of a clock that no one sets.
double monotonic_seconds();

}  // namespace assay
