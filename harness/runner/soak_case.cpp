#include "harness/runner/soak_case.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "harness/core/error.h"
#include "harness/record/provenance.h"
#include "harness/runner/steps.h"
#include "harness/verify/output_digest.h"
#include "harness/workloads/rotated_buffer.h"

namespace assay {
namespace {

/// Between two looks at the output: a GPU's queue takes about a thousand launches, and a workload's may be several.
constexpr int kMostLaunches = 64;

/// The bits of an element; little-endian, as every machine we run on.
std::uint64_t bits_of(const std::vector<std::byte>& bytes, std::size_t element, std::size_t element_bytes) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, bytes.data() + element * element_bytes, element_bytes);
  return bits;
}

/// "d[12, 7]"
std::string place_of(const OutputTensor& tensor, std::int64_t element) {
  if (tensor.shape.empty()) return fmt::format("{}[element {}]", tensor.name, element);
  std::string out;
  for (auto extent = tensor.shape.rbegin(); extent != tensor.shape.rend(); ++extent) {
    out = fmt::format("{}{}{}", element % *extent, out.empty() ? "" : ", ", out);
    element /= *extent;
  }
  return fmt::format("{}[{}]", tensor.name, out);
}

/// What the bits of a correct output depend on beside the case.
std::string computed_by(const Target& target, const std::string& variant) {
  std::string out = target.device == Device::cpu
                        ? fmt::format("cpu, {} threads", target.threads)
                        : fmt::format("sm_{}, {} multiprocessors", target.compute_capability, target.multiprocessors);
  return variant.empty() ? out : out + "; " + variant;
}

/// The case on whichever device.
std::string id_without_device(const Case& point) {
  const std::string id = point.id();
  const std::string device = fmt::format("/{}/", point.device_name());
  const std::size_t at = id.find(device);
  return id.substr(0, at) + id.substr(at + device.size() - 1);
}

}  // namespace

SoakCase::SoakCase(const PlannedCase& planned, const WorkloadKind& kind, Backend& backend, Communicator& communicator,
                   const Suite& suite, std::mutex& guard)
    : planned_(planned),
      kind_(kind),
      backend_(backend),
      context_{backend, communicator},
      sampling_(suite.sampling),
      rule_(*suite.soak),
      guard_(guard) {
  record_.point = planned.point;
  record_.vendor = planned.vendor;
  record_.work = planned.work;
  record_.started_utc = utc_now();
  record_.outcome = {OutcomeKind::ok, ""};
  soak_.asked_seconds = rule_.seconds;
  soak_.throttle_percent = rule_.throttle.percent;
  soak_.digest_of = id_without_device(planned.point);
}

void SoakCase::end(OutcomeKind kind, const std::string& reason) {
  record_.outcome = {kind, reason};
  alive_ = false;
}

void SoakCase::begin() {
  if (!planned_.support.ok()) return end(OutcomeKind::skipped, planned_.support.reason);
  if (planned_.vendor)
    return end(OutcomeKind::skipped, "a library does not promise the same bits every time, which a soak compares");
  try {
    make();
  } catch (const Unsupported& error) {
    return end(OutcomeKind::skipped, error.what());
  } catch (const std::exception& error) {
    return end(OutcomeKind::failed, fmt::format("preparing failed: {}", error.what()));
  }
  if (outputs_.empty())
    return end(OutcomeKind::skipped, "its output need not have the same bits every time, which a soak compares");
  alive_ = true;
  if (const auto why = failure_of([&] { first_output(); }); !why.empty())
    end(OutcomeKind::failed, fmt::format("the first output: {}", why));
}

void SoakCase::make() {
  workload_ = kind_.make(planned_.point, context_);
  record_.work = workload_->work();
  record_.description = workload_->description();
  soak_.computed_by = computed_by(backend_.target(), workload_->variant());
  outputs_ = workload_->outputs();
}

