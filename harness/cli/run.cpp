#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <csignal>
#include <memory>

#include "harness/cli/cli.h"
#include "harness/cli/selection.h"
#include "harness/cli/terminal.h"
#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/publish/table.h"
#include "harness/record/provenance.h"
#include "harness/runner/progress.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// A signal handler reaches nothing but what has static storage; lock-free, as it must be.
std::atomic<bool> signalled{false};
static_assert(std::atomic<bool>::is_always_lock_free);

/// While it lives, the first SIGINT or SIGTERM asks the run to end after the case at hand; a second one kills.
class EndOnSignal {
 public:
  EndOnSignal() {
    signalled = false;
    struct sigaction action {};
    action.sa_handler = [](int) { signalled = true; };
    action.sa_flags = int(SA_RESETHAND) | SA_RESTART;
    ::sigaction(SIGINT, &action, &interrupt_);
    ::sigaction(SIGTERM, &action, &terminate_);
  }
  ~EndOnSignal() {
    ::sigaction(SIGINT, &interrupt_, nullptr);
    ::sigaction(SIGTERM, &terminate_, nullptr);
  }
  EndOnSignal(const EndOnSignal&) = delete;
  EndOnSignal& operator=(const EndOnSignal&) = delete;

 private:
  struct sigaction interrupt_ {
  }, terminate_{};
};

struct Options {
  Selection selection;
  std::string out;
  bool resume = false, quiet = false;
};

/// out/quick-20260131-123456.json in the current folder.
fs::path default_path(const std::string& suite) {
  std::string stamp = utc_now();
  std::erase_if(stamp, [](char c) { return c == '-' || c == ':' || c == 'Z'; });
  std::replace(stamp.begin(), stamp.end(), 'T', '-');
  std::string stem = fs::path(suite).stem().string();
  return fs::path("out") / ((stem.empty() ? "run" : stem) + "-" + stamp + ".json");
}

void make_folder_of(const fs::path& path) {
  if (!path.has_parent_path()) return;
  std::error_code failed;
  fs::create_directories(path.parent_path(), failed);
  if (failed) throw InputError(fmt::format("{}: cannot be created: {}", path.parent_path().string(), failed.message()));
}

ExitCode exit_code_of(const Result& result) {
  const auto count = [&](OutcomeKind kind) {
    return std::count_if(result.records.begin(), result.records.end(),
                         [&](const Record& record) { return record.outcome.kind == kind; });
  };
  if (count(OutcomeKind::wrong) > 0) return ExitCode::wrong_numbers;
  const bool broken = count(OutcomeKind::failed) > 0 || count(OutcomeKind::timed_out) > 0;
  return broken || count(OutcomeKind::ok) == 0 || !result.complete ? ExitCode::could_not_measure : ExitCode::ok;
}

void publish(const Result& result, const fs::path& out) {
  const auto rows = table_rows({result});
  fs::path markdown = out, google = out;
  markdown += ".md";
  google.replace_extension(".gbench.json");
  write_file_atomically(markdown, to_markdown(rows));
  write_file_atomically(google, to_google_benchmark(result));
  print(to_console(rows, terminal_columns()));
  print(fmt::format("\nresult: {}\ntable: {}\nfor Google Benchmark's compare.py: {}\n", out.string(), markdown.string(),
                    google.string()));
  if (!result.complete)
    print(
        fmt::format("interrupted: {} cases are there; the rest: assay run with the same arguments, --out {} --resume\n",
                    result.records.size(), out.string()));
}

int measure(const Options& options, const std::vector<std::string>& arguments, const Suite& suite,
            const Catalog& workloads, Machine& machine, Communicator& communicator) {
  RunOptions run_options{
      options.out.empty() ? default_path(options.selection.suite) : fs::path(options.out), options.resume, {"assay"}};
  run_options.command.insert(run_options.command.end(), arguments.begin(), arguments.end());
  if (communicator.is_root()) make_folder_of(run_options.out);
  const auto planned = plan(suite, workloads, machine, communicator);
  Progress progress(stderr, options.quiet || !communicator.is_root());
  const EndOnSignal end_on_signal;
  const Result result = run(suite, workloads, planned, machine, communicator, run_options, progress, signalled);
  if (communicator.is_root()) publish(result, run_options.out);
  // Rank 0 holds what an earlier run finished, too.
  return int(communicator.broadcast(double(int(exit_code_of(result)))));
}

}  // namespace

void add_run(CLI::App& app, const Catalog& workloads, int& exit_code, const std::vector<std::string>& arguments) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("run", "measures a suite, checks every number it computed, and saves the result");
  add_selection(*verb, options->selection);
  verb->add_option("--out", options->out, "result file; default: out/SUITE-DATE-TIME.json in the current folder");
  verb->add_flag("--resume", options->resume, "continue an interrupted run of the same --out");
  verb->add_flag("--quiet", options->quiet, "no progress on stderr");
  verb->callback([options, &workloads, &exit_code, &arguments] {
    if (options->resume && options->out.empty())
      throw InputError("--resume needs --out FILE: the result of the run to continue");
    Machine machine(options->selection.threads);
    const Suite suite = select_cases(options->selection, workloads, machine);
    const auto communicator = make_communicator();
    exit_code = run_together(*communicator,
                             [&] { return measure(*options, arguments, suite, workloads, machine, *communicator); });
  });
}

}  // namespace assay
