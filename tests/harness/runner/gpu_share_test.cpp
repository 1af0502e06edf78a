#include "harness/runner/gpu_share.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assay {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

SeenByRank on(const std::string& host, std::vector<std::string> gpus) { return {"kernel of " + host, host, gpus}; }

const std::vector<std::string> kTwo = {"17", "65"}, kFour = {"17", "65", "98", "CA"};

TEST(GpuShare, RanksOfAHostTakeItsGpusInRankOrder) {
  EXPECT_THAT(share_gpus({on("a", kTwo), on("a", kTwo), on("b", kTwo), on("b", kTwo)}).ordinals,
              ElementsAre(ElementsAre(0), ElementsAre(1), ElementsAre(0), ElementsAre(1)));
  // By node or by turns, as launchers do.
  EXPECT_THAT(share_gpus({on("a", kTwo), on("b", kTwo), on("a", kTwo), on("b", kTwo)}).ordinals,
              ElementsAre(ElementsAre(0), ElementsAre(0), ElementsAre(1), ElementsAre(1)));
}

TEST(GpuShare, FewerRanksThanGpusHaveSeveralEachAndAllAsMany) {
  EXPECT_THAT(share_gpus({on("a", kFour), on("a", kFour)}).ordinals, ElementsAre(ElementsAre(0, 2), ElementsAre(1, 3)));
  EXPECT_THAT(share_gpus({on("a", kFour)}).ordinals, ElementsAre(ElementsAre(0, 1, 2, 3)));
  EXPECT_THAT(share_gpus({on("a", kFour), on("b", kTwo)}).ordinals, ElementsAre(ElementsAre(0, 1), ElementsAre(0, 1)));
}

TEST(GpuShare, WhatTheLauncherGaveEachRankIsItsOwn) {
  EXPECT_THAT(share_gpus({on("a", {"17"}), on("a", {"65"}), on("a", {"98"})}).ordinals,
              ElementsAre(ElementsAre(0), ElementsAre(0), ElementsAre(0)));
  // Containers of one machine have names of their own, and its kernel.
  EXPECT_THAT(share_gpus({{"k", "pod1", {"17"}}, {"k", "pod2", {"17"}}}).problem,
              HasSubstr("no GPU for rank 1: 2 ranks see the same 1 GPU of pod2"));
}

TEST(GpuShare, TooFewAreNamed) {
  const GpuShare share = share_gpus({on("a", kTwo), on("b", kTwo), on("a", kTwo), on("a", kTwo)});
  EXPECT_TRUE(share.ordinals.empty());
  EXPECT_EQ(share.problem,
            "no GPU for rank 3: 3 ranks see the same 2 GPUs of a, and each takes one; start at most 2 there "
            "(mpirun --map-by ppr:2:node, srun --ntasks-per-node=2)");
  EXPECT_EQ(share_gpus({on("a", kTwo), on("c", {})}).problem,
            "no GPU for rank 1: it sees none on c, and each rank takes one");
}

TEST(GpuShare, OneGpuInTwoListsIsNotTakenTwice) {
  const GpuShare share = share_gpus({on("a", {"17", "65"}), on("a", {"65"})});
  EXPECT_TRUE(share.ordinals.empty());
  EXPECT_THAT(share.problem, HasSubstr("ranks 0 and 1 would both take GPU 65 of a"));
}

TEST(GpuShare, WithoutGpusThereIsNothingToShare) {
  const GpuShare share = share_gpus({on("a", {}), on("b", {})});
  EXPECT_TRUE(share.ordinals.empty());
  EXPECT_EQ(share.problem, "");
}

}  // namespace
}  // namespace assay
