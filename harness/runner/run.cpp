// The run as a whole: Google Benchmark drives the cases, the journal outlives us, all ranks do the same.
//
// Each case is one registered benchmark of one iteration with manual time; our sampler runs inside it, for all that
// are sampled in turns inside the first one's.  Google
// Benchmark's own search for an iteration count re-enters a function four times with growing counts and cannot be ended
// early, which fits neither a GPU nor several ranks.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <map>
#include <set>
#include <sstream>

#include "harness/backends/backend.h"
#include "harness/core/error.h"
#include "harness/record/journal.h"
#include "harness/record/provenance.h"
#include "harness/runner/progress.h"
#include "harness/runner/resume.h"
#include "harness/runner/runner.h"
#include "harness/runner/save_on_loss.h"
#include "harness/runner/turns.h"

namespace assay {
namespace {

/// Google Benchmark prints nothing: its times are one number per case, ours are in the result.  Not calling the base
/// also drops the banner about the library's build, which the provenance records instead.
class SilentReporter final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>&) override {}
};

/// Google Benchmark takes options from the environment (BENCHMARK_*), which must not change what a run does.
void fix_google_benchmark_options() {
  static char program[] = "assay";  // static: the library keeps the pointer, for the context it may print
  std::vector<std::string> words = {"--benchmark_filter=",
                                    "--benchmark_list_tests=false",
                                    "--benchmark_repetitions=1",
                                    "--benchmark_out=",
                                    "--benchmark_enable_random_interleaving=false",
                                    "--benchmark_perf_counters="};
  std::vector<char*> arguments = {program};
  for (auto& word : words) arguments.push_back(word.data());
  int count = int(arguments.size());
  arguments.push_back(nullptr);
  benchmark::Initialize(&count, arguments.data());
}

/// The executable's benchmarks live in a registry of the process: it is ours for the length of a run.
class Registry {
 public:
  Registry() { benchmark::ClearRegisteredBenchmarks(); }
  ~Registry() { benchmark::ClearRegisteredBenchmarks(); }
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  template <class Step>
  void add(const std::string& id, Step step) {
    benchmark::RegisterBenchmark(id.c_str(), std::move(step))->Iterations(1)->Repetitions(1)->UseManualTime();
  }
  void run_all() {
    SilentReporter reporter;
    std::ostringstream nowhere;
    reporter.SetOutputStream(&nowhere);
    reporter.SetErrorStream(&nowhere);
    benchmark::RunSpecifiedBenchmarks(&reporter, ".");
  }
};

class Run {
 public:
  Run(const Catalog& catalog, Machine& machine, Communicator& communicator, Progress& progress,
      const std::atomic<bool>& interrupted)
      : catalog_(catalog),
        machine_(machine),
        communicator_(communicator),
        progress_(progress),
        interrupted_(interrupted) {}

  Result run(const Suite& suite, const std::vector<PlannedCase>& planned, const RunOptions& options) {
    Start start = begin_or_resume(suite, planned, options, machine_, communicator_);
    result_ = std::move(start.result);
    journal_ = std::move(start.journal);
    const SaveOnLoss save_on_loss(communicator_, options.out, [this](const std::string& why) { keep_endless(why); });
    progress_.start(
        std::size_t(std::count_if(start.todo.begin(), start.todo.end(), [](const Todo& t) { return !t.done; })),
        result_.sampling.wall_seconds);
    groups_ = arrange_turns(planned, start.todo, machine_, communicator_);
    fix_google_benchmark_options();
    Registry registry;
    for (const auto& group : groups_)
      for (const std::size_t i : group)
        registry.add(planned[i].point.id(), [this, &planned, &todo = start.todo, &group, i](benchmark::State& state) {
          step(state, planned, todo, group, i);
        });
    if (!groups_.empty()) registry.run_all();
    if (failure_) std::rethrow_exception(failure_);
    progress_.done();
    return finish(planned, options);
  }

 private:
  /// One registered benchmark: the first of a group measures all of it.  Nothing may be thrown through Google
  /// Benchmark's frames.
  void step(benchmark::State& state, const std::vector<PlannedCase>& planned, const std::vector<Todo>& todo,
            const std::vector<std::size_t>& group, std::size_t index) {
    if (failure_) return state.SkipWithError("the run has ended");
    try {
      if (index == group.front() && !interrupted()) measure(planned, todo, group);
      const auto found = seconds_.find(index);
      if (found == seconds_.end()) return state.SkipWithError("no time");
      for ([[maybe_unused]] auto iteration : state) state.SetIterationTime(found->second);
    } catch (...) {
      failure_ = std::current_exception();
      state.SkipWithError("failed");
    }
  }

  /// Every rank ends before the same group, whichever saw the signal, or lost its GPU.
  bool interrupted() {
    stopped_ = stopped_ || communicator_.maximum(interrupted_ || !fault_.empty() ? 1 : 0) > 0;
    return stopped_;
  }

