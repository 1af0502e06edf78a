#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <iterator>

#include "harness/core/error.h"
#include "harness/measure/sampler.h"
#include "harness/measure/telemetry_sampler.h"
#include "harness/record/provenance.h"
#include "harness/runner/runner.h"
#include "harness/runner/steps.h"

namespace assay {
namespace {

/// Every rank's failure, on every rank.  Empty where all went well.
std::string agree(Communicator& communicator, const std::string& failure) {
  if (communicator.size() == 1) return failure;
  const auto all = communicator.gather(failure);
  std::string out;
  for (std::size_t rank = 0; rank < all.size(); ++rank)
    if (!all[rank].empty()) out += fmt::format("{}rank {}: {}", out.empty() ? "" : "; ", rank, all[rank]);
  return out;
}

/// Two ranks' checks as one: elements add up, the worse one's worst element stays.
Check both(const Check& first, const Check& second) {
  Check out = second.error_over_allowed <= first.error_over_allowed ? first : second;
  out.elements = first.elements + second.elements;
  out.wrong = first.wrong + second.wrong;
  out.outside = first.outside.empty() ? second.outside : first.outside;
  out.digest = first.digest + "," + second.digest;
  return out;
}

/// All ranks' checks as one; what is wrong is named with its rank.
Check merge(Communicator& communicator, const Check& mine) {
  if (communicator.size() == 1) return mine;
  const auto all = communicator.gather(to_json(mine).dump());
  std::optional<Check> merged;
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    const std::string place = fmt::format("rank {}", rank);
    Check check = check_from_json(nlohmann::ordered_json::parse(all[rank]), "check", place);
    for (auto* text : {&check.where, &check.outside})
      if (!text->empty()) *text = place + ": " + *text;
    merged = merged ? both(*merged, check) : check;
  }
  return *merged;
}

Outcome outcome_of(const Measurement& measurement, const SamplingRule& rule) {
  if (measurement.stop == StopReason::timed_out)
    return {OutcomeKind::timed_out, fmt::format("a launch took longer than {} s", rule.timeout_seconds)};
  if (measurement.seconds.empty())
    return {OutcomeKind::failed, fmt::format("no sample was taken (sampling stopped by: {})", name(measurement.stop))};
  for (const double seconds : measurement.seconds)
    if (!(seconds > 0) || !std::isfinite(seconds))
      return {OutcomeKind::failed, fmt::format("the clock gave {} s for a launch", seconds)};
  return {OutcomeKind::ok, ""};
}

/// A case's steps in order; each leaves an outcome that is not ok where it fails, and ends the case.
class CaseRun {
 public:
  CaseRun(const PlannedCase& planned, const WorkloadKind& kind, Machine& machine, Communicator& communicator)
      : planned_(planned), kind_(kind), machine_(machine), communicator_(communicator) {
    record_.point = planned.point;
    record_.vendor = planned.vendor;
    record_.work = planned.work;
    record_.started_utc = utc_now();
    record_.outcome = {OutcomeKind::ok, ""};
  }

  /// Whether there is something to sample.
  bool prepare() {
    if (planned_.support.ok()) return make();
    record_.outcome = {OutcomeKind::skipped, planned_.support.reason};
    return false;
  }

  Backend& backend() const { return *backend_; }
  const Case& point() const { return planned_.point; }
  Sampled sampled() {
    return {[this](int set) {
              ++launches_[std::size_t(set)];
              workload_->launch(set);
            },
            workload_->sets(),
            workload_->probe_placement(),
            workload_->own_threads(),
            planned_.point.cache == Cache::hot,
            planned_.point.point_id(),
            planned_.point.id(),
            record_.work.bytes};
  }

  void watched(const std::vector<Telemetry>& telemetry) { record_.telemetry = telemetry; }

  /// What came of sampling, and whether its results are right.
  void judge(Sampling sampling, const SamplingRule& rule) {
    if (!keep(std::move(sampling), rule)) return;
    check();
    if (record_.check) find_details();
  }

  Record finish() {
    workload_.reset();
    return std::move(record_);
  }

 private:
  bool fail(const char* step, const std::string& why) {
    if (backend_) backend_->fault();  // noted now, it is this case's
    record_.outcome = {OutcomeKind::failed, fmt::format("{}: {}", step, why)};
    return false;
  }

  bool make() {
    communicator_.doing("preparing " + planned_.point.id(), machine_.device_name(planned_.point));
    bool unsupported = false;
    const std::string failure = agree(communicator_, failure_of([&] {
                                        backend_ = &machine_.backend_for(planned_.point);
                                        context_.emplace(WorkloadContext{*backend_, communicator_});
                                        try {
                                          workload_ = kind_.make(planned_.point, *context_);
                                        } catch (const Unsupported&) {
                                          unsupported = true;
                                          throw;
                                        }
                                        launches_.assign(std::size_t(std::max(1, workload_->sets())), 0);
                                        record_.work = workload_->work();
                                        record_.description = workload_->description();
                                      }));
    unsupported = !agree(communicator_, unsupported ? "unsupported" : "").empty();  // on any rank
    if (unsupported) record_.outcome = {OutcomeKind::skipped, failure};
    return failure.empty() || (!unsupported && fail("preparing failed", failure));
  }

