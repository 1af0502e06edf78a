// Notices that a rank is lost, names it, and ends the others.
//
// MPI's calls block for ever when a peer is lost, and so do launches.  So each process has a thread beside the one that
// measures, and these threads talk to each other over TCP, not MPI: every rank's to rank 0's.  What each rank is doing
// (rank_status.h) goes there in heartbeats, deadline / 10 apart (at most 1 s, at least 50 ms); rank 0's answer says
// that it lives, and who else does.  A thread wakes once a heartbeat, for some microseconds, and when a connection
// ends, which is how the death of a process is known at once; it never polls.
//
// Where a rank is lost (find_loss.h):
//   rank 0 saves what is finished (set_save), names the culprit on stderr, tells the others to end, and ends with exit
//   code 4.  It does so in the watchdog's thread: the measuring one may be stuck anywhere.  What has not ended a second
//   later (a stopped process has not) is killed (kill_later.h), where it is on a host whose processes this one can see;
//   elsewhere the launcher ends it. Rank 0 is lost: the lowest of the others says so, and all end with exit code 4. Its
//   journal is on disk.  A rank 0 that was only stopped, and wakes, reads that it was given up, and accuses nobody.
// A process alone has such a thread too (make_lone_watchdog): one that hangs in a launch, a check or anything else
// says where, saves what is finished and ends with exit code 4 after kIdleDeadlines (find_loss.h) times the deadline.
// A process that was stopped together with all others (Ctrl-Z, a virtual machine that was suspended) accuses nobody:
// time in which this thread itself did not run is not counted.
#pragma once
#include <poll.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "harness/communicators/find_loss.h"
#include "harness/communicators/line_socket.h"
#include "harness/communicators/rank_status.h"

namespace assay {

class Watchdog {
 public:
  /// Saves what is finished and says where, in lines; `why` is for the result.
  using Save = std::function<std::string(const std::string& why)>;

  Watchdog(RankIdentity, double deadline);
  virtual ~Watchdog() = default;
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  StatusBoard& board() { return board_; }
  /// Seconds that one operation may last, and a rank be silent.
  void set_deadline(double seconds);
  /// Rank 0's; called once at most.  An empty one takes it back, and waits for one that is at work.
  void set_save(Save);
  /// Called by the measuring thread: ends every process with `code`.  Returns when the others have been told.
  virtual void end_all(int code) = 0;
  /// The same for a loss that the measuring threads of all ranks have seen: it is said once.
  [[noreturn]] virtual void give_up(const Loss&) = 0;

 protected:
  double deadline() const { return deadline_; }
  double period() const;
  /// Starts and ends the thread: the last and the first thing that a derived class's constructor and destructor do.
  void start();
  void stop();
  /// What the thread does when `awaited()` says that something happened, and once a period.
  virtual void step(double now, bool slept_too_long) = 0;
  /// What is to be noticed at once.
  virtual std::vector<pollfd> awaited() const = 0;
  /// That a connection ends.  Not that something can be read: what a rank says can wait for the period's end.
  static pollfd end_of(const LineSocket&);
  void wake();
  std::string save(const std::string& why);
  static void say(const std::string& lines);  // to stderr, past the buffers of a thread that may be stuck in them
  const RankIdentity& self() const { return self_; }

 private:
  void loop();
  const RankIdentity self_;
  StatusBoard board_;
  std::atomic<double> deadline_;
  std::mutex save_mutex_;
  Save save_;
  FileDescriptor wake_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

/// Rank 0's.  `token` is known to the group alone: whoever else connects is sent away.
std::unique_ptr<Watchdog> make_hub_watchdog(int ranks, Listener, const std::string& token, double deadline);
/// Another rank's, connected to rank 0's.
std::unique_ptr<Watchdog> make_member_watchdog(int rank, LineSocket, const std::string& token, double deadline);
/// That of a process that measures alone.
std::unique_ptr<Watchdog> make_lone_watchdog(double deadline);

}  // namespace assay
