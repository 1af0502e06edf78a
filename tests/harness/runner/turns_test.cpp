#include "harness/runner/turns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>

#include "tests/harness/runner/planted_catalog.h"
#include "tests/harness/runner/thread_ranks.h"

namespace assay {
namespace {

using testing::ElementsAre;
using Groups = std::vector<std::vector<std::size_t>>;

class TurnsTest : public testing::Test {
 protected:
  static PlannedCase planned(const std::string& kernel, std::int64_t n = 64, Mode mode = Mode::burst) {
    PlannedCase out{planted_case(kernel, n), Support::yes(), {}};
    out.point.mode = mode;
    return out;
  }
  Groups groups(const std::vector<PlannedCase>& planned, std::vector<Todo> todo = {}) {
    todo.resize(planned.size());
    return arrange_turns(planned, todo, machine_, *alone_);
  }

  Machine machine_{1};
  std::unique_ptr<Communicator> alone_ = make_single_communicator();
};

TEST_F(TurnsTest, AreTakenByTheKernelsOfAPointInTheOrderOfThePlan) {
  const Groups got = groups({planned("a", 1), planned("b", 1), planned("a", 2), planned("lib", 1), planned("b", 2)});
  EXPECT_THAT(got, ElementsAre(ElementsAre(0, 1, 3), ElementsAre(2, 4)));
}

TEST_F(TurnsTest, AreTakenByAllWaysAKernelMayChooseAndTheYardstick) {
  auto cases = std::vector{planned("a", 1), planned("a", 1), planned("lib", 1)};
  cases[0].point.axes.push_back({"config", std::string("128x256")});
  cases[1].point.axes.push_back({"algo", std::string("ring")});
  EXPECT_THAT(groups(cases), ElementsAre(ElementsAre(0, 1, 2)));
}

TEST_F(TurnsTest, AreTakenByWhatTheSuiteGaveOneName) {
  auto cases = std::vector{planned("a", 1), planned("b", 2), planned("c", 3), planned("d", 1), planned("e", 2)};
  cases[0].point.in_turns = cases[1].point.in_turns = cases[4].point.in_turns = "bars";
  EXPECT_THAT(groups(cases), ElementsAre(ElementsAre(0, 1, 4), ElementsAre(2), ElementsAre(3)));
}

TEST_F(TurnsTest, AreNotTakenInSustainedMode) {
  const Groups got = groups({planned("a", 1, Mode::sustained), planned("b", 1, Mode::sustained), planned("b", 1)});
  EXPECT_THAT(got, ElementsAre(ElementsAre(0), ElementsAre(1), ElementsAre(2)));
}

TEST_F(TurnsTest, LeaveOutWhatIsDoneSkippedOrWasCutOff) {
  auto cases = std::vector{planned("a"), planned("b"), planned("c"), planned("d"), planned("e")};
  cases[2].support = Support::no("not here");
  const Groups got = groups(cases, {{true}, {}, {}, {false, 1, 0}, {}});
  EXPECT_THAT(got, ElementsAre(ElementsAre(1, 4), ElementsAre(2), ElementsAre(3)));
}

TEST_F(TurnsTest, OpenAnotherGroupWhereMemoryEnds) {
  auto cases = std::vector{planned("a"), planned("b"), planned("c"), planned("d")};
  const auto free = machine_.backend_for(cases[0].point).free_bytes();
  for (auto& one : cases) one.bytes = free / 6;  // two in four tenths of it
  EXPECT_THAT(groups(cases), ElementsAre(ElementsAre(0, 1), ElementsAre(2, 3)));
  cases[0].bytes = free / 2;  // as it fits alone
  EXPECT_THAT(groups(cases), ElementsAre(ElementsAre(0), ElementsAre(1, 2), ElementsAre(3)));
}

TEST_F(TurnsTest, AreTheSameOnEveryRankThoughMemoryIsNot) {
  std::mutex mutex;
  std::vector<Groups> got;
  as_ranks(2, [&](Communicator& communicator) {
    Machine machine(1);
    auto cases = std::vector{planned("a"), planned("b")};
    if (communicator.rank() == 1) cases[1].bytes = std::size_t(1) << 50;
    const Groups mine = arrange_turns(cases, std::vector<Todo>(2), machine, communicator);
    const std::lock_guard lock(mutex);
    got.push_back(mine);
  });
  const Groups alone = {{0}, {1}};
  EXPECT_THAT(got, ElementsAre(alone, alone));
}

}  // namespace
}  // namespace assay
