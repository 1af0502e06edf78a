// Wrong use of tensor memory and tcgen05 is reported as what it is; the same kernel without the mistake runs clean.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/simt/simt.h"

namespace simt::test {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::StartsWith;

class Tcgen05FaultTest : public testing::TestWithParam<Async> {
 protected:
  Tcgen05FaultTest() {
    options_.async = GetParam(), options_.heap = &heap_, options_.shuffle_schedule = GetParam() == Async::Random;
  }
  template <class... A>
  std::string run(const char* kernel, Dim3 grid, Dim3 block, Dim3 cluster, const A&... arguments) {
    try {
      static const ptx::Module module(ptx_text(ASSAY_PTX_DIR, "tcgen05_faults"));  // takes longer to read than to run
      launch(module.kernel(kernel), {grid, block, 0, cluster}, options_, arguments...);
      return "none";
    } catch (const Error& e) {
      return e.what();
    }
  }
  std::string run(const char* kernel) { return run(kernel, {}, {160, 1, 1}, {}, out_); }

  DeviceHeap heap_;
  Options options_;
  float* out_ = heap_.poisoned<float>(256);
};

TEST_P(Tcgen05FaultTest, NoMistake) {
  ASSERT_EQ(run("None"), "none");
  for (int i = 0; i < 256; ++i) EXPECT_EQ(out_[i], float(i < 128 ? 16 * 2 : 16 * 6)) << i;
}

TEST_P(Tcgen05FaultTest, Allocation) {
  EXPECT_THAT(run("NotDeallocated"), AllOf(StartsWith("tensor memory"), HasSubstr("not deallocated")));
  EXPECT_THAT(run("DeallocatedTwice"), AllOf(StartsWith("tensor memory"), HasSubstr("none is left")));
  EXPECT_THAT(run("OddSize"), AllOf(StartsWith("tensor memory"), HasSubstr("power of two")));
  EXPECT_THAT(run("TooMuch"), AllOf(StartsWith("deadlock"), HasSubstr("tcgen05.alloc")));
  EXPECT_THAT(run("AllocatedAfterRelinquish"), AllOf(StartsWith("tensor memory"), HasSubstr("relinquish")));
  EXPECT_THAT(run("NeverAllocated"), AllOf(StartsWith("tensor memory"), HasSubstr("not all allocated")));
  EXPECT_THAT(run("PastTheAllocation"), AllOf(StartsWith("tensor memory"), HasSubstr("not all allocated")));
  EXPECT_THAT(run("OtherLanes"), AllOf(StartsWith("tensor memory"), HasSubstr("which reaches lanes")));
  EXPECT_THAT(run("half_a_pair_allocates", {2, 1, 1}, {32, 1, 1}, {2, 1, 1}), StartsWith("deadlock"));
  EXPECT_THAT(run("DeallocatedTooEarly"), AnyOf(StartsWith("data race"), StartsWith("tensor memory")));
}

TEST_P(Tcgen05FaultTest, OrderOfProductsAndLoads) {
  EXPECT_THAT(run("NoWaitForCommit"), AnyOf(StartsWith("data race"), HasSubstr("was never written")));
  EXPECT_THAT(run("NoFenceAfterCommit"), AllOf(StartsWith("missing tcgen05 fence"),
                                               HasSubstr("fence::after_thread_sync"), HasSubstr("faults.cu:")));
  EXPECT_THAT(run("NoFenceBeforeRelease"),
              AllOf(StartsWith("missing tcgen05 fence"), HasSubstr("fence::before_thread_sync")));
  EXPECT_THAT(run("NoFenceAfterDrain"),
              AllOf(StartsWith("missing tcgen05 fence"), HasSubstr("fence::after_thread_sync")));
  EXPECT_THAT(run("NoWaitForDrain"), AnyOf(StartsWith("data race"), StartsWith("deadlock")));  // or a phase too far
  EXPECT_THAT(run("NoWaitForLoad"), AllOf(StartsWith("data race"), HasSubstr("tcgen05.wait")));
  EXPECT_THAT(run("UsedBeforeWait"), AllOf(StartsWith("asynchronous operation"), HasSubstr("before tcgen05.wait::ld")));
  EXPECT_THAT(run("NoWaitForStore"), AllOf(StartsWith("data race"), HasSubstr("tcgen05.st")));
  EXPECT_THAT(run("CommittedByAnotherThread"), AnyOf(StartsWith("data race"), StartsWith("missing tcgen05 fence")));
  EXPECT_THAT(run("AnotherShape"), AllOf(StartsWith("data race"), HasSubstr("another shape")));
}

TEST_P(Tcgen05FaultTest, AInTensorMemory) {
  ASSERT_EQ(run("a_None"), "none");
  for (int i = 0; i < 128; ++i) EXPECT_EQ(out_[i], float(16 * 2)) << i;
  EXPECT_THAT(run("a_NoWaitForStore"), AllOf(StartsWith("data race"), HasSubstr("tcgen05.wait")));
  EXPECT_THAT(run("a_NoFenceBefore"),
              AllOf(StartsWith("missing tcgen05 fence"), HasSubstr("fence::before_thread_sync")));
  EXPECT_THAT(run("a_NoFenceAfter"), AllOf(StartsWith("missing tcgen05 fence"), HasSubstr("fence::after_thread_sync")));
  EXPECT_THAT(run("a_OverwrittenTooEarly"), StartsWith("data race"));
  EXPECT_THAT(run("a_PastTheAllocation"), AllOf(StartsWith("tensor memory"), HasSubstr("not all allocated")));
  EXPECT_THAT(run("a_NeverStored"), AllOf(StartsWith("tensor memory"), HasSubstr("was never written")));
}

TEST_P(Tcgen05FaultTest, SharedMemoryOfProducts) {
  EXPECT_THAT(run("NoProxyFence"), StartsWith("missing proxy fence"));
  EXPECT_THAT(run("RefilledTooEarly"), AllOf(StartsWith("data race"), HasSubstr("shared address")));
}

TEST_P(Tcgen05FaultTest, Products) {
  EXPECT_THAT(run("StartedByAWarp"), AllOf(StartsWith("asynchronous operation"), HasSubstr("issued by 32 lanes")));
  EXPECT_THAT(run("BadSharedDescriptor"), AllOf(StartsWith("bad descriptor"), HasSubstr("bits 46-48")));
  EXPECT_THAT(run("BadInstruction"), AllOf(StartsWith("bad descriptor"), HasSubstr("m 96")));
  EXPECT_THAT(run("AddsToNothing"), AllOf(StartsWith("tensor memory"), HasSubstr("was never written")));
  EXPECT_THAT(run("NeverCommitted"), AnyOf(StartsWith("asynchronous operation"), StartsWith("data race")));
}

INSTANTIATE_TEST_SUITE_P(Policies, Tcgen05FaultTest, testing::Values(Async::Lazy, Async::Eager, Async::Random));

}  // namespace
}  // namespace simt::test
