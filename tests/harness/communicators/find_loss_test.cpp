#include "harness/communicators/find_loss.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assay {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using State = RankView::State;

constexpr double kDeadline = 10;

RankView rank(int number, std::int64_t operation, OperationKind kind, bool inside, double seconds, double bytes = 0) {
  RankView view;
  view.identity = {number, "node7", 100 + number, ""};
  view.status = {operation, kind, bytes, inside, seconds, "sampling X", "cpu"};
  view.state = State::present;
  return view;
}
RankView waits(int number, std::int64_t operation, double seconds) {
  return rank(number, operation, OperationKind::barrier, true, seconds);
}
RankView works(int number, std::int64_t operation, double seconds) {
  return rank(number, operation, OperationKind::barrier, false, seconds);
}

TEST(FindLoss, FindsNothingWhereAllGoOn) {
  EXPECT_FALSE(find_loss({waits(0, 5, 9), works(1, 4, 60), works(2, 4, 60)}, kDeadline));
  EXPECT_FALSE(find_loss({works(0, 5, 99), works(1, 5, 600)}, kDeadline)) << "nobody waits for anybody";
}

TEST(FindLoss, WhereAllComputeWithoutEndNobodyIsAccused) {
  EXPECT_FALSE(find_loss({works(0, 5, 99), works(1, 5, 101)}, kDeadline)) << "rank 0 may be about to come";
  const auto loss = find_loss({works(0, 5, 101), works(1, 5, 101)}, kDeadline);
  ASSERT_TRUE(loss);
  EXPECT_THAT(loss->culprits, IsEmpty());
  EXPECT_THAT(loss->what, HasSubstr("all 2 are done with operation 5"));
  EXPECT_THAT(loss->what, HasSubstr("for 101.0 s, while sampling X, and none goes on"));
}

TEST(FindLoss, WhoIsBehindIsNotWhoWaits) {
  const auto loss = find_loss({waits(0, 5, 11), works(1, 4, 12), waits(2, 5, 11)}, kDeadline);
  ASSERT_TRUE(loss);
  EXPECT_THAT(loss->culprits, ElementsAre(1));
  EXPECT_THAT(loss->what, HasSubstr("lost rank 1 (node7, pid 101, cpu)"));
  EXPECT_THAT(loss->what, HasSubstr("rank 0 waits for it in operation 5, barrier"));
  EXPECT_THAT(loss->what, HasSubstr("while sampling X"));
}

TEST(FindLoss, OfThoseInOneOperationTheOneThatLeftItForGood) {
  // Rank 0 sent its value and went on; the others wait for what it does not send next.
  const auto loss = find_loss({works(0, 5, 12), waits(1, 6, 11), waits(2, 6, 11)}, kDeadline);
  ASSERT_TRUE(loss);
  EXPECT_THAT(loss->culprits, ElementsAre(0));
}

TEST(FindLoss, ALaunchThatDoesNotEndIsBehindThoseWhoseDid) {
  const auto loss = find_loss({waits(0, 6, 11), rank(1, 5, OperationKind::launch, true, 11, 64)}, kDeadline);
  ASSERT_TRUE(loss);
  EXPECT_THAT(loss->culprits, ElementsAre(1));
  EXPECT_THAT(loss->what, HasSubstr("launch of 64 bytes"));
}

TEST(FindLoss, ALaunchThatEndsNowhereAccusesNobody) {
  const auto loss =
      find_loss({rank(0, 5, OperationKind::launch, true, 11), rank(1, 5, OperationKind::launch, true, 11)}, kDeadline);
  ASSERT_TRUE(loss);
  EXPECT_THAT(loss->culprits, IsEmpty());
  EXPECT_THAT(loss->what, HasSubstr("no rank is behind"));
}

TEST(FindLoss, OneThatWasStoppedWithinALaunchIsNamedOnceItIsSilentForLongEnough) {
  const auto launch = [](int number, double seconds) { return rank(number, 5, OperationKind::launch, true, seconds); };
  RankView stopped = launch(1, 0);
  stopped.silent_seconds = 9.9;
  EXPECT_FALSE(find_loss({launch(0, 10.1), stopped}, kDeadline)) << "whether it is stopped shows in a moment";
  stopped.silent_seconds = 10.1;
  const auto loss = find_loss({launch(0, 10.3), stopped}, kDeadline);
  ASSERT_TRUE(loss);
  EXPECT_THAT(loss->culprits, ElementsAre(1));
}

TEST(FindLoss, AnEndedProcessIsKnownAtOnce) {
  auto ended = works(1, 5, 0);
  ended.state = State::ended;
  const auto loss = find_loss({waits(0, 6, 0.1), ended}, kDeadline);
  ASSERT_TRUE(loss);
  EXPECT_THAT(loss->culprits, ElementsAre(1));
  auto left = works(1, 5, 600);
  left.state = State::left;
  left.silent_seconds = 600;
  EXPECT_FALSE(find_loss({waits(0, 6, 0.1), left}, kDeadline)) << "it said that it goes";
}

