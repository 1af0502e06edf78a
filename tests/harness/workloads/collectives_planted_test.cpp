// What the workloads of collectives say of kernels that are wrong.
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "tests/harness/workloads/collectives_testing.h"

namespace assay {
namespace {

using ::testing::HasSubstr;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TEST(CollectivePlanted, TheHarnessItselfAcceptsARightKernel) {
  for (const char* placement : {"out_of_place", "in_place"}) {
    const Check check = run_planted(right, placement);
    EXPECT_TRUE(check.ok()) << check.describe();
  }
}

TEST(CollectivePlanted, AnOutputNeverWrittenIsWrong) {
  const Check check = run_planted([](const CollectiveProblem&, const CollectiveBuffers&, int) {}, "out_of_place");
  EXPECT_FALSE(check.ok());
  EXPECT_EQ(check.wrong, check.elements);
  EXPECT_TRUE(std::isnan(check.got));
  EXPECT_FALSE(run_planted([](const CollectiveProblem&, const CollectiveBuffers&, int) {}, "in_place").ok());
}

TEST(CollectivePlanted, OneElementOffByOneIsNamedByRankAndIndex) {
  for (const char* placement : {"out_of_place", "in_place"}) {
    const Check check = run_planted(
        [](const CollectiveProblem& problem, const CollectiveBuffers& buffers, int launch) {
          right(problem, buffers, launch);
          static_cast<float*>(buffers.output[1])[7777] += 1;
        },
        placement);
    EXPECT_FALSE(check.ok());
    EXPECT_THAT(check.where, HasSubstr("element 7777, set 0, timed"));
    if (std::string(placement) == "in_place") continue;  // there the next launch spreads the error to all ranks
    EXPECT_THAT(check.where, HasSubstr("output of rank 1"));
    EXPECT_EQ(check.wrong, 2);  // in the timed buffers, and in the launch after them
  }
}

TEST(CollectivePlanted, ANanIsWrong) {
  const Check check = run_planted(
      [](const CollectiveProblem& problem, const CollectiveBuffers& buffers, int launch) {
        right(problem, buffers, launch);
        static_cast<float*>(buffers.output[2])[0] = kNaN;
      },
      "out_of_place");
  EXPECT_FALSE(check.ok());
  EXPECT_THAT(check.where, HasSubstr("rank 2, element 0"));
}

TEST(CollectivePlanted, AKernelThatIsRightOnceAndThenDoesNothingIsWrong) {
  const Fault lazy = [](const CollectiveProblem& problem, const CollectiveBuffers& buffers, int launch) {
    if (launch == 0) right(problem, buffers, launch);
  };
  for (const char* placement : {"out_of_place", "in_place"}) {
    const Check check = run_planted(lazy, placement);
    EXPECT_FALSE(check.ok()) << placement;
    EXPECT_THAT(check.where, HasSubstr("launched once more"));
  }
}

TEST(CollectivePlanted, AKernelThatFailsOnlyWhileTimedIsWrong) {
  // Three sets of launches are timed; the fourth, alone, is right.
  const Fault flaky = [](const CollectiveProblem& problem, const CollectiveBuffers& buffers, int launch) {
    right(problem, buffers, launch);
    if (launch < 3) static_cast<float*>(buffers.output[0])[1] = 1000;
  };
  for (const char* placement : {"out_of_place", "in_place"}) {
    const Check check = run_planted(flaky, placement);
    EXPECT_FALSE(check.ok()) << placement;
    EXPECT_THAT(check.where, HasSubstr("rank 0, element 1, set 0, timed"));
  }
}

TEST(CollectivePlanted, ARankLeftOutIsWrong) {
  const Fault two_of_three = [](const CollectiveProblem& problem, const CollectiveBuffers& buffers, int launch) {
    CollectiveBuffers fewer = buffers;
    fewer.input.pop_back();
    right(problem, fewer, launch);
  };
  const Check check = run_planted(two_of_three, "out_of_place");
  EXPECT_FALSE(check.ok());
  EXPECT_GT(check.wrong, check.elements * 9 / 10);  // except where the missing rank's input is 0
}

TEST(CollectivePlanted, AWritePastTheEndIsWrong) {
  const Check check = run_planted(
      [](const CollectiveProblem& problem, const CollectiveBuffers& buffers, int launch) {
        right(problem, buffers, launch);
        static_cast<float*>(buffers.output[1])[problem.count] = 0;
      },
      "out_of_place");
  EXPECT_FALSE(check.ok());
}

// Every operation, element by element, from the definition in the contract; then one planted fault.
class PlantedAny final : public CollectiveOperation {
 public:
  explicit PlantedAny(const CollectiveProblem& problem) : problem_(problem) {}
  void launch(const CollectiveBuffers& buffers, Stream) override {
    const int ranks = problem_.peers.ranks;
    const std::int64_t part = problem_.part();
    const auto in = [&](int rank, std::int64_t i) {
      return load_element(problem_.dtype, buffers.input[std::size_t(rank)], i);
    };
    std::vector<std::vector<double>> outputs(static_cast<std::size_t>(ranks));
    for (int rank = 0; rank < ranks; ++rank)
      for (std::int64_t i = 0; i < problem_.output_count(); ++i) {
        double value = 0;
        switch (problem_.operation) {
          case Collective::all_reduce:
            for (int r = 0; r < ranks; ++r) value += in(r, i);
            break;
          case Collective::reduce_scatter:
            for (int r = 0; r < ranks; ++r) value += in(r, rank * part + i);
            break;
          case Collective::all_gather:
            value = in(int(i / part), i % part);
            break;
          case Collective::all_to_all:
            value = in(int(i / part), rank * part + i % part);
            break;
          case Collective::broadcast:
            value = in(problem_.root, i);
            break;
          case Collective::send_recv:
            value = in((rank + ranks - 1) % ranks, i);
            break;
        }
        outputs[std::size_t(rank)].push_back(value);
      }
    outputs[1][5] += 1;  // the fault
    for (int rank = 0; rank < ranks; ++rank)
      for (std::int64_t i = 0; i < problem_.output_count(); ++i)
        store_element(problem_.dtype, buffers.output[std::size_t(rank)], i, outputs[std::size_t(rank)][std::size_t(i)]);
  }

