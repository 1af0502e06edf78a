#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "harness/cli/cli.h"
#include "harness/cli/duration.h"
#include "harness/cli/end_on_signal.h"
#include "harness/cli/help.h"
#include "harness/cli/run_output.h"
#include "harness/cli/selection.h"
#include "harness/cli/terminal.h"
#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/runner/progress.h"
#include "harness/runner/search.h"
#include "harness/runner/selftest.h"
#include "harness/runner/soak.h"
#include "harness/runner/stragglers.h"
#include "harness/runner/together.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

struct Options {
  Selection selection;
  std::string out, soak_for, telemetry, format = "console";
  bool resume = false, quiet = false, anyway = false, json = false;
  double timeout_seconds = 0;  // 0: the suite's
};

fs::path default_path(const std::string& suite) {
  const std::string stem = fs::path(suite).stem().string();
  return dated_path(stem.empty() ? "run" : stem) += ".json";
}

ExitCode exit_code_of(const Result& result) {
  const auto count = [&](OutcomeKind kind) {
    return std::count_if(result.records.begin(), result.records.end(),
                         [&](const Record& record) { return record.outcome.kind == kind; });
  };
  if (count(OutcomeKind::wrong) > 0) return ExitCode::wrong_numbers;
  const auto& slow = result.stragglers;
  if (slow && slow->reason.empty() && !slow->found.empty()) return ExitCode::verdict_failed;
  if (slow && !slow->reason.empty()) return ExitCode::could_not_measure;
  const bool broken = count(OutcomeKind::failed) > 0 || count(OutcomeKind::timed_out) > 0;
  return broken || count(OutcomeKind::ok) == 0 || !result.complete ? ExitCode::could_not_measure : ExitCode::ok;
}

/// All that the ranks must agree on: with other cases they would wait for each other for ever, with other seeds they
/// would compute numbers that look wrong.
std::string what_this_rank_does(const Options& options, const Suite& suite) {
  std::string text = fmt::format("{} {} {} {}\n", options.out, options.resume, options.selection.threads,
                                 to_json(suite.sampling).dump());
  for (const auto& point : suite.cases) text += point.id() + "\n";
  return text;
}

/// What is wrong where a rank was started otherwise than rank 0; the same text on all ranks, empty where all are alike.
std::string unlike_ranks(Communicator& communicator, const std::string& mine) {
  const auto all = communicator.gather(mine);
  const auto other = std::find_if(all.begin(), all.end(), [&](const std::string& one) { return one != all.front(); });
  if (other == all.end()) return {};
  return fmt::format(
      "rank {} would measure other cases than rank 0, or with other options: start every rank with the "
      "same arguments, on machines of the same kind",
      other - all.begin());
}

void set_duration(Suite& suite, const std::string& text) {
  const double seconds = parse_duration(text, "--for");
  if (!suite.soak)
    throw InputError(
        fmt::format("--for {}: suite '{}' is no soak, whose length it would be; its cases are measured "
                    "until their sampling rule is satisfied",
                    text, suite.name));
  suite.soak->seconds = seconds;
}

/// The cases, or what is wrong with them on any rank: the same problem on all.
struct Selected {
  Suite suite;
  std::string problem;
  ExitCode code = ExitCode::ok;
};

