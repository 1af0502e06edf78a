#include "harness/backends/ping_pong.h"

#include <gtest/gtest.h>

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
  for (int attempt = 0; attempt < 50 && !seconds; ++attempt) {  // a busy machine may keep the other side away
    PingPong line;
    std::thread other([&] {
      settle_on(process_cores()[1]);
      line.answer();
    });
    seconds = line.ask();
    other.join();
  }
  ASSERT_TRUE(seconds);
  EXPECT_GT(*seconds, 10e-9);
  EXPECT_LT(*seconds, 20e-6);
}

TEST(PingPong, APartnerAnswersAgainAndAgain) {
  if (process_cores().size() < 2) GTEST_SKIP() << "one core";
  const ThreadSettings settings;
  settle_on(process_cores()[0]);
  PingPongPartner partner(process_cores()[1]);
  int answers = 0;
  for (int i = 0; i < 200; ++i) answers += partner.ask().has_value();
  EXPECT_GT(answers, 0);
}

TEST(PingPong, APartnerNeverAskedEnds) { PingPongPartner partner(process_cores().back()); }

}  // namespace
}  // namespace assay
