#include "harness/cli/alternate.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <system_error>

#include "harness/core/error.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPlace = "{out}";

/// A word of the shell, whatever the path holds.
std::string quoted(const std::string& path) {
  std::string out = "'";
  for (const char c : path) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string with_path(std::string command, const fs::path& out) {
  for (std::size_t at = 0; (at = command.find(kPlace, at)) != std::string::npos;) {
    const std::string path = quoted(out.string());
    command.replace(at, kPlace.size(), path);
    at += path.size();
  }
  return command;
}

/// How the shell ended, in words; empty where it ended by itself.
std::string interruption(int status) {
  if (status == -1) return "could not be started";
  if (WIFSIGNALED(status)) return fmt::format("ended by signal {}", WTERMSIG(status));
  // The shell reports a signal that ended its command as 128 and its number.
  const int code = WEXITSTATUS(status);
  return code == 128 + SIGINT || code == 128 + SIGTERM ? fmt::format("ended by signal {}", code - 128) : std::string();
}

Result run_once(const std::string& command, const fs::path& out, const std::string& what) {
  // What the command prints on stdout is not the comparison: it goes to stderr, beside its progress.
  const int status = std::system(("{ " + with_path(command, out) + "\n} 1>&2").c_str());
  if (const auto how = interruption(status); !how.empty()) throw MeasureError(fmt::format("{}: {}", what, how));
  // 3 and 4 leave a result as well: of wrong numbers, or of cases that could not be measured.
  std::error_code ignored;
  if (!fs::exists(out, ignored))
    throw MeasureError(fmt::format("{}: exit code {} and no result in {}", what, WEXITSTATUS(status), out.string()));
  return load_result(out);
}

}  // namespace

ComparedRuns run_alternately(const AlternateRuns& asked) {
  for (const auto* command : {&asked.base, &asked.next})
    if (command->find(kPlace) == std::string::npos)
      throw InputError(
          fmt::format("--ab '{}': expected {} where the result's path goes, as in "
                      "'assay run quick --out {}'",
                      *command, kPlace, kPlace));
  if (asked.rounds < 2 || asked.rounds % 2 != 0)
    throw InputError(
        fmt::format("--rounds {}: expected an even number, so that each command goes first as often", asked.rounds));
  std::error_code failed;
  fs::create_directories(asked.folder, failed);
  if (failed) throw InputError(fmt::format("{}: cannot be created: {}", asked.folder.string(), failed.message()));
  if (!fs::is_empty(asked.folder, failed) || failed)
    throw InputError(fmt::format("{}: is not empty, expected a folder for the results of these rounds alone",
                                 asked.folder.string()));
  ComparedRuns runs;
  runs.paired = true;
  for (int round = 0; round < asked.rounds; ++round)
    for (const bool first : {true, false}) {
      const bool is_new = first == (round % 2 != 0);  // A B, B A
      const auto out = fs::absolute(asked.folder) / fmt::format("round-{:02}-{}.json", round + 1, is_new ? "b" : "a");
      const std::string what = fmt::format("round {} of {}, command {}", round + 1, asked.rounds, is_new ? 'B' : 'A');
      std::fputs(fmt::format("assay: {}\n", what).c_str(), stderr);
      (is_new ? runs.next : runs.base).push_back({out.string(), run_once(is_new ? asked.next : asked.base, out, what)});
    }
  return runs;
}

}  // namespace assay
