// A deadline on the start of MPI, when the ranks cannot yet talk to each other.
#pragma once
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "harness/communicators/communicator.h"

namespace assay {

/// Made before MPI starts and destroyed when the ranks watch each other.  Should that take longer than `deadline`, or
/// should `interrupted` become true (a launcher that lost a rank sends SIGTERM to the others), one line says so and the
/// process ends with exit code 4.  The line names the ranks of the job that are stopped, late or missing, as far as
/// they should be on this host: found among its processes by the launcher's marks in their environments.
class StartWatch {
 public:
  StartWatch(LauncherMark, double deadline, const std::atomic<bool>& interrupted);
  ~StartWatch();
  StartWatch(const StartWatch&) = delete;
  StartWatch& operator=(const StartWatch&) = delete;

 private:
  void watch();
  const LauncherMark mark_;
  const double deadline_;
  const std::atomic<bool>& interrupted_;
  std::mutex mutex_;
  std::condition_variable started_;
  bool done_ = false;
  std::thread thread_;
};

/// "rank 1 (pid 4711) is stopped; rank 2 (pid 4712) has not come to start MPI; rank 3 does not run on this host": empty
/// where all are there and start it.
std::string missing_ranks(const LauncherMark&);

}  // namespace assay