void SoakCase::first_output() {
  poison();
  launch_all(1);
  for (const auto& tensor : outputs_) {
    golden_.emplace_back(tensor.buffer->bytes());
    tensor.buffer->copy_out(0, golden_.back().data());
    golden_digest_.push_back(output_digest(golden_.back().data(), golden_.back().size(), available_threads()));
  }
  const std::int64_t corrupted = compare_outputs(0, 0);  // the other sets had the same inputs
  soak_.launches = soak_.digested = workload_->sets();
  soak_.corrupted = corrupted;
  const Check check = workload_->check(std::vector<std::int64_t>(std::size_t(workload_->sets()), 1));
  if (check.elements == 0) throw MeasureError("no element was compared with the reference");
  record_.check = check;
  if (!check.ok()) return end(OutcomeKind::wrong, check.describe());
  std::uint64_t digest = 0;
  for (const std::uint64_t one : golden_digest_) digest = join_digests(digest, one);
  soak_.digest = fmt::format("{:016x}", digest);
  if (soak_.first_corruption) corrupt(*soak_.first_corruption);
  choose_batch();
}

/// So many launches that looking at the outputs takes its share of the time and no more.
void SoakCase::choose_batch() {
  const double launching = launch_all(1), before = steady_seconds();
  poison();
  for (const auto& tensor : outputs_)
    for (int set = 0; set < workload_->sets(); ++set) tensor.buffer->digest(set);
  const double looking = steady_seconds() - before;
  record_.measurement.warmup_launches = 2 * workload_->sets();
  if (rule_.digest_share >= 1) return;  // every launch is looked at
  const double wanted = looking * (1 - rule_.digest_share) / rule_.digest_share / std::max(launching, 1e-9);
  batch_ = int(std::clamp(std::ceil(wanted), 1.0, double(std::max(1, kMostLaunches / workload_->sets()))));
}

/// Seconds that launching every set so often takes.
double SoakCase::launch_all(int times) {
  if (!workload_->own_threads()) backend_.settle();
  const double seconds = backend_.time([&] {
    for (int i = 0; i < times; ++i)
      for (int set = 0; set < workload_->sets(); ++set) workload_->launch(set);
  });
  backend_.synchronize();
  return seconds;
}

void SoakCase::poison() const {
  constexpr std::uint8_t kNan = 0xff;
  for (const auto& tensor : outputs_) tensor.buffer->fill(kNan);
}

/// How many sets have an output that is not the golden one; the first of them is located.
std::int64_t SoakCase::compare_outputs(double at_seconds, std::int64_t repetition) {
  std::int64_t corrupted = 0;
  for (int set = 0; set < workload_->sets(); ++set) {
    bool differs = false;
    for (std::size_t t = 0; t < outputs_.size(); ++t) {
      if (outputs_[t].buffer->digest(set) == golden_digest_[t]) continue;
      differs = true;
      if (soak_.first_corruption) continue;
      Bytes got(outputs_[t].buffer->bytes());
      outputs_[t].buffer->copy_out(set, got.data());
      Corruption found = locate(t, set, got);
      found.at_seconds = at_seconds;
      found.at_utc = utc_now();
      found.repetition = repetition;
      const std::lock_guard lock(guard_);
      soak_.first_corruption = found;
    }
    corrupted += differs;
  }
  return corrupted;
}

/// `differing` stays 0 where a second look finds what was expected.
Corruption SoakCase::locate(std::size_t tensor, int set, const Bytes& got) const {
  const OutputTensor& output = outputs_[tensor];
  const std::size_t bytes = output.element_bytes;
  Corruption out;
  out.device = record_.point.device_name();
  out.tensor = output.name;
  out.bits = int(bytes * 8);
  out.set = set;
  for (std::size_t i = 0; i < got.size() / bytes; ++i) {
    const std::uint64_t expected = bits_of(golden_[tensor], i, bytes), is = bits_of(got, i, bytes);
    if (is == expected || ++out.differing > 1) continue;
    out.element = std::int64_t(i);
    out.expected = expected;
    out.got = is;
    out.place = place_of(output, out.element);
  }
  return out;
}

