#include "harness/verdict/cause_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/measure/statistics.h"

namespace assay {
namespace {

/// Clocks move by a step or two of 15 MHz between equal runs: what is less than this is the same clock.
constexpr double kSameClock = 0.02;
/// A limit that holds for less of the time than this costs less than measurements scatter.
constexpr double kLimitShare = 0.05;
/// Cores' worth of other work that is more than the daemons of an idle machine.
constexpr double kOtherLoad = 0.2;
/// Of the cores' time, stolen or held by the quota.
constexpr double kLostShare = 0.02;
/// Caps and lanes are exact; a watt of rounding is not a lower cap.
constexpr double kCapRounding = 2;

using Value = std::optional<double> Reading::*;

std::optional<double> median_of(const Telemetry& t, Value member) {
  std::vector<double> values;
  for (const auto& reading : t.readings)
    if (reading.*member) values.push_back(*(reading.*member));
  if (values.empty()) return std::nullopt;
  std::sort(values.begin(), values.end());
  return quantile(values, 0.5);
}

std::optional<double> drop(std::optional<double> now, std::optional<double> normal) {
  if (!now || !normal || !(*normal > 0)) return std::nullopt;
  return 1 - *now / *normal;
}

double share_of(const Telemetry& t, std::initializer_list<std::string_view> reasons) {
  double most = 0;
  for (const auto& limit : t.limits) {
    if (std::find(reasons.begin(), reasons.end(), limit.reason) == reasons.end()) continue;
    most = std::max(most, limit.share);
    if (limit.seconds && t.window_seconds > 0) most = std::max(most, std::min(1.0, *limit.seconds / t.window_seconds));
  }
  return most;
}

std::string percent(double share) { return fmt::format("{:.0f} %", 100 * share); }

/// ", 86 C", the hottest seen; empty where no reading has one.
std::string temperature(const Telemetry& t) {
  std::optional<double> hottest;
  for (const auto& reading : t.readings)
    if (reading.temperature_celsius) hottest = std::max(hottest.value_or(0), *reading.temperature_celsius);
  return hottest ? fmt::format(", {:.0f} C", *hottest) : std::string();
}

/// "python (pid 4711)", the busiest; empty where nobody is named.
std::string busiest(const Telemetry& t) {
  if (t.others.empty()) return {};
  const auto& first = t.others.front();
  const std::string more = t.others.size() > 1 ? fmt::format(" and {} more", t.others.size() - 1) : std::string();
  return fmt::format("{} (pid {}){}", first.name.empty() ? "a process" : first.name, first.pid, more);
}

/// ", from minute 3 on" where the limit was not there in the first minute; empty where no reading shows it.
std::string since(const Telemetry& t, std::initializer_list<std::string_view> reasons) {
  constexpr double kAtOnce = 60;  // seconds: a cold part needs that long to get hot where its cooling fails
  for (const auto& reading : t.readings)
    for (const auto& limit : reading.limits)
      if (std::find(reasons.begin(), reasons.end(), limit) != reasons.end())
        return reading.seconds < kAtOnce ? std::string() : fmt::format(", from minute {:.0f} on", reading.seconds / 60);
  return {};
}

/// Errors that an application can cause; those that the device caused; all others: reset and look again.
/// (NVIDIA, XID Errors: 13, 31, 43, 45 come from a kernel or its end; 48, 64, 79, 95 and 74 from memory, bus and
/// links.)
Action action_of_xid(int xid) {
  for (const int application : {13, 31, 43, 45, 68, 94})
    if (xid == application) return Action::recheck;
  for (const int device : {48, 64, 74, 79, 92, 95, 140})
    if (xid == device) return Action::drain;
  return Action::reset;
}

std::optional<Finding> xid(const Seen& s) {
  if (s.telemetry.xids.empty()) return std::nullopt;
  const auto& xids = s.telemetry.xids;
  const int worst =
      *std::max_element(xids.begin(), xids.end(), [](int a, int b) { return action_of_xid(a) < action_of_xid(b); });
  const Action action = action_of_xid(worst);
  const char* advice = action == Action::recheck ? "a program failed: measure again"
                       : action == Action::reset ? "reset the GPU and measure again"
                                                 : "drain the node and test the GPU";
  return Finding{CauseCode::xid, fmt::format("XID {}", fmt::join(xids, ", ")), advice, action};
}

std::optional<Finding> uncorrected(const Seen& s) {
  const auto errors = s.telemetry.ecc_uncorrected.value_or(0), rows = s.telemetry.remapped_rows.value_or(0);
  if (errors <= 0 && rows <= 0) return std::nullopt;
  return Finding{CauseCode::ecc_uncorrected,
                 fmt::format("{} uncorrected memory errors, {} rows remapped", errors, rows),
                 "drain the node, reset the GPU, return it if they come again", Action::drain};
}

std::optional<Finding> other_process(const Seen& s) {
  if (s.record.point.device != Device::gpu || s.telemetry.others.empty()) return std::nullopt;
  return Finding{CauseCode::other_process, busiest(s.telemetry) + " on the device", "stop it and measure again",
                 Action::recheck};
}

std::optional<Finding> quota(const Seen& s) {
  const Telemetry& t = s.telemetry;
  const double held = t.throttled_seconds && t.window_seconds > 0 ? *t.throttled_seconds / t.window_seconds : 0;
  const double share = std::max(held, share_of(t, {"quota"}));
  if (!(share >= kLostShare)) return std::nullopt;
  return Finding{CauseCode::quota, "held by the control group's quota " + percent(share) + " of the time",
                 "lift the quota and measure again", Action::recheck};
}

std::optional<Finding> other_load(const Seen& s) {
  if (!(s.telemetry.other_load.value_or(0) >= kOtherLoad)) return std::nullopt;
  const std::string who = busiest(s.telemetry);
  return Finding{CauseCode::other_load,
                 fmt::format("other work took {:.1f} cores{}", *s.telemetry.other_load, who.empty() ? "" : ": " + who),
                 "stop it and measure again", Action::recheck};
}

std::optional<Finding> steal(const Seen& s) {
  if (!(s.telemetry.steal_share.value_or(0) >= kLostShare)) return std::nullopt;
  return Finding{CauseCode::steal, "the hypervisor took " + percent(*s.telemetry.steal_share) + " of the cores' time",
                 "measure again, or on a machine of one's own", Action::recheck};
}

std::optional<Finding> hardware_slowdown(const Seen& s) {
  const double brake = share_of(s.telemetry, {"power_brake"}), slow = share_of(s.telemetry, {"hardware_slowdown"});
  if (!(std::max(brake, slow) >= kLimitShare)) return std::nullopt;
  // The heat's own protection sets the general bit too.
  if (share_of(s.telemetry, {"hardware_thermal"}) >= kLimitShare) return std::nullopt;
  const bool braked = brake >= kLimitShare;
  return Finding{
      CauseCode::hardware_slowdown,
      fmt::format("{} {} of the time", braked ? "power brake" : "hardware slowdown", percent(braked ? brake : slow)),
      "drain the node and check its power supply", Action::drain};
}

std::optional<Finding> thermal(const Seen& s) {
  const double share = share_of(s.telemetry, {"thermal", "hardware_thermal"});
  if (!(share >= kLimitShare)) return std::nullopt;
  return Finding{CauseCode::thermal,
                 "thermal limit " + percent(share) + " of the time" +
                     since(s.telemetry, {"thermal", "hardware_thermal"}) + temperature(s.telemetry),
                 "check cooling", Action::drain};
}

std::optional<Finding> power_cap_lowered(const Seen& s) {
  const auto now = s.telemetry.power_cap_watts, normal = s.normal.power_cap_watts;
  if (!now || !normal || !(*now < *normal - kCapRounding)) return std::nullopt;
  return Finding{CauseCode::power_cap_lowered, fmt::format("power cap {:.0f} W instead of {:.0f} W", *now, *normal),
                 fmt::format("nvidia-smi -pl {:.0f}, and measure again", *normal), Action::recheck};
}

std::optional<Finding> application_clocks(const Seen& s) {
  const double share = share_of(s.telemetry, {"application_clocks"});
  if (!(share >= kLimitShare) || s.clock_drop.value_or(1) < kSameClock) return std::nullopt;
  return Finding{CauseCode::application_clocks, "clocks set by hand " + percent(share) + " of the time",
                 "nvidia-smi -rac and -rgc, and measure again", Action::recheck};
}

/// Large GEMM runs at the cap on every healthy part: it explains something only where the clock is below the usual.
std::optional<Finding> power_cap(const Seen& s) {
  const double share = share_of(s.telemetry, {"power_cap"});
  if (!(share >= kLimitShare) || !(s.clock_drop.value_or(0) >= kSameClock)) return std::nullopt;
  return Finding{CauseCode::power_cap, "power cap " + percent(share) + " of the time" + temperature(s.telemetry),
                 "it needs more power for its clock than others: check cooling and input data, then return it",
                 Action::drain};
}

std::optional<Finding> corrected(const Seen& s) {
  const auto errors = s.telemetry.ecc_corrected.value_or(0);
  if (errors <= 0) return std::nullopt;
  return Finding{CauseCode::ecc_corrected, fmt::format("{} corrected memory errors", errors),
                 "watch its memory: reset, drain if they come again", Action::reset};
}

std::optional<Finding> pcie(const Seen& s) {
  if (s.record.point.device != Device::gpu) return std::nullopt;
  constexpr int kFullWidth = 16;  // every data-centre GPU's slot
  const int usual = s.normal.pcie_width.value_or(kFullWidth), width = s.telemetry.pcie_width.value_or(usual);
  const int usual_generation = s.normal.pcie_generation.value_or(0);
  const int generation = s.telemetry.pcie_generation.value_or(usual_generation);
  if (width >= usual && generation >= usual_generation) return std::nullopt;
  // A kernel that stays on its GPU does not notice.
  if (!is_collective(s.record)) return std::nullopt;
  std::string evidence = width < usual ? fmt::format("PCIe x{} instead of x{}", width, usual)
                                       : fmt::format("PCIe generation {} instead of {}", generation, usual_generation);
  return Finding{CauseCode::pcie, std::move(evidence), "reseat the GPU or its riser", Action::drain};
}

std::optional<Finding> link_errors(const Seen& s) {
  const auto nvlink = s.telemetry.nvlink_errors.value_or(0), replays = s.telemetry.pcie_replays.value_or(0);
  if (!is_collective(s.record) || (nvlink <= 0 && replays <= 0)) return std::nullopt;
  return Finding{CauseCode::link_errors, fmt::format("{} NVLink errors, {} PCIe replays", nvlink, replays),
                 "reset the GPU, drain the node if they come again", Action::reset};
}

/// No limit speaks, and its own silicon and memory are fast enough: what is left is what the devices share.
std::optional<Finding> only_together(const Seen& s) {
  if (!s.normal.fast_alone) return std::nullopt;
  return Finding{CauseCode::only_together, "alone it is as fast as expected",
                 "suspect what the devices share: power supply, cooling, host memory", Action::drain};
}

std::optional<Finding> memory_clock(const Seen& s) {
  if (!(s.memory_clock_drop.value_or(0) >= kSameClock)) return std::nullopt;
  return Finding{CauseCode::memory_clock, fmt::format("memory clock {:.1f} % lower", 100 * *s.memory_clock_drop),
                 "reset the GPU and its clocks", Action::reset};
}

std::optional<Finding> clock(const Seen& s) {
  if (!(s.clock_drop.value_or(0) >= kSameClock)) return std::nullopt;
  return Finding{CauseCode::clock, "no limit says why" + temperature(s.telemetry), "reset its clocks and measure again",
                 Action::reset};
}

std::optional<Finding> full_clock(const Seen& s) {
  if (!s.clock_drop || *s.clock_drop >= kSameClock) return std::nullopt;
  if (is_collective(s.record))
    return Finding{CauseCode::link, "same clock, still slower", "suspect a link: check NVLink and PCIe", Action::drain};
  if (is_memory_bound(s.record))
    return Finding{CauseCode::memory, "same clock, still slower, and bound by memory", "suspect the memory",
                   Action::return_part};
  return Finding{CauseCode::silicon, "same clock, still slower", "suspect the memory or the silicon",
                 Action::return_part};
}

}  // namespace

bool is_collective(const Record& r) { return r.work.bus_factor > 0; }

// Less work for a byte than any balance of these devices: an f32 kernel of a GPU breaks even at 10 to 20 FLOP for a
// byte, two cores of a CPU at 5 to 10.
bool is_memory_bound(const Record& r) {
  const double breaks_even = r.point.device == Device::gpu ? 10 : 4;
  return r.work.bytes > 0 && r.work.flops < breaks_even * r.work.bytes;
}

std::optional<double> median_clock(const Telemetry& t) { return median_of(t, &Reading::clock_mhz); }
std::optional<double> median_memory_clock(const Telemetry& t) { return median_of(t, &Reading::memory_clock_mhz); }

Seen look_at(const Record& record, const Telemetry& telemetry, const Normal& normal) {
  return {record, telemetry, normal, drop(median_clock(telemetry), normal.clock_mhz),
          drop(median_memory_clock(telemetry), normal.memory_clock_mhz)};
}

const std::vector<CauseRule>& cause_rules() {
  static const std::vector<CauseRule> rules = {xid,
                                               uncorrected,
                                               other_process,
                                               quota,
                                               other_load,
                                               steal,
                                               hardware_slowdown,
                                               thermal,
                                               power_cap_lowered,
                                               application_clocks,
                                               power_cap,
                                               pcie,
                                               link_errors,
                                               corrected,
                                               only_together,
                                               memory_clock,
                                               clock,
                                               full_clock};
  return rules;
}

}  // namespace assay
