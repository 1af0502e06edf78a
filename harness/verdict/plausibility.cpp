// Whether an expectation can be: a slip of a unit makes a floor that everybody passes, or nobody.
#include <fmt/format.h>

#include <algorithm>

#include "harness/core/glob.h"
#include "harness/suite/accelerators.h"
#include "harness/verdict/expectations.h"

namespace assay {
namespace {

/// A floor below this share of its peak is taken for a slip: the DCGM floor of the H200's memory was 2333 MB/s where
/// its siblings had two million.
constexpr double kLeastShare = 0.05;
/// What `peak` measures comes near its peak everywhere: there a slip by ten shows too, as in the DCGM floors of the
/// L40's memory (6 % of its rate) and the 64 GB H100's.
constexpr double kLeastShareOfPeak = 0.15;
/// Clocks above the one a datasheet's peak is stated at: 1.98 over 1.83 GHz on an H100.
constexpr double kBoost = 1.10;
/// Bus rates count a ring's traffic; switches that add (NVLS) move less, so that it may pass the link's rate: 2
/// (n-1)/(n+1) for n GPUs, 1.56 for 8, times an efficiency of at most 0.85.
constexpr double kSwitchesAdd = 1.35;

struct Peak {
  double value = 0;  // 0: unknown
  std::string what;
};

/// The figure of a peak case in the same file: what a learned file knows.
Peak peak_in_file(const Expectation& e, const Expectations& all) {
  const std::string unit = e.unit == RateUnit::flops ? "unit=fma" : "unit=copy";
  Peak peak;
  for (const auto& other : all.entries) {
    if (other.kind != ExpectationKind::floor || segment(other.pattern, 0) != "peak" || other.unit != e.unit) continue;
    if (e.unit == RateUnit::flops && segment(other.pattern, 3) != segment(e.pattern, 3)) continue;
    if (other.pattern.find(unit) == std::string::npos || other.value < peak.value) continue;
    peak = {other.value, "\"" + other.name + "\""};
  }
  return peak;
}

Peak peak_of(const Expectation& e, const Expectations& all) {
  if (e.unit == RateUnit::bus_bytes)
    return all.link_bytes_per_second > 0 ? Peak{kSwitchesAdd * all.link_bytes_per_second, "what its links carry"}
                                         : Peak{};
  if (all.machine.accelerator.empty()) return peak_in_file(e, all);
  const Accelerator& known = accelerator_named(all.machine.accelerator);
  if (e.unit == RateUnit::bytes) return {known.memory_bytes_per_second, "its datasheet's memory rate"};
  DType dtype{};
  parse_dtype(segment(e.pattern, 3), dtype);
  return {kBoost * known.peak(dtype).value_or(0), "its datasheet's peak at its highest clock"};
}

std::string of_ratio(const Expectation& e) {
  // Of a datasheet's peak no more than the highest clock gives; of a library or another case up to thrice: a slow
  // library, a case that does less.
  const double most = e.to == "datasheet" ? kBoost : 3;
  if (e.value > most) return fmt::format("a ratio of {:.3g} cannot be: expected at most {:.3g}", e.value, most);
  if (e.least() < kLeastShare && e.low.empty())
    return fmt::format("a floor of {:.3g} is under {:.0f} % of {}: a slip of its unit? else say why in \"low\"",
                       e.least(), 100 * kLeastShare, e.to);
  return {};
}

}  // namespace

std::string implausibility(const Expectation& e, const Expectations& all) {
  constexpr double kWidest = 0.5;  // GPUs of a node that differ by a factor of two are no spread
  if (e.kind == ExpectationKind::spread)
    return e.tolerance > kWidest ? fmt::format("a tolerance of {:.3g} lets everything pass", e.tolerance) : "";
  if (e.kind == ExpectationKind::ratio) return of_ratio(e);
  const Peak peak = peak_of(e, all);
  if (!(peak.value > 0)) return {};
  // Learned figures are medians, of the peak too: one may lie above the other by their scatter.
  constexpr double kScatter = 1.1;
  const double most = all.machine.accelerator.empty() ? kScatter * peak.value : peak.value;
  // On a CPU what a cache holds is read faster than memory copies.
  const bool cached = e.unit == RateUnit::bytes && !all.machine.is_gpu();
  if (e.value > most && !cached)
    return fmt::format("{:.4g} {} is above {}, {:.4g}", e.value, name(e.unit), peak.what, most);
  const double least_share = segment(e.pattern, 0) == "peak" ? kLeastShareOfPeak : kLeastShare;
  if (e.least() < least_share * peak.value && e.low.empty())
    return fmt::format(
        "a floor of {:.4g} {} is under {:.0f} % of {}, {:.4g}: a slip of its unit? else say why in \"low\"", e.least(),
        name(e.unit), 100 * least_share, peak.what, peak.value);
  return {};
}

}  // namespace assay
