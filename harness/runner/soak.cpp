#include "harness/runner/soak.h"

#include <fmt/format.h>

#include <algorithm>
#include <barrier>
#include <deque>
#include <mutex>

#include "harness/core/error.h"
#include "harness/measure/telemetry_sampler.h"
#include "harness/runner/progress.h"
#include "harness/runner/resume.h"
#include "harness/runner/side_by_side.h"
#include "harness/runner/soak_case.h"

namespace assay {
namespace {

constexpr double kSaveEverySeconds = 60;

/// The cases of one device.
struct Lane {
  Backend* backend = nullptr;
  std::vector<SoakCase*> cases;
  std::vector<std::unique_ptr<TelemetrySource>> sources;
  std::vector<int> cores_beside;     // for the thread that looks at them
  std::vector<Telemetry> telemetry;  // of the whole soak, once it is over
};

class SoakRun {
 public:
  SoakRun(const Suite& suite, const RunOptions& options, Communicator& communicator, Progress& progress,
          const std::atomic<bool>& interrupted)
      : suite_(suite), options_(options), communicator_(communicator), progress_(progress), interrupted_(interrupted) {}

  Result run(const Catalog& catalog, const std::vector<PlannedCase>& planned, Machine& machine) {
    Start start = begin_or_resume(suite_, planned, options_, machine, communicator_);
    result_ = std::move(start.result);
    communicator_.doing("soaking");
    make_lanes(catalog, planned, machine);
    std::barrier ready(std::ptrdiff_t(lanes_.size()), [this]() noexcept { began_ = saved_ = steady_seconds(); });
    std::vector<std::function<void()>> works;
    for (Lane& lane : lanes_) works.emplace_back([&] { drive(lane, ready); });
    progress_.start(0, 0);
    run_side_by_side(works);
    progress_.done();
    compare_devices();
    const double lasted = elapsed();
    result_.complete = !cut_short_;
    collect(lasted);
    save_result(result_, options_.out);
    start.journal->remove();  // what it could resume is over
    return std::move(result_);
  }

 private:
  /// Cases that cannot run are in a lane, too, which leaves them their outcome.
  void make_lanes(const Catalog& catalog, const std::vector<PlannedCase>& planned, Machine& machine) {
    for (const auto& one : planned) {
      Case at = one.point;
      try {
        machine.backend_for(at);
      } catch (const MeasureError&) {  // the plan has the reason
        at = Case{};
      }
      Backend* const backend = &machine.backend_for(at);
      auto lane = std::find_if(lanes_.begin(), lanes_.end(), [&](const Lane& l) { return l.backend == backend; });
      // The CPU's is the last and so the caller's, whose thread it has pinned.
      if (lane == lanes_.end())
        lane = lanes_.insert(backend->target().device == Device::cpu ? lanes_.end() : lanes_.begin(),
                             Lane{backend, {}, machine.telemetry_for(at), machine.cores_beside(at), {}});
      lane->cases.push_back(&cases_.emplace_back(one, *find_workload(catalog, one.point.workload), *backend,
                                                 communicator_, suite_, guard_));
    }
  }

  template <class Barrier>
  void drive(Lane& lane, Barrier& ready) {
    for (SoakCase* one : lane.cases) {
      const std::lock_guard one_at_a_time(preparing_);  // a check takes all cores
      if (interrupted_)
        cut_short_ = true;
      else
        one->begin();
      communicator_.goes_on();
    }
    ready.arrive_and_wait();  // all devices are hot for the same time
    TelemetrySampler telemetry(std::move(lane.sources), lane.cores_beside, suite_.sampling.telemetry_seconds);
    const auto alive = [](const SoakCase* one) { return one->alive(); };
    for (bool first = true; std::any_of(lane.cases.begin(), lane.cases.end(), alive) && (first || !over());
         first = false)
      for (SoakCase* one : lane.cases) {
        if (!one->alive() || (!first && over())) continue;
        one->repeat([this] { return elapsed(); });
        look_up();
      }
    // Asked here: telemetry that is slow to end does not make up for what a signal left out.
    if (std::any_of(lane.cases.begin(), lane.cases.end(), alive) && elapsed() < suite_.soak->seconds) cut_short_ = true;
    auto seen = telemetry.finish();
    const std::lock_guard lock(guard_);  // another device's look_up() may be reading it
    lane.telemetry = std::move(seen);
  }