TEST(FindLoss, SilenceIsALossAfterTheDeadline) {
  auto silent = works(1, 5, 0);
  silent.silent_seconds = 9;
  EXPECT_FALSE(find_loss({waits(0, 6, 9), silent}, kDeadline));
  silent.silent_seconds = 11;
  const auto loss = find_loss({waits(0, 6, 9), silent}, kDeadline);
  ASSERT_TRUE(loss);
  EXPECT_THAT(loss->culprits, ElementsAre(1));
  auto awaited = RankView{{2, "", 0, ""}, {}, State::awaited, 11};
  EXPECT_THAT(find_loss({waits(0, 6, 9), awaited}, kDeadline)->what, HasSubstr("lost rank 2: nothing was heard"));
}

TEST(FindLoss, AnotherOperationOfTheSameNumberIsKnownAtOnce) {
  const auto other = rank(2, 5, OperationKind::maximum, true, 0);
  const auto loss = find_loss({waits(0, 5, 0), waits(1, 5, 0), other}, kDeadline);
  ASSERT_TRUE(loss);
  EXPECT_THAT(loss->culprits, ElementsAre(2));
  EXPECT_THAT(loss->what, HasSubstr("operation 5 of rank 0 is barrier"));
  EXPECT_FALSE(find_loss({waits(0, 6, 0), other}, kDeadline)) << "other numbers say nothing";
  const auto zero = rank(0, 5, OperationKind::maximum, true, 0);
  EXPECT_THAT(find_loss({zero, waits(1, 5, 0), waits(2, 5, 0)}, kDeadline)->culprits, ElementsAre(0))
      << "most are right";
  EXPECT_THAT(find_loss({zero, waits(1, 5, 0)}, kDeadline)->culprits, ElementsAre(1)) << "of two, not rank 0";
}

TEST(FindLoss, LaunchesOfOneNumberAreOfOneSizeAndTextsNeedNotBe) {
  const auto launch = [](int number, double bytes) { return rank(number, 5, OperationKind::launch, true, 0, bytes); };
  EXPECT_FALSE(find_loss({launch(0, 64), launch(1, 64)}, kDeadline));
  EXPECT_THAT(find_loss({launch(0, 64), launch(1, 128)}, kDeadline)->culprits, ElementsAre(1));
  EXPECT_FALSE(find_loss(
      {rank(0, 5, OperationKind::gather, true, 0, 64), rank(1, 5, OperationKind::gather, true, 0, 8)}, kDeadline));
}

TEST(FindLoss, SaysWhereEveryRankIs) {
  const std::vector<RankView> ranks = {waits(0, 5, 11), works(1, 4, 12)};
  const std::string lines = describe_all(ranks, *find_loss(ranks, kDeadline));
  EXPECT_THAT(lines, HasSubstr("    rank 0 (node7, pid 100, cpu): in operation 5, barrier of 0 bytes, for 11.0 s"));
  EXPECT_THAT(lines, HasSubstr("  > rank 1 (node7, pid 101, cpu): done with operation 4"));
}

TEST(StatusBoard, DigestsTheOrderOfOperations) {
  const auto digest = [](const std::vector<std::pair<OperationKind, double>>& operations) {
    StatusBoard board;
    for (const auto& [kind, bytes] : operations) {
      board.begin(kind, bytes);
      EXPECT_TRUE(board.read().inside);
      board.end();
    }
    EXPECT_FALSE(board.read().inside);
    EXPECT_EQ(board.read().operation, std::int64_t(operations.size()));
    return board.digest();
  };
  const std::pair barrier(OperationKind::barrier, 0.0), maximum(OperationKind::maximum, 8.0);
  EXPECT_EQ(digest({barrier, maximum}), digest({barrier, maximum}));
  EXPECT_NE(digest({barrier, maximum}), digest({maximum, barrier}));
  EXPECT_NE(digest({barrier, barrier}), digest({barrier}));
  EXPECT_NE(digest({{OperationKind::launch, 4.0}}), digest({{OperationKind::launch, 8.0}}));
  EXPECT_EQ(digest({{OperationKind::gather, 4.0}}), digest({{OperationKind::gather, 8.0}}));
}

TEST(StatusBoard, ALaunchBeginsWhereTheBarrierBeforeItEnds) {
  StatusBoard board;
  board.begin_barrier_before_launch(64);
  EXPECT_EQ(board.read().kind, OperationKind::barrier);
  EXPECT_EQ(board.read().operation, 1);
  board.launch();
  EXPECT_EQ(board.read().kind, OperationKind::launch);
  EXPECT_EQ(board.read().operation, 2);
  EXPECT_EQ(board.read().bytes, 64);
  EXPECT_TRUE(board.read().inside);
  board.end_launch();
  EXPECT_EQ(board.read().kind, OperationKind::launch);
  EXPECT_EQ(board.read().operation, 2);
  EXPECT_FALSE(board.read().inside);
  board.begin(OperationKind::maximum, 8);
  EXPECT_EQ(board.read().operation, 3);
}

TEST(RankStatus, TravelsAsJson) {
  const RankStatus status{12, OperationKind::launch, 4096, true, 1.5, "sampling X", "gpu1"};
  EXPECT_EQ(to_json(status_from_json(to_json(status))), to_json(status));
  const RankIdentity self = identify(3);
  EXPECT_EQ(to_json(identity_from_json(to_json(self))), to_json(self));
  EXPECT_FALSE(self.host.empty());
}

}  // namespace
}  // namespace assay
