#include "harness/publish/measured_peak.h"

#include <algorithm>
#include <tuple>

#include "harness/publish/stream_mix.h"

namespace assay {
namespace {

constexpr const char* kWorkload = "peak";
constexpr const char* kMemory = "memory";
/// With fewer in a placement class a stream's rate there is not known: as many as a median's interval needs.
constexpr std::size_t kLeastSamples = 6;
constexpr double kPeakQuantile = 0.05;

std::string unit_of(const Case& point) {
  for (const auto& axis : point.axes)
    if (axis.name == "unit") return to_string(axis.value);
  return {};
}

/// Both 8-bit formats go through the same units at the same rate; a peak is measured with one of them.
std::string units_of(DType dtype) { return name(dtype == DType::e5m2 ? DType::e4m3 : dtype); }

/// What took turns shares its telemetry's window (run_case.cpp).
bool took_turns(const Record& a, const Record& b) {
  if (a.measurement.in_turns < 2 || a.measurement.in_turns != b.measurement.in_turns) return false;
  if (a.telemetry.empty() || b.telemetry.empty()) return false;
  const Telemetry &first = a.telemetry.front(), &second = b.telemetry.front();
  return first.window_seconds == second.window_seconds && first.readings.size() == second.readings.size();
}

bool only_moves_memory(const Record& record, const Rates& derived) {
  return record.point.workload != kWorkload && derived.bytes_per_second && !derived.flops_per_second &&
         !derived.bus_bytes_per_second;
}

}  // namespace

MeasuredPeaks::MeasuredPeaks(const Result& result) {
  for (const auto& record : result.records) {
    const auto derived = record.point.workload == kWorkload ? rates(record) : std::nullopt;
    if (!derived) continue;
    if (derived->bytes_per_second) streams_.push_back(&record);
    const bool copies = unit_of(record.point) == "copy";
    const double work = copies ? record.work.bytes : record.work.flops;
    if (!(work > 0)) continue;
    const double rate = work / derived->seconds.p5;
    Best& best = best_[{record.point.device_name(), copies ? kMemory : units_of(record.point.dtype)}];
    double& in_mode = best.in_mode[record.point.mode];
    in_mode = std::max(in_mode, rate);
    best.in_any = std::max(best.in_any, rate);
  }
}

std::optional<double> MeasuredPeaks::percent(const Record& record, const Rates& derived) const {
  if (only_moves_memory(record, derived)) {
    auto found = of_stream(record, derived);
    if (!found) found = of_copy(record, derived);
    return found ? std::optional(found->percent) : std::nullopt;
  }
  if (record.point.workload == kWorkload || !derived.flops_per_second || derived.bus_bytes_per_second)
    return std::nullopt;
  const auto peak = flop_rate(record.point);
  return peak ? std::optional(100 * *derived.flops_per_second / *peak) : std::nullopt;
}

std::optional<MemoryPercent> MeasuredPeaks::of_copy(const Record& record, const Rates& derived) const {
  if (!only_moves_memory(record, derived)) return std::nullopt;
  const auto copy = stream_for("copy", record, derived);
  return copy ? std::optional(percent_of(*copy, "copy", record, derived)) : std::nullopt;
}

std::optional<MemoryPercent> MeasuredPeaks::of_stream(const Record& record, const Rates& derived) const {
  const auto mix = only_moves_memory(record, derived) ? stream_mix(record.point) : std::nullopt;
  if (!mix) return std::nullopt;
  Stream all;
  std::string names;
  for (const StreamPart& part : stream_parts(*mix)) {
    const auto stream = stream_for(part.unit, record, derived);
    if (!stream) return std::nullopt;
    const double share = part.launches * part.arrays / (mix->reads + mix->writes);
    all.p5 += share * stream->p5, all.median += share * stream->median;
    all.in_class = all.in_class && stream->in_class, all.in_turns = all.in_turns && stream->in_turns;
    names += (names.empty() ? "" : " + ") + part.unit;
  }
  return percent_of(all, names, record, derived);
}

MemoryPercent MeasuredPeaks::percent_of(const Stream& stream, const std::string& names, const Record& record,
                                        const Rates& derived) {
  const Summary& seconds = derived.seconds;
  const auto percent = [&](double streamed, double taken) { return 100 * record.work.bytes * streamed / taken; };
  MemoryPercent out{percent(stream.p5, seconds.median), names};
  if (stream.in_class && stream.in_turns)
    out.percent = std::min(percent(stream.median, seconds.median), percent(stream.p5, seconds.p5));
  const bool placed = seconds.placement == Placement::near || seconds.placement == Placement::far;
  if (!stream.in_class)
    out.of += ", placed otherwise";
  else if (placed)
    out.of += std::string(", ") + name(seconds.placement);
  out.of += stream.in_turns ? ", in turns" : ", not in turns";
  return out;
}

/// The one that took turns with the record, is of its mode, of its class, the fastest: in this order.
std::optional<MeasuredPeaks::Stream> MeasuredPeaks::stream_for(const std::string& unit, const Record& record,
                                                               const Rates& derived) const {
  std::optional<Stream> found;
  std::tuple<bool, bool, bool, double> best;
  for (const Record* one : streams_) {
    if (unit_of(one->point) != unit || one->point.device_name() != record.point.device_name()) continue;
    std::vector<double> samples = samples_in(one->measurement, derived.seconds.placement);
    const bool in_class = samples.size() >= kLeastSamples;
    if (!in_class) samples = samples_in(one->measurement, dominant_placement(one->measurement.placement));
    std::sort(samples.begin(), samples.end());
    const Stream stream{quantile(samples, kPeakQuantile) / one->work.bytes, quantile(samples, 0.5) / one->work.bytes,
                        in_class, took_turns(*one, record)};
    const std::tuple its(stream.in_turns, one->point.mode == record.point.mode, in_class, -stream.p5);
    if (!found || its > best) found = stream, best = its;
  }
  return found;
}

std::optional<double> MeasuredPeaks::flop_rate(const Case& point) const {
  return rate_of({point.device_name(), units_of(point.dtype)}, point.mode);
}

std::optional<double> MeasuredPeaks::copy_rate(const Case& point) const {
  return rate_of({point.device_name(), kMemory}, point.mode);
}

std::optional<double> MeasuredPeaks::rate_of(const Key& key, Mode mode) const {
  const auto found = best_.find(key);
  if (found == best_.end()) return std::nullopt;
  const auto in_mode = found->second.in_mode.find(mode);
  return in_mode == found->second.in_mode.end() ? found->second.in_any : in_mode->second;
}

}  // namespace assay
