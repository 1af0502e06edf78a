// Which cores this process uses, and threads on them.
#pragma once
#include <optional>
#include <vector>

namespace assay {

/// This process among those an MPI launcher started on this machine.
struct LocalRank {
  int rank = 0, size = 1;
};
LocalRank local_rank();

/// The cores of this process when it first asked, in the order its threads take them: first its own share, then the
/// rest. Ranks that their launcher bound to cores have those; unbound ranks start at different places of the shared
/// list.
const std::vector<int>& process_cores();
/// `cores` as rank `local` of a launcher that bound nothing takes them.
std::vector<int> cores_in_rank_order(std::vector<int> cores, LocalRank local);
/// How many of `cores` are the rank's own share, a quota of processors respected; at least 1.
int share_of(int cores, LocalRank local, std::optional<double> quota);

/// Pins the calling thread to a core and makes it flush denormals to zero, once: later calls with the same core cost a
/// comparison.  False where the core does not exist or is not allowed.
bool settle_on(int core);

/// Lets the calling thread, and no other, run on any of these cores.  False where none is allowed.
bool run_on(const std::vector<int>& cores);
/// Cores of this process beside the first `threads`, on which it computes; all of them where none is left or other
/// local ranks share them.
std::vector<int> spare_cores(int threads);
/// For a thread beside the first `threads`: what they leave of the process's own share, all of the share where they
/// leave nothing.
std::vector<int> cores_beside(int threads);

/// Undoes settle_on for the thread that made it.
class ThreadSettings {
 public:
  ThreadSettings();
  ~ThreadSettings();
  ThreadSettings(const ThreadSettings&) = delete;
  ThreadSettings& operator=(const ThreadSettings&) = delete;

 private:
  std::vector<int> cores_;
  unsigned long control_ = 0;  // floating-point control register
};

}  // namespace assay
