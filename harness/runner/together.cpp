#include "harness/runner/together.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "harness/core/error.h"
#include "harness/measure/telemetry_sampler.h"
#include "harness/record/provenance.h"
#include "harness/runner/progress.h"
#include "harness/runner/resume.h"
#include "harness/runner/side_by_side.h"
#include "harness/runner/steps.h"
#include "harness/workloads/rotated_buffer.h"

namespace assay {
namespace {

/// One device with its copy of the case.  Made and checked by the thread that owns it all, launched by its own.
class Station {
 public:
  Station(const PlannedCase& planned, const Case& point, const WorkloadKind& kind, Machine& machine,
          Communicator& communicator)
      : communicator_(communicator) {
    alone_.point = together_.point = point;
    for (Record* one : {&alone_, &together_}) {
      one->vendor = planned.vendor;
      one->work = planned.work;
      one->started_utc = utc_now();
      one->outcome = {OutcomeKind::ok, ""};
    }
    try {
      if (!planned.support.ok()) throw Unsupported(planned.support.reason);
      make(kind, machine);
    } catch (const Unsupported& error) {
      end({OutcomeKind::skipped, error.what()});
    } catch (const std::exception& error) {
      end({OutcomeKind::failed, fmt::format("preparing failed: {}", error.what())});
    }
  }

  bool ready() const { return alone_.outcome.ok() && workload_ != nullptr; }
  const Case& point() const { return alone_.point; }

  /// What waits, until all that are measured at the same time have enough, launches on.
  struct Others {
    std::barrier<> start;
    std::atomic<int> enough{0};
    int count;
    explicit Others(int stations) : start(stations), count(stations) {}
  };
  void measure_alone(const SamplingRule& rule) { measure(alone_, rule, nullptr); }
  void measure_with(Others& others, const SamplingRule& rule) { measure(together_, rule, &others); }

  /// Of what was measured alone.  Outputs that each launch writes anew are poisoned again for what comes next, and
  /// launches are counted from there: what was launched before says nothing of a set that is not launched again.
  void check_alone() {
    if (!alone_.outcome.ok()) return;
    check(alone_);
    const auto outputs = workload_->outputs();
    if (outputs.empty()) return;
    for (const auto& output : outputs) output.buffer->fill(kNan);
    std::fill(launches_.begin(), launches_.end(), 0);
  }
  void check_together(int stations) {
    together_.point.together = stations;
    if (!alone_.outcome.ok()) {  // one that fails alone is not measured with others
      if (together_.outcome.ok())
        together_.outcome = {OutcomeKind::failed, fmt::format("alone: {}", alone_.outcome.reason)};
      return;
    }
    if (together_.outcome.ok()) check(together_);
  }
  const Record& alone() const { return alone_; }
  const Record& together() const { return together_; }
  void saw_alone(Telemetry seen) { saw(alone_, std::move(seen)); }
  void saw_together(Telemetry seen) { saw(together_, std::move(seen)); }

 private:
  static constexpr std::uint8_t kNan = 0xff;

  static void saw(Record& record, Telemetry seen) {
    seen.device = record.point.device_name();  // the readings of a core are its own, its load is the CPU's
    record.telemetry.push_back(std::move(seen));
  }

  void end(const Outcome& outcome) { alone_.outcome = together_.outcome = outcome; }

  void make(const WorkloadKind& kind, Machine& machine) {
    const Case& point = alone_.point;
    if (point.core >= 0) own_backend_ = make_core_backend(point.core);
    backend_ = own_backend_ ? own_backend_.get() : &machine.backend_for(point);
    context_.emplace(WorkloadContext{*backend_, communicator_});
    workload_ = kind.make(point, *context_);
    launches_.assign(std::size_t(std::max(1, workload_->sets())), 0);
    for (Record* one : {&alone_, &together_}) {
      one->work = workload_->work();
      one->description = workload_->description();
    }
  }

  Sampled sampled() {
    // Placement is between threads of one case: here each has one.
    return {[this](int set) {
              ++launches_[std::size_t(set)];
              workload_->launch(set);
            },
            workload_->sets(),
            false,
            workload_->own_threads(),
            alone_.point.cache == Cache::hot,
            alone_.point.point_id()};
  }

  void measure(Record& record, const SamplingRule& rule, Others* others) {
    const std::atomic<bool> never{false};
    const auto single = make_single_communicator();
    const Sampled launches = sampled();
    if (others) others->start.arrive_and_wait();
    const std::string why = failure_of([&] {
      backend_->settle();  // this thread is another than the one that made it
      record.measurement = sample(launches, *backend_, *single, rule, record.point.mode, never);
    });
    if (others) keep_busy(launches, *others, why.empty());
    if (!why.empty())
      record.outcome = {OutcomeKind::failed, fmt::format("launching failed: {}", why)};
    else if (record.measurement.stop == StopReason::timed_out)
      record.outcome = {OutcomeKind::timed_out, fmt::format("a launch took longer than {} s", rule.timeout_seconds)};
    else if (record.measurement.seconds.empty())
      record.outcome = {OutcomeKind::failed, "no sample was taken"};
  }

  void keep_busy(const Sampled& launches, Others& others, bool works) {
    ++others.enough;
    failure_of([&] {
      while (works && others.enough < others.count) {
        backend_->time([&] { launches.launch(0); });
        backend_->synchronize();
      }
    });
  }