 private:
  CollectiveProblem problem_;
};

TEST(CollectivePlanted, OneElementOffByOneIsNamedExactlyInEveryOperation) {
  std::vector<CollectiveKernel> kernels = table_of(right);
  kernels[0].prepare = [](const CollectiveProblem& problem, const Target&, const std::vector<CollectiveBuffers>&,
                          Stream) { return std::make_unique<PlantedAny>(problem); };
  for (const CollectiveInfo& op : kCollectives) {
    const Case point = case_of("planted", DType::f32, 1200, 3, "out_of_place");
    const Check check = run(kernels, point, 2, op.operation);
    EXPECT_FALSE(check.ok()) << op.name;
    EXPECT_EQ(check.where, "output of rank 1, element 5, set 0, timed") << op.name;
    EXPECT_EQ(check.got, check.expected + 1) << op.name;
    EXPECT_EQ(check.wrong, 2) << op.name << ": in the timed buffers, and in the launch after them";
  }
}

TEST(CollectivePlanted, OutputsThatAreEqualButNotTheSameBytesAreWrong) {
  const Fault minus_zero = [](const CollectiveProblem& problem, const CollectiveBuffers& buffers, int launch) {
    right(problem, buffers, launch);
    auto* output = static_cast<float*>(buffers.output[1]);
    for (std::int64_t i = 0; i < problem.count; ++i)
      if (output[i] == 0) output[i] = -0.0f;
  };
  const Check check = run_planted(minus_zero, "out_of_place");
  EXPECT_FALSE(check.ok());
  EXPECT_THAT(check.outside, HasSubstr("the outputs of rank 1 are other bytes than rank 0's"));
}

}  // namespace
}  // namespace assay
