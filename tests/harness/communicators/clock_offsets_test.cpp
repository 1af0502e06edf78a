#include "harness/communicators/clock_offsets.h"

#include <gtest/gtest.h>

#include "harness/communicators/rank_status.h"
#include "tests/harness/runner/thread_ranks.h"

namespace assay {
namespace {

TEST(ClockOffsets, TheFastestPairOfMessagesCounts) {
  // The clock is 5 s ahead; a message takes 1 s each way, or waits for its receiver.
  const ClockOffset offset = offset_of({{6 + 3, -4}, {6, -4}, {6, -4 + 8}});
  EXPECT_DOUBLE_EQ(offset.seconds, 5);
  EXPECT_DOUBLE_EQ(offset.uncertainty, 1);
}

TEST(ClockOffsets, LessThanTheDelayIsNone) {
  EXPECT_EQ(offset_of({{1.4, 0.8}}).seconds, 0);
  EXPECT_DOUBLE_EQ(offset_of({{2.5, -0.5}}).seconds, 1.5);
}

TEST(ClockOffsets, OfRanksWhoseClocksAreApart) {
  const double apart[] = {0, 100, -7, 0};
  as_ranks(4, [&](Communicator& ranks) {
    const double mine = apart[ranks.rank()];
    const auto offsets = find_clock_offsets(ranks, [&] { return monotonic_seconds() + mine; });
    ASSERT_EQ(offsets.size(), 4u);
    for (std::size_t rank = 0; rank < 4; ++rank) {
      EXPECT_NEAR(offsets[rank].seconds, apart[rank], offsets[rank].uncertainty + 1e-9) << rank;
      EXPECT_LT(offsets[rank].uncertainty, 1);
    }
    EXPECT_EQ(offsets[3].seconds, 0);  // one clock: what is seen is delay
  });
}

}  // namespace
}  // namespace assay
