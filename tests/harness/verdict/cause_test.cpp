// What a slow case's telemetry shows is named: each scripted cause has its code, its words and its action.
#include "harness/verdict/cause.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/harness/verdict/telemetry_by_hand.h"

namespace assay {
namespace {

using testing::HasSubstr;

struct Scripted {
  const char* what;
  std::function<void(Record&)> spoil;
  CauseCode code;
  Action action;
  const char* words;
};

Telemetry& of(Record& r) { return r.telemetry.front(); }
void slower_clock(Record& r, double clock_mhz, double celsius) {
  r.telemetry.front() = telemetry_at(r.telemetry.front().device, clock_mhz, celsius);
}
void as_collective(Record& r) { r.work = {0, 1e9, "a message", 1.75}; }
void as_copy(Record& r) { r.work = {0, 1e9, "read and written", 0}; }

const std::vector<Scripted>& on_gpu() {
  static const std::vector<Scripted> table = {
      {"hot",
       [](Record& r) {
         slower_clock(r, 1632, 86);
         of(r).limits = {{"thermal", 0.64, {}}};
       },
       CauseCode::thermal, Action::drain,
       "GPU 3: 7.1 % slower, clock 7.0 % lower, thermal limit 64 % of the time, 86 C: check cooling"},
      {"hot by the violation counter alone",
       [](Record& r) {
         slower_clock(r, 1632, 86);
         of(r).limits = {{"hardware_thermal", 0, 0.3}};
       },
       CauseCode::thermal, Action::drain, "thermal limit 30 % of the time"},
      {"same clock", [](Record&) {}, CauseCode::silicon, Action::return_part,
       "same clock, still slower: suspect the memory or the silicon"},
      {"memory-bound at full clock", as_copy, CauseCode::memory, Action::return_part, "suspect the memory"},
      {"collective at full clock", as_collective, CauseCode::link, Action::drain, "check NVLink"},
      {"cap lowered",
       [](Record& r) {
         slower_clock(r, 1500, 55);
         of(r).power_cap_watts = 500;
         of(r).limits = {{"power_cap", 1, {}}};
       },
       CauseCode::power_cap_lowered, Action::recheck, "power cap 500 W instead of 700 W"},
      {"usual cap, lower clock",
       [](Record& r) {
         slower_clock(r, 1632, 55);
         of(r).limits = {{"power_cap", 1, {}}};
       },
       CauseCode::power_cap, Action::drain, "power cap 100 % of the time"},
      {"usual cap, usual clock: the cap explains nothing",
       [](Record& r) {
         of(r).limits = {{"power_cap", 1, {}}};
       },
       CauseCode::silicon, Action::return_part, "same clock"},
      {"uncorrected errors", [](Record& r) { of(r).ecc_uncorrected = 2; }, CauseCode::ecc_uncorrected, Action::drain,
       "2 uncorrected memory errors"},
      {"rows remapped", [](Record& r) { of(r).remapped_rows = 1; }, CauseCode::ecc_uncorrected, Action::drain,
       "1 rows remapped"},
      {"corrected errors grow", [](Record& r) { of(r).ecc_corrected = 1200; }, CauseCode::ecc_corrected, Action::reset,
       "1200 corrected memory errors"},
      {"fell off the bus",
       [](Record& r) {
         of(r).xids = {13, 79};
       },
       CauseCode::xid, Action::drain, "XID 13, 79"},
      {"a program's own error", [](Record& r) { of(r).xids = {31}; }, CauseCode::xid, Action::recheck, "XID 31"},
      {"half the lanes",
       [](Record& r) {
         as_collective(r);
         of(r).pcie_width = 8;
       },
       CauseCode::pcie, Action::drain, "PCIe x8 instead of x16"},
      {"older generation",
       [](Record& r) {
         as_collective(r);
         of(r).pcie_generation = 3;
       },
       CauseCode::pcie, Action::drain, "PCIe generation 3 instead of 5"},
      {"half the lanes do not slow a GEMM", [](Record& r) { of(r).pcie_width = 8; }, CauseCode::silicon,
       Action::return_part, "same clock"},
      {"link errors",
       [](Record& r) {
         as_collective(r);
         of(r).nvlink_errors = 7;
       },
       CauseCode::link_errors, Action::reset, "7 NVLink errors"},
      {"another process",
       [](Record& r) {
         of(r).others = {{4711, "python", {}, 1e9}, {4712, "python", {}, 1e9}};
       },
       CauseCode::other_process, Action::recheck, "python (pid 4711) and 1 more on the device"},
      {"brake",
       [](Record& r) {
         slower_clock(r, 900, 50);
         of(r).limits = {{"power_brake", 0.9, {}}};
       },
       CauseCode::hardware_slowdown, Action::drain, "power brake 90 % of the time"},
      {"clocks set by hand",
       [](Record& r) {
         slower_clock(r, 1400, 50);
         of(r).limits = {{"application_clocks", 1, {}}};
       },
       CauseCode::application_clocks, Action::recheck, "clocks set by hand"},
      {"memory clock",
       [](Record& r) {
         as_copy(r);
         for (auto& reading : of(r).readings) reading.memory_clock_mhz = 1300;
       },
       CauseCode::memory_clock, Action::reset, "memory clock 50.4 % lower"},
      {"clock without a reason", [](Record& r) { slower_clock(r, 1400, 50); }, CauseCode::clock, Action::reset,
       "no limit says why"},
      {"nothing recorded", [](Record& r) { r.telemetry.clear(); }, CauseCode::no_telemetry, Action::recheck,
       "no telemetry was recorded"},
      {"nothing readable", [](Record& r) { of(r).readings.clear(); }, CauseCode::unexplained, Action::recheck,
       "nothing in its telemetry"},
      {"wrong numbers with memory errors",
       [](Record& r) {
         const Telemetry kept = of(r);
         r = wrong_record();
         r.point.device = Device::gpu;
         r.point.device_index = 3;
         r.telemetry = {kept};
         of(r).ecc_uncorrected = 1;
       },
       CauseCode::wrong_numbers, Action::drain, "GPU 3: wrong numbers, 1 uncorrected memory errors"},
  };
  return table;
}

const std::vector<Scripted>& on_cpu() {
  static const std::vector<Scripted> table = {
      {"hog",
       [](Record& r) {
         of(r).other_load = 1.0;
         of(r).others = {{99, "stress-ng", 0.98, {}}};
       },
       CauseCode::other_load, Action::recheck, "other work took 1.0 cores: stress-ng (pid 99): stop it"},
      {"steal", [](Record& r) { of(r).steal_share = 0.12; }, CauseCode::steal, Action::recheck,
       "the hypervisor took 12 % of the cores' time"},
      {"quota", [](Record& r) { of(r).throttled_seconds = 0.4; }, CauseCode::quota, Action::recheck,
       "held by the control group's quota 40 % of the time"},
      {"hot",
       [](Record& r) {
         slower_clock(r, 2000, 95);
         of(r).limits = {{"thermal", 0.5, {}}};
       },
       CauseCode::thermal, Action::drain, "CPU: 7.1 % slower, clock 23.1 % lower, thermal limit 50 %"},
      {"daemons are no hog", [](Record& r) { of(r).other_load = 0.1; }, CauseCode::silicon, Action::return_part,
       "same clock"},
  };
  return table;
}

void expect_codes(const std::vector<Scripted>& table, const Record& good) {
  for (const auto& scripted : table) {
    Record slow = good;
    scripted.spoil(slow);
    const Cause cause = explain(slow, 0.929, &good);
    EXPECT_STREQ(name(cause.code), name(scripted.code)) << scripted.what;
    EXPECT_STREQ(name(cause.action), name(scripted.action)) << scripted.what;
    EXPECT_THAT(cause.text, HasSubstr(scripted.words)) << scripted.what;
  }
}

TEST(Cause, OfAGpu) { expect_codes(on_gpu(), gpu_record()); }
TEST(Cause, OfACpu) { expect_codes(on_cpu(), cpu_record()); }

TEST(Cause, OnlyOthersDisturb) {
  for (const auto* table : {&on_gpu(), &on_cpu()})
    for (const auto& scripted : *table) {
      const Cause cause{scripted.code, "", scripted.action};
      const bool others = scripted.code == CauseCode::other_process || scripted.code == CauseCode::other_load ||
                          scripted.code == CauseCode::steal || scripted.code == CauseCode::quota;
      EXPECT_EQ(cause.disturbed(), others) << scripted.what;
    }
}

TEST(Cause, WithoutAKnownGoodALimitStillSpeaks) {
  Record slow = gpu_record(1632, 86);
  slow.telemetry.front().limits = {{"thermal", 0.64, {}}};
  EXPECT_EQ(explain(slow, 0.9, nullptr).text,
            "GPU 3: 10.0 % slower, thermal limit 64 % of the time, 86 C: check cooling");
  // and a clock of which nobody knows the usual is not called the same
  EXPECT_EQ(explain(gpu_record(), 0.9, nullptr).code, CauseCode::unexplained);
}

/// In a collective of eight GPUs the one that is hot is the one that is named, wherever it stands.
TEST(Cause, OfSeveralDevicesTheOneToBlame) {
  Record good = gpu_record();
  good.work = {0, 1e9, "a message", 1.75};
  good.telemetry.clear();
  for (int gpu = 0; gpu < 8; ++gpu) good.telemetry.push_back(telemetry_at("gpu" + std::to_string(gpu), 1755, 60));
  Record slow = good;
  slow.telemetry[5] = telemetry_at("gpu5", 1200, 90);
  slow.telemetry[5].limits = {{"hardware_thermal", 0.5, {}}, {"hardware_slowdown", 0.5, {}}};
  const Cause cause = explain(slow, 0.7, &good);
  EXPECT_EQ(cause.code, CauseCode::thermal);
  EXPECT_THAT(cause.text, HasSubstr("GPU 5: 30.0 % slower"));
}

TEST(Cause, FaultsBeforeDisturbanceBeforeHeat) {
  const Record good = gpu_record();
  Record slow = gpu_record(1500, 88);
  slow.telemetry.front().limits = {{"thermal", 0.9, {}}};
  EXPECT_EQ(explain(slow, 0.8, &good).code, CauseCode::thermal);
  slow.telemetry.front().others = {{1, "miner", {}, {}}};
  EXPECT_EQ(explain(slow, 0.8, &good).code, CauseCode::other_process);
  slow.telemetry.front().ecc_uncorrected = 1;
  EXPECT_EQ(explain(slow, 0.8, &good).code, CauseCode::ecc_uncorrected);
}

}  // namespace
}  // namespace assay
