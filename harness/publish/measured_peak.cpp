#include "harness/publish/measured_peak.h"

#include <algorithm>

namespace assay {
namespace {

constexpr const char* kWorkload = "peak";
constexpr const char* kMemory = "memory";

std::string unit_of(const Case& point) {
  for (const auto& axis : point.axes)
    if (axis.name == "unit") return to_string(axis.value);
  return {};
}

/// Both 8-bit formats go through the same units at the same rate; a peak is measured with one of them.
std::string units_of(DType dtype) { return name(dtype == DType::e5m2 ? DType::e4m3 : dtype); }

}  // namespace

MeasuredPeaks::MeasuredPeaks(const Result& result) {
  for (const auto& record : result.records) {
    const auto derived = record.point.workload == kWorkload ? rates(record) : std::nullopt;
    if (!derived) continue;
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
  if (record.point.workload == kWorkload || derived.bus_bytes_per_second) return std::nullopt;
  const auto rate = derived.flops_per_second ? derived.flops_per_second : derived.bytes_per_second;
  if (!rate) return std::nullopt;
  const auto peak =
      rate_of({record.point.device_name(), derived.flops_per_second ? units_of(record.point.dtype) : kMemory},
              record.point.mode);
  return peak ? std::optional(100 * *rate / *peak) : std::nullopt;
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
