#include "kernels/collectives/nccl_log.h"

#include <gtest/gtest.h>

namespace assay {
namespace {

constexpr const char* kLog =
    "node7:4711:4711 [0] NCCL INFO NCCL_DEBUG_SUBSYS set by environment to TUNING\n"
    "node7:4711:4711 [0] NCCL INFO AllReduce: 1024 Bytes -> Algo TREE proto LL channel{Lo..Hi}={0..0}\n"
    "node7:4711:4711 [0] NCCL INFO AllReduce: 1048576 Bytes -> Algo RING proto LL128 channel{Lo..Hi}={0..23}\n"
    "node7:4711:4711 [0] NCCL INFO ReduceScatter: 8388608 Bytes -> Algo NVLS proto SIMPLE channel{Lo..Hi}={2..17}\n";

TEST(NcclLog, TheLastLineOfTheFunctionCounts) {
  const auto choice = find_nccl_choice(kLog, "AllReduce");
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->algorithm, "RING");
  EXPECT_EQ(choice->protocol, "LL128");
  EXPECT_EQ(choice->channels, 24);
  const auto scatter = find_nccl_choice(kLog, "ReduceScatter");
  ASSERT_TRUE(scatter);
  EXPECT_EQ(scatter->algorithm, "NVLS");
  EXPECT_EQ(scatter->channels, 16);
}

TEST(NcclLog, SymmetricKernelsHaveNoProtocol) {
  const auto choice = find_nccl_choice(
      "[0] NCCL INFO AllReduce [Symmetric]: 65536 Bytes -> Kernel AllReduce_RSxLDMC_AGxSTMC nchannels 8 nthreads 512 "
      "nWorks 1\n",
      "AllReduce");
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->algorithm, "AllReduce_RSxLDMC_AGxSTMC");
  EXPECT_EQ(choice->protocol, "");
  EXPECT_EQ(choice->channels, 8);
}

TEST(NcclLog, OlderLibrariesSayNumbers) {
  const auto choice = find_nccl_choice("[0] NCCL INFO 65536 Bytes -> Algo 4 proto 2 time 33.250000\n", "AllReduce");
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->algorithm, "NVLS");
  EXPECT_EQ(choice->protocol, "SIMPLE");
  EXPECT_EQ(choice->channels, 0);
  EXPECT_EQ(find_nccl_choice("AllReduce: 8 Bytes -> Algo 9 proto 0 time 1", "AllReduce")->algorithm, "9");
}

TEST(NcclLog, NothingElseIsTakenForAChoice) {
  EXPECT_FALSE(find_nccl_choice(kLog, "AllGather"));
  EXPECT_FALSE(find_nccl_choice("", "AllReduce"));
  EXPECT_FALSE(find_nccl_choice("NCCL INFO AllReduce: opCount 2 sendbuff 0x7f count 1 datatype 1\n", "AllReduce"));
  EXPECT_FALSE(find_nccl_choice("NCCL INFO AllReduce: 1024 Bytes -> Algo \nRING proto LL\n", "AllReduce"));
  EXPECT_FALSE(find_nccl_choice(kLog, "Reduce")) << "a function's name is a whole word";
}

}  // namespace
}  // namespace assay