  /// What ended the device is in the record of the case that did it.  The others of its group that found no device any
  /// more are left for a --resume, in another process, as all later cases are.
  static bool came_after_fault(const Record& record) {
    return record.outcome.kind == OutcomeKind::failed && record.outcome.reason.find(kAfterFault) != std::string::npos;
  }

  void measure(const std::vector<PlannedCase>& planned, const std::vector<Todo>& todo,
               const std::vector<std::size_t>& group) {
    std::vector<Record> records;
    if (todo[group.front()].interrupted_alone >= kMostAttempts)
      records = {given_up(planned[group.front()], todo[group.front()])};
    else
      records = run_group(planned, group);
    fault_ = machine_.fault();
    for (std::size_t i = 0; i < group.size(); ++i) {
      Record& record = records[i];
      if (came_after_fault(record)) continue;
      record.interrupted_attempts = todo[group[i]].interrupted_attempts;
      if (const auto derived = rates(record)) seconds_[group[i]] = derived->seconds.median;
      if (journal_) journal_->finish(record);
      progress_.finish(record);
      result_.records.push_back(std::move(record));
    }
  }

  std::vector<Record> run_group(const std::vector<PlannedCase>& planned, const std::vector<std::size_t>& group) {
    std::vector<const PlannedCase*> cases;
    std::vector<std::string> ids;
    for (const std::size_t i : group) {
      cases.push_back(&planned[i]);
      ids.push_back(planned[i].point.id());
    }
    at_hand_ = cases;
    progress_.begin(group.size() == 1 ? ids.front()
                                      : fmt::format("{} and {} more in turns", ids.front(), ids.size() - 1));
    if (journal_) journal_->begin(ids);
    // A signal ends the run after the group at hand, so the group itself does not see it.
    const std::atomic<bool> never{false};
    return run_cases(cases, catalog_, machine_, communicator_, result_.sampling, never);
  }

  /// A case that twice took the process with it would do so for ever.  Times when others took turns with it do not
  /// count: it may have been any of them.
  static Record given_up(const PlannedCase& planned, const Todo& todo) {
    Record record = unmeasured(
        planned,
        {OutcomeKind::failed, "interrupted twice: a crash or a kill ended the run while this case alone was measured"});
    record.interrupted_attempts = todo.interrupted_attempts;
    return record;
  }

  static Record unmeasured(const PlannedCase& planned, Outcome outcome) {
    Record record;
    record.point = planned.point;
    record.vendor = planned.vendor;
    record.work = planned.work;
    record.started_utc = utc_now();
    record.outcome = std::move(outcome);
    return record;
  }

  /// A case that does not end takes the process with it; it is finished all the same, or a --resume would meet it
  /// again.  Called on another thread, while this one is stuck in that case.
  void keep_endless(const std::string& why) {
    if (communicator_.size() > 1 || !journal_) return;  // of several ranks it may be any one's
    for (const PlannedCase* one : at_hand_)
      if (why.ends_with(fmt::format(" {}", one->point.id())))
        journal_->finish(unmeasured(*one, {OutcomeKind::timed_out, why}));
  }

  Result finish(const std::vector<PlannedCase>& planned, const RunOptions& options) {
    std::map<std::string, std::size_t> order;
    for (const auto& one : planned) order.emplace(one.point.id(), order.size());
    std::stable_sort(result_.records.begin(), result_.records.end(),
                     [&](const Record& a, const Record& b) { return order[a.point.id()] < order[b.point.id()]; });
    result_.stragglers = options.stragglers;
    result_.complete = result_.records.size() == planned.size();
    if (!fault_.empty() && !result_.complete) result_.provenance["run"]["ended_early"] = kAfterFault + fault_;
    communicator_.doing("saving the result");
    if (journal_) {
      save_result(result_, options.out);
      result_.seal = Seal::intact;
      if (result_.complete) journal_->remove();
    }
    return std::move(result_);
  }

  static constexpr int kMostAttempts = 2;

  const Catalog& catalog_;
  Machine& machine_;
  Communicator& communicator_;
  Progress& progress_;
  const std::atomic<bool>& interrupted_;
  Result result_;
  std::vector<std::vector<std::size_t>> groups_;  // of planned cases: measured in turns
  std::vector<const PlannedCase*> at_hand_;       // that are measured now
  std::map<std::size_t, double> seconds_;         // of planned cases that have a time
  std::optional<Journal> journal_;                // rank 0's
  std::exception_ptr failure_;
  std::string fault_;  // of a GPU: this process can measure nothing on it any more
  bool stopped_ = false;
};

}  // namespace

Result run(const Suite& suite, const Catalog& catalog, const std::vector<PlannedCase>& planned, Machine& machine,
           Communicator& communicator, const RunOptions& options, Progress& progress,
           const std::atomic<bool>& interrupted) {
  return Run(catalog, machine, communicator, progress, interrupted).run(suite, planned, options);
}

}  // namespace assay
