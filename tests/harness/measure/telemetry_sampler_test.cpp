#include "harness/measure/telemetry_sampler.h"

#include <gmock/gmock.h>
#include <sched.h>

#include <atomic>

#include "harness/backends/cores.h"

namespace assay {
namespace {

using testing::Each;

Reading reading(double mhz, std::vector<std::string> limits = {}) {
  Reading out;
  out.clock_mhz = mhz;
  out.limits = std::move(limits);
  return out;
}

struct Seen {
  std::atomic<int> begins{0}, looks{0}, ends{0};
  std::atomic<bool> alone{false};  // on a single core
};

class CountingSource final : public TelemetrySource {
 public:
  explicit CountingSource(Seen& seen) : seen_(seen) {}
  void begin() override { ++seen_.begins; }
  Reading look() override {
    cpu_set_t cores;
    ::sched_getaffinity(0, sizeof cores, &cores);
    if (seen_.looks > 0) seen_.alone = CPU_COUNT(&cores) == 1;  // the first look is the caller's
    return reading(++seen_.looks, seen_.looks % 2 ? std::vector<std::string>{"power_cap"} : std::vector<std::string>{});
  }
  Telemetry end(double window_seconds) override {
    ++seen_.ends;
    Telemetry out;
    out.device = "gpu0";
    out.limits = {{"thermal", 0, window_seconds}, {"sync_boost", 0, 0.0}};
    return out;
  }

 private:
  Seen& seen_;
};

std::vector<std::unique_ptr<TelemetrySource>> one_source(Seen& seen) {
  std::vector<std::unique_ptr<TelemetrySource>> out;
  out.push_back(std::make_unique<CountingSource>(seen));
  return out;
}

TEST(TelemetrySampler, LooksAtBothEdgesHoweverShortTheWindow) {
  Seen seen;
  TelemetrySampler sampler(one_source(seen), process_cores(), 3600);
  const auto all = sampler.finish();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(seen.begins, 1);
  EXPECT_EQ(seen.looks, 2);
  EXPECT_EQ(seen.ends, 1);
  ASSERT_EQ(all[0].readings.size(), 2u);
  EXPECT_LE(all[0].readings[0].seconds, all[0].readings[1].seconds);
  EXPECT_LE(all[0].readings[1].seconds, all[0].window_seconds);
  EXPECT_EQ(all[0].period_seconds, 3600);
}

TEST(TelemetrySampler, LooksInBetweenFromCoresOfItsOwn) {
  if (process_cores().size() < 2) GTEST_SKIP() << "one core";
  Seen seen;
  const ThreadSettings restore;
  settle_on(process_cores().front());
  TelemetrySampler sampler(one_source(seen), process_cores(), 1e-3);
  while (seen.looks < 5) std::this_thread::yield();
  EXPECT_FALSE(seen.alone);  // else it would sit on the core that computes
  const auto all = sampler.finish();
  EXPECT_GE(all[0].readings.size(), 6u);
}

TEST(TelemetrySampler, JoinsBitsAndCounters) {
  Seen seen;
  TelemetrySampler sampler(one_source(seen), process_cores(), 3600);
  const auto t = sampler.finish()[0];
  ASSERT_EQ(t.limits.size(), 2u);  // sync_boost never occurred
  EXPECT_EQ(t.limits[0].reason, "thermal");
  EXPECT_EQ(t.limits[0].share, 0);
  EXPECT_GT(*t.limits[0].seconds, 0);
  EXPECT_EQ(t.limits[1].reason, "power_cap");
  EXPECT_EQ(t.limits[1].share, 0.5);
  EXPECT_EQ(t.limits[1].seconds, std::nullopt);
}

TEST(TelemetrySampler, EndsQuietlyWithoutFinishAndWithoutSources) {
  Seen seen;
  { TelemetrySampler sampler(one_source(seen), process_cores(), 1e-3); }
  EXPECT_EQ(seen.ends, 0);
  TelemetrySampler none({}, process_cores(), 1e-3);
  EXPECT_TRUE(none.finish().empty());
}

TEST(Readings, StayFewAndAtEqualDistances) {
  Readings readings;
  for (std::size_t tick = 0; tick < 5000; ++tick)
    if (readings.wants(tick)) readings.add(reading(double(tick)));
  EXPECT_EQ(readings.stride(), 32u);
  const auto kept = readings.take();
  EXPECT_LE(kept.size(), Readings::kMostReadings);
  EXPECT_GE(kept.size(), Readings::kMostReadings / 2);
  for (std::size_t i = 0; i < kept.size(); ++i) EXPECT_EQ(*kept[i].clock_mhz, double(32 * i));
}

}  // namespace
}  // namespace assay