  bool keep(Sampling sampling, const SamplingRule& rule) {
    // An error in one rank's launch has ended the sampling on all of them.
    const std::string failure = agree(communicator_, failure_of([&] {
                                        if (sampling.error) std::rethrow_exception(sampling.error);
                                      }));
    if (!failure.empty()) return fail("launching failed", failure);
    record_.measurement = std::move(sampling.measurement);
    record_.outcome = outcome_of(record_.measurement, rule);
    const std::string reason = agree(communicator_, record_.outcome.reason);
    if (!reason.empty() && record_.outcome.ok()) fail("measuring failed", reason);
    // Times that are no times are not kept: what is in a record can be summarised.
    if (record_.outcome.kind == OutcomeKind::failed) record_.measurement.seconds.clear();
    return reason.empty();
  }

  void check() {
    communicator_.doing("checking " + planned_.point.id());
    Check mine;
    const std::string failure = agree(communicator_, failure_of([&] {
                                        mine = workload_->check(launches_);
                                        // Nothing compared is nothing known: not a pass, and no computed number to call
                                        // wrong.
                                        if (mine.elements == 0) throw MeasureError("no element was compared");
                                      }));
    if (!failure.empty()) {
      fail("checking failed", failure);
      return;
    }
    record_.check = merge(communicator_, mine);
    if (!record_.check->ok()) record_.outcome = {OutcomeKind::wrong, record_.check->describe()};
  }

  /// What was measured and checked stands, whatever happens to this.
  void find_details() {
    communicator_.doing("asking for details of " + planned_.point.id());
    const std::string failure = agree(communicator_, failure_of([&] { record_.details = workload_->details(); }));
    if (!failure.empty()) record_.details = {{"details", {}, failure}};
    record_.losses = workload_->losses();
  }

  const PlannedCase& planned_;
  const WorkloadKind& kind_;
  Machine& machine_;
  Communicator& communicator_;
  Record record_;
  Backend* backend_ = nullptr;
  std::optional<WorkloadContext> context_;
  std::unique_ptr<Workload> workload_;
  std::vector<std::int64_t> launches_;
};

/// Those of `runs` whose kernels compute in threads of their own, or the others: never in turns with each other, since
/// OpenMP's threads spin for a while beside what comes after them.
std::vector<CaseRun*> with_own_threads(const std::vector<CaseRun*>& runs, bool own) {
  std::vector<CaseRun*> out;
  std::copy_if(runs.begin(), runs.end(), std::back_inserter(out),
               [&](CaseRun* one) { return one->sampled().own_threads == own; });
  return out;
}

/// Rank 0 looks, since its record is the one that is kept: at what its own node shows.
std::unique_ptr<TelemetrySampler> watch(Machine& machine, const Communicator& communicator, const Case& point,
                                        const SamplingRule& rule) {
  if (!communicator.is_root()) return nullptr;
  return std::make_unique<TelemetrySampler>(machine.telemetry_for(point), machine.cores_beside(point),
                                            rule.telemetry_seconds);
}

void sample_and_judge(const std::vector<CaseRun*>& runs, Machine& machine, Communicator& communicator,
                      const SamplingRule& rule, Mode mode, const std::atomic<bool>& interrupted) {
  if (runs.empty()) return;
  std::vector<Sampled> contestants;
  for (CaseRun* one : runs) contestants.push_back(one->sampled());
  const auto telemetry = watch(machine, communicator, runs.front()->point(), rule);
  auto sampled = sample_in_turns(contestants, runs.front()->backend(), communicator, rule, mode, interrupted);
  // What took turns shares its window, warm-up included: a clock that sank or a neighbour that came did so to all of
  // them, and no reading can be told apart by kernel when turns last a tenth of the period.
  if (telemetry)
    for (const auto seen = telemetry->finish(); CaseRun * one : runs) one->watched(seen);
  for (std::size_t i = 0; i < runs.size(); ++i) runs[i]->judge(std::move(sampled[i]), rule);
}

}  // namespace

std::vector<Record> run_cases(const std::vector<const PlannedCase*>& planned, const Catalog& catalog, Machine& machine,
                              Communicator& communicator, const SamplingRule& rule,
                              const std::atomic<bool>& interrupted) {
  std::deque<CaseRun> runs;  // stay where they are: what is sampled refers to them
  std::vector<CaseRun*> ready;
  for (const PlannedCase* one : planned)
    if (CaseRun& run = runs.emplace_back(*one, *find_workload(catalog, one->point.workload), machine, communicator);
        run.prepare())
      ready.push_back(&run);
  for (const bool own : {false, true})
    sample_and_judge(with_own_threads(ready, own), machine, communicator, rule, planned.front()->point.mode,
                     interrupted);
  std::vector<Record> records;
  for (CaseRun& one : runs) records.push_back(one.finish());
  return records;
}

Record run_case(const PlannedCase& planned, const Catalog& catalog, Machine& machine, Communicator& communicator,
                const SamplingRule& rule, const std::atomic<bool>& interrupted) {
  return run_cases({&planned}, catalog, machine, communicator, rule, interrupted).front();
}

}  // namespace assay