Selected select_together(const Options& options, const Catalog& workloads, Machine& machine,
                         Communicator& communicator) {
  machine.share_gpus(communicator);
  Selected mine;
  try {
    mine.suite = select_cases(options.selection, workloads, DevicesPresent{machine.gpus()});
    if (options.timeout_seconds > 0) {
      mine.suite.sampling.timeout_seconds = options.timeout_seconds;
      if (mine.suite.search) mine.suite.search->sampling.timeout_seconds = options.timeout_seconds;
    }
    if (!options.telemetry.empty()) {
      mine.suite.sampling.telemetry_seconds = parse_period(options.telemetry, "--telemetry");
      if (mine.suite.search) mine.suite.search->sampling.telemetry_seconds = mine.suite.sampling.telemetry_seconds;
    }
    if (!options.soak_for.empty()) set_duration(mine.suite, options.soak_for);
    if (mine.suite.cases.empty())
      throw MeasureError(fmt::format("suite '{}' has no case to measure here{}", mine.suite.name,
                                     mine.suite.notes.empty() ? "" : ": " + mine.suite.notes.front()));
    machine.expect_gpus_for(mine.suite);
  } catch (const Error& error) {
    mine.problem = error.what();
    mine.code = error.code;
  }
  const auto problems = communicator.gather(mine.problem);
  const auto first = std::find_if(problems.begin(), problems.end(), [](const auto& text) { return !text.empty(); });
  if (first != problems.end()) {
    mine.problem = (first == problems.begin() ? "" : fmt::format("rank {}: ", first - problems.begin())) + *first;
    mine.code = ExitCode(int(communicator.maximum(int(mine.code))));
    return mine;
  }
  mine.problem = unlike_ranks(communicator, what_this_rank_does(options, mine.suite));
  mine.code = ExitCode::bad_input;
  return mine;
}

/// What every round of a run has in common.
struct Measuring {
  const Catalog& workloads;
  Machine& machine;
  Communicator& communicator;
  RunOptions options;
  bool quiet = false;
  std::string format = "console";
};

Result measure_round(const Suite& suite, Measuring& with) {
  with.communicator.doing("planning");
  const auto planned = plan(suite, with.workloads, with.machine, with.communicator);
  Progress progress(stderr, with.quiet || !with.communicator.is_root());
  const auto measure = suite.soak ? soak : suite.selftest ? selftest : suite.together ? together : run;
  return measure(suite, with.workloads, planned, with.machine, with.communicator, with.options, progress,
                 EndOnSignal::signalled);
}

/// What a search's second round is, empty where its first was interrupted; and what the first has to say for itself: a
/// kernel that was wrong in it is wrong, finalist or not.
struct Narrowed {
  std::optional<Suite> suite;
  ExitCode code = ExitCode::ok;
};

Narrowed narrow_down(const Suite& suite, Measuring& with) {
  if (with.communicator.size() > 1)
    throw InputError(fmt::format("suite '{}' is a search: run it without an MPI launcher", suite.name));
  const fs::path run_out = with.options.out;
  if (std::error_code ignored; !with.options.resume && fs::exists(run_out, ignored))  // before minutes are spent on it
    throw InputError(run_out.string() + ": is there already and is never overwritten; choose another --out");
  with.options.out = first_round_path(run_out);
  const Suite round = first_round(suite);
  const Result first = measure_round(round, with);
  const ExitCode code = exit_code_of(first);
  if (code == ExitCode::ok && with.format != kJson)
    print(fmt::format("first round: {} cases, {}\n\n", first.records.size(), with.options.out.string()));
  else
    publish(first, round, with.options.out, run_out, with.format == kJson ? kJson : "console");
  with.options.out = run_out;
  return {first.complete ? std::optional(second_round(suite, first)) : std::nullopt, code};
}

int measure(const Options& options, const std::vector<std::string>& arguments, const Suite& suite,
            const Catalog& workloads, Machine& machine, Communicator& communicator) {
  Measuring with{workloads,
                 machine,
                 communicator,
                 {options.out.empty() ? default_path(options.selection.suite) : fs::path(options.out),
                  options.resume,
                  {"assay"},
                  options.anyway},
                 options.quiet,
                 options.format};
  with.options.command.insert(with.options.command.end(), arguments.begin(), arguments.end());
  if (communicator.is_root()) make_folder_of(with.options.out);
  communicator.set_deadline(suite.sampling.timeout_seconds);
  const Narrowed last = suite.search ? narrow_down(suite, with) : Narrowed{suite, ExitCode::ok};
  if (!last.suite) return int(last.code);
  if (suite.stragglers) with.options.stragglers = search_stragglers(suite, workloads, machine, communicator);
  const Result result = measure_round(suite.stragglers ? without_probes(suite) : *last.suite, with);
  if (communicator.is_root()) {
    publish(result, suite, with.options.out, with.options.out, options.format);
    for (const auto& note : suite.notes)
      if (options.format != kJson) print((options.format == kNcclTests ? "# left out: " : "left out: ") + note + "\n");
  }
  // Rank 0 holds what an earlier run finished, too.
  const ExitCode code = exit_code_of(result);
  const bool first_round_counts = last.code == ExitCode::wrong_numbers || code == ExitCode::ok;
  return int(communicator.broadcast(double(int(first_round_counts && last.code != ExitCode::ok ? last.code : code))));
}

