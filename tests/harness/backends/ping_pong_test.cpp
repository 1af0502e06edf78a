#include "harness/backends/ping_pong.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "harness/backends/cores.h"

namespace assay {
namespace {

TEST(PingPong, Classes) {
  EXPECT_EQ(placement_of(110e-9), Placement::near);
  EXPECT_EQ(placement_of(500e-9), Placement::far);
  EXPECT_EQ(placement_of({}), Placement::none);
}

TEST(PingPong, GivesUpWithoutAnAnswer) {
  PingPong line;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(line.ask());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
  line.answer();  // who comes too late does not wait either
}

TEST(PingPong, TwoThreadsOnTwoCores) {
  if (process_cores().size() < 2) GTEST_SKIP() << "one core";
  const ThreadSettings settings;
  settle_on(process_cores()[0]);
  std::optional<double> seconds;
  // A busy machine may keep the other side away for long: a try costs a millisecond, and the test's time-out is the
  // end.
  while (!seconds) {
    PingPong line;
    std::atomic<bool> there{false};
    std::thread other([&] {
      settle_on(process_cores()[1]);
      there = true;
      line.answer();
    });
    while (!there) std::this_thread::yield();
    seconds = line.ask();
    other.join();
  }
  EXPECT_GT(*seconds, 10e-9);
  EXPECT_LT(*seconds, 20e-6);
}

TEST(PingPong, APartnerAnswersAgainAndAgain) {
  if (process_cores().size() < 2) GTEST_SKIP() << "one core";
  const ThreadSettings settings;
  settle_on(process_cores()[0]);
  PingPongPartner partner(process_cores()[1]);
  for (int answers = 0; answers < 20;) answers += partner.ask().has_value();  // or the test's time-out
}

TEST(PingPong, APartnerNeverAskedEnds) { PingPongPartner partner(process_cores().back()); }

}  // namespace
}  // namespace assay