  double elapsed() const { return steady_seconds() - began_; }
  bool over() const { return interrupted_ || stop_ || elapsed() >= suite_.soak->seconds; }

  /// After every repetition of whichever device: progress, and what there is so far on the disk.
  void look_up() {
    communicator_.goes_on();
    const std::lock_guard lock(guard_);
    ++repetitions_;
    const double now = elapsed();
    progress_.at(now, suite_.soak->seconds, fmt::format("{} repetitions", repetitions_));
    if (steady_seconds() - saved_ < kSaveEverySeconds) return;
    try {
      collect(now);
      save_result(result_, options_.out);
    } catch (...) {
      stop_ = true;  // the other devices' soak leads nowhere
      throw;
    }
    saved_ = steady_seconds();
  }

  /// Whose bits at least as many devices have as this one's, where these are others: one of two is as suspect as the
  /// other, one of eight is the culprit.
  const SoakCase* outvoted_by(const SoakCase& one) const {
    const auto votes = [&](const SoakCase& candidate) {
      return std::count_if(cases_.begin(), cases_.end(), [&](const SoakCase& other) {
        return candidate.comparable(other) && candidate.same_bits(other);
      });
    };
    const auto rival = std::find_if(cases_.begin(), cases_.end(), [&](const SoakCase& other) {
      return one.comparable(other) && !one.same_bits(other) && votes(other) >= votes(one);
    });
    return rival == cases_.end() ? nullptr : &*rival;
  }

  void compare_devices() {
    std::vector<const SoakCase*> rivals;  // all of them before any outcome changes
    for (const SoakCase& one : cases_) rivals.push_back(outvoted_by(one));
    for (std::size_t i = 0; i < cases_.size(); ++i)
      if (rivals[i]) cases_[i].differs_from(*rivals[i]);
  }

  void collect(double lasted) {
    result_.records.clear();
    for (const SoakCase& one : cases_) {  // in the plan's order
      const auto lane = std::find_if(lanes_.begin(), lanes_.end(), [&](const Lane& l) {
        return std::find(l.cases.begin(), l.cases.end(), &one) != l.cases.end();
      });
      result_.records.push_back(one.record(lasted, int(lane->cases.size()), interrupted_));
      result_.records.back().telemetry = lane->telemetry;
    }
  }

  const Suite& suite_;
  const RunOptions& options_;
  Communicator& communicator_;
  Progress& progress_;
  const std::atomic<bool>& interrupted_;
  std::deque<SoakCase> cases_;  // stay where they are
  std::deque<Lane> lanes_;
  std::mutex guard_, preparing_;
  double began_ = 0, saved_ = 0;
  std::int64_t repetitions_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<bool> cut_short_{false};  // by a signal: a case was not begun, or had time left
  Result result_;
};

}  // namespace

Result soak(const Suite& suite, const Catalog& catalog, const std::vector<PlannedCase>& planned, Machine& machine,
            Communicator& communicator, const RunOptions& options, Progress& progress,
            const std::atomic<bool>& interrupted) {
  if (communicator.size() > 1)
    throw InputError(
        fmt::format("suite '{}' is a soak: run it without an MPI launcher, once on each node", suite.name));
  if (options.resume)
    throw InputError(
        fmt::format("suite '{}' is a soak, one stretch of time, which --resume cannot continue: start it "
                    "again with another --out",
                    suite.name));
  return SoakRun(suite, options, communicator, progress, interrupted).run(catalog, planned, machine);
}

}  // namespace assay
