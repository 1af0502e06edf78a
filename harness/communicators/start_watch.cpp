#include "harness/communicators/start_watch.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "harness/communicators/rank_status.h"
#include "harness/core/error.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

void end_with(const std::string& line) {
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
  std::_Exit(int(ExitCode::could_not_measure));
}

std::string read_all(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The value of a variable in /proc/PID/environ's text; empty where it is not there.
std::string variable_in(const std::string& environment, const std::string& variable) {
  const std::string start = variable + "=";
  for (std::size_t from = 0; from < environment.size(); from = environment.find('\0', from) + 1) {
    if (environment.compare(from, start.size(), start) == 0)
      return environment.substr(from + start.size(), environment.find('\0', from) - from - start.size());
    if (environment.find('\0', from) == std::string::npos) break;
  }
  return {};
}

struct Found {
  int pid;
  bool stopped;
  bool has_mpi;  // it has loaded this program's MPI module
};

/// Processes of this program in the same job, by rank.
std::map<int, Found> ranks_here(const LauncherMark& mark) {
  std::map<int, Found> out;
  const std::size_t equals = mark.job.find('=');
  if (equals == std::string::npos) return out;
  std::error_code failed;
  const fs::path program = fs::read_symlink("/proc/self/exe", failed);
  std::error_code ended;  // an exception of this thread's would end the process without a word
  for (fs::directory_iterator entry("/proc", ended), end; !ended && entry != end; entry.increment(ended)) {
    const fs::path folder = entry->path();
    const int pid = std::atoi(folder.filename().c_str());
    if (pid <= 0 || fs::read_symlink(folder / "exe", failed) != program || failed) continue;
    const std::string environment = read_all(folder / "environ");
    if (variable_in(environment, mark.job.substr(0, equals)) != mark.job.substr(equals + 1)) continue;
    const std::string rank = variable_in(environment, mark.rank_variable), stat = read_all(folder / "stat");
    // "pid (name) STATE": the name may hold anything but ends with the last bracket.
    const std::size_t state = stat.rfind(')');
    if (!rank.empty() && state != std::string::npos && state + 2 < stat.size())
      out[std::atoi(rank.c_str())] = {pid, stat[state + 2] == 'T' || stat[state + 2] == 't',
                                      read_all(folder / "maps").find("libassay_mpi") != std::string::npos};
  }
  return out;
}

}  // namespace

std::string missing_ranks(const LauncherMark& mark) {
  const auto here = ranks_here(mark);
  std::string out;
  for (int rank = 0; !here.empty() && rank < mark.processes; ++rank) {
    const auto found = here.find(rank);
    if (found != here.end() && !found->second.stopped && found->second.has_mpi) continue;
    out += out.empty() ? "" : "; ";
    out += found == here.end() ? fmt::format("rank {} does not run on this host", rank)
                               : fmt::format("rank {} (pid {}) {}", rank, found->second.pid,
                                             found->second.stopped ? "is stopped" : "has not come to start MPI");
  }
  return out;
}

StartWatch::StartWatch(LauncherMark mark, double deadline, const std::atomic<bool>& interrupted)
    : mark_(std::move(mark)), deadline_(deadline), interrupted_(interrupted) {
  thread_ = std::thread([this] { watch(); });
}

StartWatch::~StartWatch() {
  {
    const std::scoped_lock lock(mutex_);
    done_ = true;
  }
  started_.notify_all();
  thread_.join();
}

void StartWatch::watch() {
  const double from = monotonic_seconds();
  std::unique_lock lock(mutex_);
  // In slices, since a signal handler cannot notify.
  while (monotonic_seconds() - from < deadline_ && !interrupted_)
    if (started_.wait_for(lock, std::chrono::milliseconds(50), [this] { return done_; })) return;
  if (done_) return;  // told to end before this thread had its first turn, and MPI has started meanwhile
  const std::string missing = missing_ranks(mark_);
  const RankIdentity self = identify(mark_.rank);
  end_with(fmt::format("assay: rank {} ({}, pid {}): {}, while MPI started for {} processes of {}: {}\n", self.rank,
                       self.host, self.pid, interrupted_ ? "told to end" : fmt::format("waited {} s", deadline_),
                       mark_.processes, mark_.source,
                       missing.empty() ? "every rank that should be on this host is in it" : missing));
}

}  // namespace assay
