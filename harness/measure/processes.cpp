#include "harness/measure/processes.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>

#include "harness/backends/cores.h"
#include "harness/core/system_files.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

std::optional<std::int64_t> pid_of(const std::string& name) {
  std::int64_t pid = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
  return error == std::errc() && end == name.data() + name.size() ? std::optional(pid) : std::nullopt;
}

/// "17 (a name) S 1 ...": the name may hold blanks and parentheses.
std::optional<ProcessTimes> parse_stat(const std::string& text) {
  const auto open = text.find('('), close = text.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  ProcessTimes out;
  out.name = text.substr(open + 1, close - open - 1);
  std::istringstream rest(text.substr(close + 1));
  std::string state, skipped;
  double user = 0, system = 0;
  if (!(rest >> state >> out.parent)) return std::nullopt;
  for (int field = 5; field <= 13; ++field) rest >> skipped;  // as proc(5) counts them
  rest >> user >> system;
  for (int field = 16; field <= 21; ++field) rest >> skipped;
  if (!(rest >> out.started)) return std::nullopt;
  out.cpu_seconds = (user + system) / double(::sysconf(_SC_CLK_TCK));
  return out;
}

double grown(std::int64_t pid, const ProcessTable& before, const ProcessTable& after) {
  const auto now = after.find(pid);
  if (now == after.end()) return 0;
  const auto then = before.find(pid);
  const bool same = then != before.end() && then->second.started == now->second.started;
  return std::max(0.0, now->second.cpu_seconds - (same ? then->second.cpu_seconds : 0));
}

/// The first namespace of processes has this number in every kernel (PROC_PID_INIT_INO).
bool in_pid_namespace(const fs::path& proc) {
  constexpr ino_t kInitial = 0xEFFFFFFC;
  struct stat status {};
  return ::stat((proc / "self/ns/pid").c_str(), &status) == 0 && status.st_ino != kInitial;
}

}  // namespace

ProcessTable read_processes(const fs::path& proc) {
  ProcessTable out;
  std::error_code failed;
  for (fs::directory_iterator entry(proc, failed), end; !failed && entry != end; entry.increment(failed)) {
    const auto pid = pid_of(entry->path().filename().string());
    if (!pid) continue;
    if (auto times = parse_stat(small_file(entry->path() / "stat"))) out.emplace(*pid, std::move(*times));
  }
  return out;
}

std::set<std::int64_t> our_processes(const ProcessTable& table, std::int64_t self, bool launched) {
  std::set<std::int64_t> out = {self};
  const auto me = table.find(self);
  if (launched && me != table.end()) out.insert(me->second.parent);
  for (bool more = true; more;) {
    more = false;
    for (const auto& [pid, process] : table)
      if (out.contains(process.parent) && out.insert(pid).second) more = true;
  }
  return out;
}

double cpu_seconds_of(const std::set<std::int64_t>& pids, const ProcessTable& before, const ProcessTable& after) {
  double sum = 0;
  for (const auto pid : pids) sum += grown(pid, before, after);
  return sum;
}

std::vector<OtherProcess> busiest_others(const ProcessTable& before, const ProcessTable& after,
                                         const std::set<std::int64_t>& ours, double least_seconds, std::size_t most) {
  std::vector<OtherProcess> out;
  for (const auto& [pid, process] : after) {
    const double seconds = ours.contains(pid) ? 0 : grown(pid, before, after);
    if (seconds > 0 && seconds >= least_seconds) out.push_back({pid, process.name, seconds, std::nullopt});
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return *a.cpu_seconds > *b.cpu_seconds; });
  out.resize(std::min(out.size(), most));
  return out;
}

std::vector<OtherProcess> others_on_gpu(const std::vector<NvmlProcess>& processes, const fs::path& proc) {
  if (processes.empty()) return {};
  const LocalRank local = local_rank();
  const auto ours = our_processes(read_processes(proc), ::getpid(), local.size > 1);
  int perhaps_ours = in_pid_namespace(proc) ? local.size : 0;
  std::vector<OtherProcess> out;
  for (const auto& process : processes) {
    if (ours.contains(process.pid)) continue;
    const auto name = first_line(proc / std::to_string(process.pid) / "comm");
    if (!name && perhaps_ours-- > 0) continue;
    out.push_back({process.pid, name.value_or(""), std::nullopt, process.memory_bytes});
  }
  return out;
}

}  // namespace assay
