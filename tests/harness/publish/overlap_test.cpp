#include "harness/publish/overlap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assay {
namespace {

using ::testing::HasSubstr;

TableRow row(const std::string& part, double seconds, double half_width = 0) {
  TableRow out;
  out.workload = "overlap";
  out.id = "overlap/a+b/cpu/f32/ranks=2/part=" + part + "/hot/burst/normal/seed=1";
  out.seconds = seconds;
  out.seconds_low = seconds - half_width;
  out.seconds_high = seconds + half_width;
  return out;
}

TEST(Overlap, EfficiencyIsThePartOfTheShorterThatIsHidden) {
  const auto efficiency = [](double gemm, double reduce, double both) {
    const auto all = overlaps({row("gemm", gemm), row("all_reduce", reduce), row("both", both)});
    return all.at(0).efficiency();
  };
  EXPECT_DOUBLE_EQ(efficiency(4, 2, 4), 1);
  EXPECT_DOUBLE_EQ(efficiency(4, 2, 5), 0.5);
  EXPECT_DOUBLE_EQ(efficiency(4, 2, 6), 0);
  EXPECT_DOUBLE_EQ(efficiency(4, 2, 8), -1);
}

TEST(Overlap, SlowdownIsOfEachAndTheIntervalIsTheWorst) {
  const auto one = overlaps({row("both", 6, 0.5), row("gemm", 4, 0.1), row("all_reduce", 3, 0.1)}).at(0);
  EXPECT_DOUBLE_EQ(one.gemm_slowdown(), 1.5);
  EXPECT_DOUBLE_EQ(one.all_reduce_slowdown(), 2);
  EXPECT_DOUBLE_EQ(one.efficiency_low, (3.9 + 2.9 - 6.5) / 2.9);
  EXPECT_DOUBLE_EQ(one.efficiency_high, (4.1 + 3.1 - 5.5) / 3.1);
}

TEST(Overlap, APointWithoutAllThreePartsHasNone) {
  TableRow failed = row("both", 1);
  failed.seconds.reset();
  EXPECT_TRUE(overlaps({row("gemm", 4), row("all_reduce", 2), failed}).empty());
  EXPECT_EQ(to_overlap_table({row("gemm", 4)}), "");
  EXPECT_THAT(to_overlap_table({row("gemm", 4), row("all_reduce", 2), row("both", 5)}),
              HasSubstr("| overlap/a+b/cpu/f32/ranks=2/hot/burst/normal/seed=1 | 4000 ms | 2000 ms | 5000 ms | 1.25x | "
                        "2.50x | 0.50 (0.50 to 0.50) |"));
}

}  // namespace
}  // namespace assay