void add_flags(CLI::App& verb, Options& options) {
  add_selection(verb, options.selection);
  verb.add_option("--out", options.out, "result file; default: out/SUITE-DATE-TIME.json in the current folder")
      ->type_name("FILE")
      ->check(not_empty());
  verb.add_option("--for", options.soak_for, "how long a soak lasts: 90s, 30m, 2h; default: what its suite says")
      ->type_name("TIME")
      ->check(not_empty("a time, as in 30m"));
  verb.add_flag("--resume", options.resume, "continue an interrupted run of the same --out");
  verb.add_option("--timeout", options.timeout_seconds,
                  "that one launch may last, and that a rank may keep the others waiting before it counts as lost; "
                  "a run in which nothing ends for ten times as long is ended; default: the suite's, 120")
      ->type_name("SECONDS")
      ->check(between(0.5, 1e6));
  verb.add_option("--telemetry", options.telemetry,
                  "how often clocks, power, temperature and load are looked at while a case is sampled: 100ms (the "
                  "default), 1s, or off: then nothing explains a slow case, and the result says so")
      ->type_name("PERIOD")
      ->check(not_empty("a period, as in 100ms, or off"));
  verb.add_flag("--anyway", options.anyway,
                "measure although `assay devices` finds the machine unfit; the result says so");
  verb.add_flag("--quiet", options.quiet, "no progress on stderr; what was measured is printed");
  auto* format =
      verb.add_option("--format", options.format,
                      "of what is printed: console, json, or nccl-tests: collectives as that program prints them")
          ->type_name("FORMAT")
          ->check(CLI::IsMember({"console", kJson, kNcclTests}))
          ->capture_default_str();
  verb.add_flag("--json", options.json, "--format json: the rows as `assay table --format json` prints them")
      ->excludes(format);
  verb.footer("Example:\n  assay run gemm --set dtype=bf16 --filter '*/m=4096/*' --out gemm.json\n" +
              shipped_names("Suites", "suites") + "; `assay list SUITE` shows the cases of one");
}

}  // namespace

void add_run(CLI::App& app, const Catalog& workloads, int& exit_code, const std::vector<std::string>& arguments) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("run", "measures a suite, checks every number it computed, and saves the result");
  add_flags(*verb, *options);
  verb->callback([options, &workloads, &exit_code, &arguments] {
    if (options->json) options->format = kJson;
    if (options->resume && options->out.empty())
      throw InputError("--resume needs --out FILE: the result of the run to continue");
    // From here on: a launcher that loses a rank sends SIGTERM to the others, who still have to say whom they lost.
    const EndOnSignal end_on_signal;
    Machine machine(options->selection.threads);
    auto communicator = make_communicator(options->timeout_seconds > 0 ? options->timeout_seconds : kDefaultDeadline,
                                          EndOnSignal::signalled);
    communicator->doing("choosing cases");
    const Selected selected = select_together(*options, workloads, machine, *communicator);
    if (!selected.problem.empty()) {
      communicator.reset();  // in order, not by unwinding, which would abort: all ranks come here together
      throw Error(selected.code, selected.problem);
    }
    exit_code = run_together(
        *communicator, [&] { return measure(*options, arguments, selected.suite, workloads, machine, *communicator); });
  });
}

}  // namespace assay
