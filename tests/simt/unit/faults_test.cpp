// Planted mistakes are reported as what they are; the same kernels without them run clean.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "tests/simt/simt.h"

namespace simt::test {
namespace {

class FaultTest : public testing::TestWithParam<Async> {
 protected:
  FaultTest() : module_(ptx_text(ASSAY_PTX_DIR, "faults")) {
    std::iota(numbers_.begin(), numbers_.end(), 0);
    options_.async = GetParam(), options_.heap = &heap_, options_.shuffle_schedule = GetParam() == Async::Random;
  }

  /// The name of the fault and what was said, or "none".
  template <class... A>
  std::string run(const char* kernel, unsigned blocks, unsigned threads, unsigned shared, A... arguments) {
    try {
      launch(module_.kernel(kernel), {{blocks, 1, 1}, {threads, 1, 1}, shared, {}}, options_, arguments...);
      return "none";
    } catch (const Error& e) {
      return e.what();
    }
  }

  std::string run_pair(const char* kernel) {
    try {
      launch(module_.kernel(kernel), {{2, 1, 1}, {32, 1, 1}, 0, {2, 1, 1}}, options_, out_);
      return "none";
    } catch (const Error& e) {
      return e.what();
    }
  }

  const ptx::Module module_;
  DeviceHeap heap_;
  Options options_;
  std::vector<int> numbers_ = std::vector<int>(64);
  int* out_ = heap_.poisoned<int>(64);
};

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

TEST_P(FaultTest, MissingBarrier) {
  EXPECT_EQ(run("exchange", 1, 64, 0, out_), "none");
  EXPECT_EQ(out_[0], 63);
  EXPECT_THAT(run("exchange_without_barrier", 1, 64, 0, out_),
              testing::AnyOf(StartsWith("data race"), StartsWith("uninitialised shared memory")));
}

TEST_P(FaultTest, MissingWaitForCopies) {
  const int* in = heap_.upload(numbers_);
  EXPECT_EQ(run("copy_waited", 1, 32, 0, in, out_), "none");
  EXPECT_EQ(heap_.download(out_, 32), std::vector<int>(numbers_.begin(), numbers_.begin() + 32));
  EXPECT_THAT(run("copy_not_waited", 1, 32, 0, in, out_),
              testing::AnyOf(StartsWith("data race"), StartsWith("uninitialised shared memory")));
  EXPECT_THAT(run("copy_never_waited", 1, 32, 0, in, out_), StartsWith("asynchronous operation"));
}

TEST_P(FaultTest, MissingProxyFence) {
  EXPECT_EQ(run("store_fenced", 1, 32, 0, out_), "none");
  EXPECT_EQ(out_[31], 93);
  EXPECT_THAT(run("store_not_fenced", 1, 32, 0, out_),
              AllOf(StartsWith("missing proxy fence"), HasSubstr("faults.cu:")));
}

TEST_P(FaultTest, BulkLoadSignalsItsBarrier) {
  EXPECT_EQ(run("bulk_load", 1, 32, 0, heap_.upload(numbers_), out_), "none");
  EXPECT_EQ(out_[31], 31);
}

TEST_P(FaultTest, OutOfBounds) {
  int* ten = heap_.poisoned<int>(10);
  EXPECT_EQ(run("past_the_end", 1, 32, 0, ten, 9), "none");
  EXPECT_THAT(run("past_the_end", 1, 32, 0, ten, 10),
              AllOf(StartsWith("out of bounds"), HasSubstr("past the end of an allocation of 40")));
  EXPECT_THAT(run("before_the_start", 1, 32, 0, ten),
              AllOf(StartsWith("out of bounds"), HasSubstr("before an allocation")));
  EXPECT_EQ(run("outside_shared", 1, 32, 160, out_, 8), "none");
  EXPECT_THAT(run("outside_shared", 1, 32, 160, out_, 9), StartsWith("out of bounds"));
  EXPECT_THAT(run("misaligned", 1, 1, 0, out_, 8), StartsWith("misaligned"));
}

TEST_P(FaultTest, UninitialisedSharedMemory) {
  EXPECT_THAT(run("never_written", 1, 32, 0, out_, 0), StartsWith("uninitialised shared memory"));
}

TEST_P(FaultTest, DivergenceAndDeadlock) {
  EXPECT_THAT(run("half_a_warp_at_a_barrier", 1, 32, 0, out_),
              testing::AnyOf(StartsWith("divergence"), StartsWith("deadlock")));
  EXPECT_THAT(run("wrong_shuffle_mask", 1, 32, 0, out_), StartsWith("divergence"));
  EXPECT_THAT(run("barrier_in_half_a_block", 1, 64, 0, out_),
              AllOf(StartsWith("deadlock"), HasSubstr("barrier 1, 32 of 64 arrived")));
  EXPECT_THAT(run("wait_for_nobody", 1, 64, 0, out_),
              AllOf(StartsWith("deadlock"), HasSubstr("1 of 1 arrivals pending")));
}

TEST_P(FaultTest, ExitBeforeTheOtherCtasArrival) {
  EXPECT_EQ(run_pair("signalled_and_waited"), "none");
  EXPECT_THAT(
      run_pair("signalled_perhaps_after_its_end"),
      AllOf(StartsWith("asynchronous operation"), HasSubstr("cta 0 may exit before an mbarrier of it is signalled"),
            HasSubstr("cta 1 warp 0 lane 0")));
}

TEST_P(FaultTest, FencesBetweenCtas) {
  for (const CtaOrder order : {CtaOrder::Sequential, CtaOrder::RoundRobin, CtaOrder::Random}) {
    options_.cta_order = order, options_.global_races = true;
    const auto sum = [&](const char* kernel) {
      unsigned* count = heap_.upload(std::vector<unsigned>{0});
      return run(kernel, 4, 32, 0, heap_.poisoned<int>(128), count, out_);
    };
    EXPECT_EQ(sum("last_block"), "none");
    EXPECT_EQ(out_[0], 32 * (0 + 1 + 2 + 3));
    EXPECT_THAT(sum("last_block_without_release"), AllOf(StartsWith("data race"), HasSubstr("global address")));
    EXPECT_THAT(sum("last_block_without_acquire"), AllOf(StartsWith("data race"), HasSubstr("global address")));
  }
}

TEST_P(FaultTest, WaitingForALaterCtaNeedsInterleaving) {
  const auto wait = [&](const char* kernel) {
    return run(kernel, 2, 32, 0, heap_.poisoned<int>(1), heap_.upload(std::vector<unsigned>{0}), out_);
  };
  options_.global_races = true;
  options_.cta_order = CtaOrder::RoundRobin;
  EXPECT_EQ(wait("wait_for_a_later_cta"), "none");
  EXPECT_EQ(out_[0], 42);
  EXPECT_THAT(wait("wait_relaxed"), StartsWith("data race"));
}

INSTANTIATE_TEST_SUITE_P(Policies, FaultTest, testing::Values(Async::Lazy, Async::Eager, Async::Random));

}  // namespace
}  // namespace simt::test