/// The soak goes on: how often it happens is worth knowing, too.
void SoakCase::corrupt(const Corruption& found) {
  record_.check->fail_outside(found.describe());
  record_.outcome = {OutcomeKind::wrong, record_.check->describe()};
}

void SoakCase::repeat(const Clock& elapsed) {
  SoakInterval interval;
  std::int64_t corrupted = 0;
  const std::string why = failure_of([&] {
    const bool probe = workload_->probe_placement();
    poison();
    if (!workload_->own_threads()) backend_.settle();
    const Placement before = probe ? backend_.probe_placement(workload_->own_threads()) : Placement::none;
    const double start = elapsed(), busy = launch_all(batch_);
    const Placement after = probe ? backend_.probe_placement(workload_->own_threads()) : Placement::none;
    const std::int64_t launches = std::int64_t(batch_) * workload_->sets();
    interval = {start, busy, launches, busy / double(launches), before == after ? before : Placement::moved};
    corrupted = compare_outputs(elapsed(), ++repetitions_);
  });
  const std::lock_guard lock(guard_);
  if (!why.empty()) return end(OutcomeKind::failed, fmt::format("repetition {}: {}", repetitions_, why));
  const double seconds = interval.slowest_seconds;
  if (!(seconds > 0) || !std::isfinite(seconds))
    return end(OutcomeKind::failed, fmt::format("the clock gave {} s for a launch", seconds));
  series_.add(interval);
  soak_.launches += interval.launches;
  soak_.digested += workload_->sets();
  soak_.corrupted += corrupted;
  if (corrupted > 0 && record_.outcome.ok()) corrupt(*soak_.first_corruption);
  if (seconds > sampling_.timeout_seconds && record_.outcome.ok())
    end(OutcomeKind::timed_out, fmt::format("a launch took longer than {} s", sampling_.timeout_seconds));
}

bool SoakCase::comparable(const SoakCase& other) const {
  return record_.outcome.ok() && other.record_.outcome.ok() && soak_.digest_of == other.soak_.digest_of &&
         soak_.computed_by == other.soak_.computed_by;
}

void SoakCase::differs_from(const SoakCase& other) {
  std::size_t t = 0;
  while (golden_digest_[t] == other.golden_digest_[t]) ++t;
  Corruption found = other.locate(t, 0, golden_[t]);
  found.device = record_.point.device_name();
  found.at_utc = record_.started_utc;
  soak_.first_corruption = found;
  const std::string reason =
      fmt::format("always computes other bits than {}, by the same kernel from the same inputs: {}",
                  other.record_.point.device_name(), found.describe());
  record_.check->fail_outside(reason);
  record_.outcome = {OutcomeKind::wrong, reason};
}

Record SoakCase::record(double lasted, int in_turns, bool interrupted) const {
  Record out = record_;
  Soak soak = soak_;
  soak.lasted_seconds = lasted;
  soak.intervals = series_.intervals();
  soak.throttle = find_throttle(soak.intervals, rule_.throttle, lasted);
  for (const auto& one : soak.intervals) {
    out.measurement.seconds.push_back(one.seconds_per_launch());
    if (one.placement != Placement::none) out.measurement.placement.push_back(one.placement);
  }
  if (out.measurement.placement.size() != out.measurement.seconds.size()) out.measurement.placement.clear();
  out.measurement.wall_seconds = lasted;
  out.measurement.in_turns = in_turns;
  out.measurement.batch = batch_ * (workload_ ? std::max(1, workload_->sets()) : 1);
  out.measurement.stop = interrupted ? StopReason::interrupted : StopReason::wall_budget;
  if (out.outcome.ok() && soak.intervals.empty())
    out.outcome = {OutcomeKind::failed, "the soak ended before it repeated the first output"};
  if (out.outcome.kind != OutcomeKind::skipped) out.soak = std::move(soak);
  return out;
}

}  // namespace assay
