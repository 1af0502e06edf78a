// The processes of one measurement.  Alone, every call is the identity.
#pragma once
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace assay {

/// All calls that communicate are collective: every rank makes the same ones in the same order.  A rank that leaves the
/// order (an exception on it alone) would leave the others waiting for ever: see run_together().
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual void barrier() = 0;
  /// The largest of all ranks' values, on every rank.
  virtual double maximum(double) = 0;
  /// Rank 0's value, on every rank.
  virtual double broadcast(double) = 0;
  virtual std::string broadcast(const std::string&) = 0;
  /// Every rank's text in rank order, on every rank.
  virtual std::vector<std::string> gather(const std::string&) = 0;
  /// Sends `bytes` to rank `to` and receives as many from rank `from`, at once; a negative rank is nobody.  Every rank
  /// calls it, also one that does neither.
  virtual void exchange(const void* out, int to, void* in, int from, std::size_t bytes);
  /// A name shared by the group's processes and by no other group on this host.
  virtual std::string group_name() const = 0;
  /// Whether all ranks are on one host, and so can share memory.
  virtual bool one_host() const { return true; }
  /// The library that carries it ("Open MPI v4.1.4"); empty for one process alone.
  virtual std::string description() const { return {}; }
  /// What started the ranks, and how that was seen ("Open MPI (OMPI_COMM_WORLD_SIZE)"); empty for one process alone.
  virtual std::string launcher() const { return {}; }

  // What follows tells a watchdog (watchdog.h), and does nothing without one.

  /// What this rank does from now on, and on which device: for the report, should it be lost.
  virtual void doing(const std::string& /*what*/, const std::string& /*device*/ = {}) {}
  /// A barrier and, from when it ends until end_launch(), launches: an operation as the others are, of a size that
  /// ranks agree on.  Nothing but the barrier lies before the launch, which may be timed from here.
  virtual void barrier_before_launch(double /*bytes*/) { barrier(); }
  virtual void end_launch() {}
  /// A part of a long piece of work without any operation is done (a training step of a check): it does not hang.
  virtual void goes_on() {}
  /// Seconds that an operation may last before a rank counts as lost.
  virtual void set_deadline(double /*seconds*/) {}
  /// Rank 0's: saves what is finished when a rank is lost, or a process alone hangs, of which `why` then ends with what
  /// it was doing; and says where.  It is called on another thread, while this one may be stuck anywhere.  An empty one
  /// takes it back.
  using Save = std::function<std::string(const std::string& why)>;
  virtual void set_save(Save) {}

  /// Ends every process of the group at once, with this exit code, whatever they are waiting for.
  [[noreturn]] void abort(int exit_code);

  bool is_root() const { return rank() == 0; }

 protected:
  /// What abort() does first; this process itself ends either way.
  virtual void end_others(int /*exit_code*/) {}
};

inline constexpr double kDefaultDeadline = 120;  // seconds

std::unique_ptr<Communicator> make_single_communicator();

/// MPI where an MPI launcher started this process as one of several, else alone.  MeasureError where a launcher's marks
/// are there and MPI is not usable: N processes that do not know of each other must not measure.
/// At most one at a time.  Destroying it finalises MPI; while an exception unwinds the stack it aborts the group
/// instead, since the other ranks would wait for this one.
/// The ranks are watched from the start, and a process alone: `deadline` is set_deadline()'s until that is called.
/// `interrupted`: set when the process is asked to end; looked at while MPI starts.
std::unique_ptr<Communicator> make_communicator(double deadline, const std::atomic<bool>& interrupted);

/// How a launcher marks what it starts.
struct LauncherMark {
  std::string source;    // "Open MPI"; empty: no launcher
  std::string variable;  // the one that told
  int processes = 1;     // 0: it does not say
  int rank = -1;         // -1: it does not say
  std::string job;       // "PMIX_NAMESPACE=3735": what all processes of the job have in common, and no others here
  std::string rank_variable;
};
LauncherMark find_launcher(const std::function<const char*(const char*)>& environment);

/// `body`, and what a verb does with a communicator: an exception that leaves it on one rank of several is printed
/// ("assay: rank 2: ...") and ends all of them through abort(), with the error's exit code.  On one rank alone it is
/// passed on.  Returns what `body` returns.
int run_together(Communicator&, const std::function<int()>& body);

}  // namespace assay
