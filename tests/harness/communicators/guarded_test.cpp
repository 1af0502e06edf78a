// Watched ranks that are threads of one process: the watchdogs and their connections are real, MPI is not there.
#include "harness/communicators/guarded.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/communicators/line_socket.h"
#include "harness/core/error.h"
#include "tests/harness/runner/thread_ranks.h"

namespace assay {
namespace {

void as_watched_ranks(int size, double deadline, const std::function<void(Communicator&)>& body) {
  ThreadGroup group(size);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      const auto ranks = guard(std::make_unique<ThreadRank>(group, rank), "threads", deadline);
      body(*ranks);
      ranks->barrier();
    });
  for (auto& thread : threads) thread.join();
}

TEST(Guarded, PassesEveryOperationOn) {
  as_watched_ranks(3, 30, [](Communicator& ranks) {
    ranks.doing("testing", "cpu");
    EXPECT_EQ(ranks.size(), 3);
    EXPECT_EQ(ranks.launcher(), "threads");
    EXPECT_EQ(ranks.maximum(ranks.rank()), 2);
    EXPECT_EQ(ranks.broadcast(ranks.rank() + 0.5), 0.5);
    EXPECT_EQ(ranks.broadcast(std::to_string(ranks.rank())), "0");
    EXPECT_THAT(ranks.gather(std::string(std::size_t(ranks.rank()), 'x')), ::testing::ElementsAre("", "x", "xx"));
    ranks.barrier_before_launch(64);
    ranks.end_launch();
  });
}

TEST(Guarded, GoesOnForLongerThanItsDeadlineWhereRanksKeepUp) {
  // A second: on a busy machine a thread that keeps up may not run for half of one.
  as_watched_ranks(2, 1, [](Communicator& ranks) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(2000);
    while (ranks.broadcast(std::chrono::steady_clock::now() < until ? 1.0 : 0.0) != 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::this_thread::sleep_for(std::chrono::milliseconds(1300));  // all of them: nobody waits for anybody
  });
}

TEST(GuardedDeathTest, AProcessAloneThatHangsSaysWhereAndSavesWhatIsFinished) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto hang = [] {
    const auto alone = guard(make_single_communicator(), "", 0.05);
    alone->set_save([](const std::string& why) { return "saved because " + why; });
    alone->doing("checking X");
    std::this_thread::sleep_for(std::chrono::minutes(1));
  };
  EXPECT_EXIT(hang(), ::testing::ExitedWithCode(4),
              "assay: nothing has ended for .*, while checking X\nsaved because nothing has ended");
}

/// For longer than a hang may last, 3 s: by operations, by launches, by steps of a check.
TEST(Guarded, AProcessAloneThatGoesOnIsLeftAlone) {
  const auto alone = guard(make_single_communicator(), "", 0.3);
  for (int i = 0; i < 9; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    if (i % 3 == 0) alone->barrier_before_launch(64), alone->end_launch();
    if (i % 3 == 1) alone->goes_on();
    if (i % 3 == 2) alone->barrier();
  }
  EXPECT_EQ(alone->launcher(), "");
}

TEST(Guarded, AnErrorLeavesAProcessAloneAsItIs) {
  const auto fail = [] {
    const auto alone = guard(make_single_communicator(), "", 30);
    throw InputError("this file");
  };
  EXPECT_THROW(fail(), InputError);
}

TEST(GuardedDeathTest, ARankThatKeepsTheOthersWaitingIsNamedAndWhatIsFinishedIsSaved) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto hang = [](Communicator& ranks) {
    if (ranks.is_root()) ranks.set_save([](const std::string& why) { return "saved because " + why; });
    ranks.barrier();
    if (ranks.rank() == 1) std::this_thread::sleep_for(std::chrono::minutes(1));
  };
  EXPECT_EXIT(as_watched_ranks(3, 0.5, hang), ::testing::ExitedWithCode(4), "lost rank 1 .*saved because lost rank 1");
}

TEST(GuardedDeathTest, AnOperationThatPassedUnnoticedIsNoticedAtTheNextGather) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto stray = [](Communicator& ranks) {
    if (ranks.rank() == 1)
      ranks.broadcast("");  // which threads match with a barrier, as MPI may
    else
      ranks.barrier();
    ranks.gather("");
  };
  EXPECT_EXIT(as_watched_ranks(3, 30, stray), ::testing::ExitedWithCode(4), "lost rank 1.* left the common order");
}

TEST(LineSocket, CarriesLinesAndTheEnd) {
  const Listener listener = listen_here(true);
  LineSocket here = connect_to({"127.0.0.1"}, listener.port, 30), there;
  // The kernel hands things on when it has time: each look may be too early.
  const auto becomes = [](const auto& holds) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!holds() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    return holds();
  };
  ASSERT_TRUE(becomes([&] { return there.is_open() || (there = accept_one(listener)).is_open(); }));
  here.send("first");
  here.send("second");
  std::vector<std::string> heard;
  const auto hears = [&] {
    for (std::string& line : there.receive()) heard.push_back(std::move(line));
  };
  EXPECT_TRUE(becomes([&] { return hears(), heard.size() >= 2; }));
  EXPECT_THAT(heard, ::testing::ElementsAre("first", "second"));
  EXPECT_FALSE(there.ended());
  here = LineSocket();
  EXPECT_TRUE(becomes([&] { return hears(), there.ended(); }));
  EXPECT_EQ(heard.size(), 2u);
}

TEST(LineSocket, SaysWhatCouldNotBeReached) {
  int port = 0;
  { port = listen_here(true).port; }
  try {
    connect_to({"127.0.0.1"}, port, 1);
    FAIL() << "nobody listens there";
  } catch (const MeasureError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("127.0.0.1:" + std::to_string(port) + ": Connection refused"));
  }
}

}  // namespace
}  // namespace assay