  void check(Record& record) {
    Check found;
    const std::string why = failure_of([&] {
      found = workload_->check(launches_);
      if (found.elements == 0) throw MeasureError("no element was compared");
    });
    if (!why.empty()) {
      record.outcome = {OutcomeKind::failed, fmt::format("checking failed: {}", why)};
      return;
    }
    record.check = found;
    if (!found.ok()) record.outcome = {OutcomeKind::wrong, found.describe()};
  }

  Communicator& communicator_;
  std::unique_ptr<Backend> own_backend_;
  Backend* backend_ = nullptr;
  std::optional<WorkloadContext> context_;
  std::unique_ptr<Workload> workload_;
  std::vector<std::int64_t> launches_;
  Record alone_, together_;
};

/// The devices of one case: its GPUs, or the cores of the CPU.
using Group = std::vector<std::pair<const PlannedCase*, Case>>;

/// The same for one case on several devices.
std::string key_of(const Case& point) {
  Case anonymous = point;
  anonymous.device_index = 0;
  return anonymous.id();
}

std::vector<Group> groups_of(const std::vector<PlannedCase>& planned, int threads) {
  std::vector<Group> groups;
  std::vector<std::string> keys;
  for (const auto& one : planned) {
    const auto at = std::size_t(std::find(keys.begin(), keys.end(), key_of(one.point)) - keys.begin());
    if (at == keys.size()) {
      keys.push_back(key_of(one.point));
      groups.emplace_back();
    }
    Group& group = groups[at];
    Case point = one.point;
    if (point.device == Device::gpu) group.emplace_back(&one, point);
    for (point.core = 0; point.device == Device::cpu && point.core < threads; ++point.core)
      group.emplace_back(&one, point);
  }
  return groups;
}

/// What was seen of these stations' devices while `work` lasted, handed to `saw` of each; of several at once by one
/// thread, which costs the measured less than one for each.
void watch(const std::vector<Station*>& stations, Machine& machine, const SamplingRule& rule,
           const std::function<void()>& work, void (Station::*saw)(Telemetry)) {
  std::vector<std::unique_ptr<TelemetrySource>> sources;
  std::vector<Station*> of_source;
  for (Station* one : stations)
    for (auto& source : machine.telemetry_for(one->point())) {
      sources.push_back(std::move(source));
      of_source.push_back(one);
    }
  TelemetrySampler sampler(std::move(sources), machine.cores_beside(stations.front()->point()), rule.telemetry_seconds);
  work();
  auto seen = sampler.finish();
  for (std::size_t i = 0; i < seen.size(); ++i) (of_source[i]->*saw)(std::move(seen[i]));
}

std::vector<Record> measure_group(const Group& group, const Catalog& catalog, Machine& machine,
                                  Communicator& communicator, const SamplingRule& rule) {
  std::deque<Station> stations;  // stay where they are
  for (const auto& [planned, point] : group) {
    stations.emplace_back(*planned, point, *find_workload(catalog, point.workload), machine, communicator);
    communicator.goes_on();
  }
  for (Station& one : stations) {
    if (!one.ready()) continue;
    watch(
        {&one}, machine, rule, [&] { run_side_by_side({[&] { one.measure_alone(rule); }}); }, &Station::saw_alone);
    communicator.goes_on();
    one.check_alone();
    communicator.goes_on();
  }
  std::vector<Station*> fit;
  for (Station& one : stations)
    if (one.ready()) fit.push_back(&one);
  std::vector<Record> records;
  for (const Station& one : stations) records.push_back(one.alone());
  if (fit.size() > 1) {
    Station::Others others(int(fit.size()));
    std::vector<std::function<void()>> works;
    for (Station* one : fit) works.emplace_back([&others, &rule, one] { one->measure_with(others, rule); });
    watch(
        fit, machine, rule, [&] { run_side_by_side(works); }, &Station::saw_together);
    records.clear();
    for (Station& one : stations) {
      communicator.goes_on();
      one.check_together(int(fit.size()));
      records.push_back(one.alone());
      records.push_back(one.together());
    }
  }
  while (!stations.empty()) stations.pop_back();  // each gives the thread back as the one before it left it
  return records;
}

}  // namespace

Result together(const Suite& suite, const Catalog& catalog, const std::vector<PlannedCase>& planned, Machine& machine,
                Communicator& communicator, const RunOptions& options, Progress& progress,
                const std::atomic<bool>& interrupted) {
  if (communicator.size() > 1)
    throw InputError(
        fmt::format("suite '{}' drives all devices by itself: run it without an MPI launcher", suite.name));
  if (options.resume)
    throw InputError(
        fmt::format("suite '{}' cannot be continued by --resume: start it again with another --out", suite.name));
  Start start = begin_or_resume(suite, planned, options, machine, communicator);
  Result result = std::move(start.result);
  // Devices sample by themselves, for as long as the rule has time, before anything ends that a watchdog could see.
  communicator.set_deadline(std::max(suite.sampling.timeout_seconds, suite.sampling.wall_seconds));
  const auto groups = groups_of(planned, machine.threads());
  std::size_t devices = 0;
  for (const Group& group : groups) devices += 2 * group.size();
  progress.start(devices, suite.sampling.wall_seconds);
  result.complete = true;
  for (const Group& group : groups) {
    if (interrupted) {
      result.complete = false;
      break;
    }
    const std::string doing = fmt::format("{} on {} devices", group.front().second.id(), group.size());
    communicator.doing("measuring " + doing);
    progress.begin(doing);
    for (Record& one : measure_group(group, catalog, machine, communicator, suite.sampling)) {
      start.journal->finish(one);
      progress.finish(one);
      result.records.push_back(std::move(one));
    }
  }
  progress.done();
  save_result(result, options.out);
  start.journal->remove();
  return result;
}

}  // namespace assay
