#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "harness/core/error.h"
#include "harness/measure/sampler.h"
#include "harness/record/provenance.h"
#include "harness/runner/runner.h"

namespace assay {
namespace {

/// What a step threw, as text; empty where it went well.  A case's fault ends in its record, never in the run.
template <class Step>
std::string failure_of(Step&& step) {
  try {
    step();
    return {};
  } catch (const std::exception& error) {
    return *error.what() ? error.what() : "an error without a message";
  } catch (...) {
    return "an error of an unknown kind";
  }
}

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

  Record run(const SamplingRule& rule, const std::atomic<bool>& interrupted) {
    if (!planned_.support.ok())
      record_.outcome = {OutcomeKind::skipped, planned_.support.reason};
    else if (prepare() && measure(rule, interrupted))
      check();
    return std::move(record_);
  }

 private:
  bool fail(const char* step, const std::string& why) {
    record_.outcome = {OutcomeKind::failed, fmt::format("{}: {}", step, why)};
    return false;
  }

  bool prepare() {
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

  bool measure(const SamplingRule& rule, const std::atomic<bool>& interrupted) {
    const Sampled sampled{[this](int set) {
                            ++launches_[std::size_t(set)];
                            workload_->launch(set);
                          },
                          workload_->sets(), workload_->probe_placement(), workload_->own_threads()};
    // An error in one rank's launch leaves the sampler on all of them.
    const std::string failure =
        agree(communicator_, failure_of([&] {
                record_.measurement = sample(sampled, *backend_, communicator_, rule, planned_.point.mode, interrupted);
              }));
    if (!failure.empty()) {
      record_.measurement = {};
      return fail("launching failed", failure);
    }
    record_.outcome = outcome_of(record_.measurement, rule);
    const std::string reason = agree(communicator_, record_.outcome.reason);
    if (!reason.empty() && record_.outcome.ok()) fail("measuring failed", reason);
    // Times that are no times are not kept: what is in a record can be summarised.
    if (record_.outcome.kind == OutcomeKind::failed) record_.measurement.seconds.clear();
    return reason.empty();
  }

  void check() {
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

}  // namespace

Record run_case(const PlannedCase& planned, const WorkloadKind& kind, Machine& machine, Communicator& communicator,
                const SamplingRule& rule, const std::atomic<bool>& interrupted) {
  return CaseRun(planned, kind, machine, communicator).run(rule, interrupted);
}

}  // namespace assay
