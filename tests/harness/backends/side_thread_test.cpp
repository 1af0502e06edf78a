#include "harness/backends/side_thread.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <stdexcept>
#include <thread>
#include <vector>

#include "harness/backends/backend.h"
#include "harness/backends/cores.h"

namespace assay {
namespace {

TEST(SideThread, DoesWhatItIsGivenInOrderBesideItsOwner) {
  SideThread side;
  std::vector<int> done;
  std::promise<void> go;
  side.start([wait = go.get_future().share()] { wait.wait(); });
  for (int i = 0; i < 50; ++i) side.start([&done, i] { done.push_back(i); });
  go.set_value();  // a thread that began only in wait() would never come here
  side.wait();
  ASSERT_EQ(done.size(), 50U);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(done[std::size_t(i)], i);
  side.wait();  // nothing is awaited
}

TEST(SideThread, AnErrorComesOutOnceAndEndsWhatWasBehindIt) {
  SideThread side;
  bool behind = false;
  for (int i = 0; i < 3; ++i) {
    std::promise<void> go;
    side.start([wait = go.get_future().share()] { wait.wait(); });
    side.start([] { throw std::runtime_error("the planted one"); });
    side.start([&] { behind = true; });
    go.set_value();
    EXPECT_THROW(side.wait(), std::runtime_error);
    EXPECT_FALSE(behind);
    bool after = false;
    side.start([&] { after = true; });
    side.wait();
    EXPECT_TRUE(after);
  }
}

/// The owner leaves by an exception of its own: what runs is waited for, what was to follow is not begun.
TEST(SideThread, ItsEndWaitsForWhatIsBeingDone) {
  std::atomic<bool> finished = false, begun = false;
  std::promise<void> entered;
  {
    SideThread side;
    side.start([&] {
      entered.set_value();
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      finished = true;
    });
    side.start([&] { begun = true; });
    entered.get_future().wait();
  }
  EXPECT_TRUE(finished);
  EXPECT_FALSE(begun);
}

TEST(CoresBeside, AreTheRestOfTheShareOrAllOfIt) {
  const std::vector<int>& all = process_cores();
  const std::vector<int> share(all.begin(), all.begin() + std::min<std::ptrdiff_t>(available_threads(), all.size()));
  EXPECT_EQ(cores_beside(available_threads()), share) << "none is left: the same ones";
  EXPECT_EQ(cores_beside(available_threads() + 5), share);
  if (share.size() > 1) {
    EXPECT_EQ(cores_beside(1), std::vector<int>(share.begin() + 1, share.end()));
  }
}

}  // namespace
}  // namespace assay
