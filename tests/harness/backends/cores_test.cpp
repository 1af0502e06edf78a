#include "harness/backends/cores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <cstdlib>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "harness/backends/backend.h"

namespace assay {
namespace {

using testing::ElementsAre;

TEST(Cores, RanksStartAtDifferentPlaces) {
  const std::vector<int> cores = {0, 1, 2, 3, 4, 5};
  EXPECT_THAT(cores_in_rank_order(cores, {0, 1}), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(cores_in_rank_order(cores, {1, 2}), ElementsAre(3, 4, 5, 0, 1, 2));
  EXPECT_THAT(cores_in_rank_order(cores, {3, 4}), ElementsAre(4, 5, 0, 1, 2, 3));
  EXPECT_THAT(cores_in_rank_order({7, 9}, {3, 4}), ElementsAre(9, 7)) << "more ranks than cores take turns";
}

TEST(Cores, SharesCoverAllCoresOnce) {
  for (const int cores : {1, 2, 6, 7, 64})
    for (const int ranks : {1, 2, 3, 4}) {
      int sum = 0;
      for (int rank = 0; rank < ranks; ++rank) sum += share_of(cores, {rank, ranks}, {});
      if (cores >= ranks) {
        EXPECT_EQ(sum, cores) << cores << " cores, " << ranks << " ranks";
      }
    }
  EXPECT_EQ(share_of(1, {1, 2}, {}), 1);
}

TEST(Cores, AQuotaLimits) {
  EXPECT_EQ(share_of(64, {0, 1}, 2.5), 2);
  EXPECT_EQ(share_of(64, {0, 1}, 0.5), 1);
  EXPECT_EQ(share_of(64, {0, 2}, 8.0), 4);
  EXPECT_EQ(share_of(4, {0, 1}, 8.0), 4);
}

class Environment {
 public:
  explicit Environment(const char* name) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
  }
  ~Environment() { old_ ? setenv(name_, old_->c_str(), 1) : unsetenv(name_); }
  void set(const char* value) { setenv(name_, value, 1); }

 private:
  const char* name_;
  std::optional<std::string> old_;
};

TEST(Cores, TheLaunchersVariables) {
  Environment rank("OMPI_COMM_WORLD_LOCAL_RANK"), size("OMPI_COMM_WORLD_LOCAL_SIZE");
  rank.set("2");
  size.set("4");
  EXPECT_EQ(local_rank().rank, 2);
  EXPECT_EQ(local_rank().size, 4);
  rank.set("4");
  EXPECT_EQ(local_rank().size, 1) << "a rank beyond the size is no rank";
  size.set("junk");
  EXPECT_EQ(local_rank().size, 1);
}

TEST(Cores, OfThisProcess) {
  EXPECT_FALSE(process_cores().empty());
  const std::set<int> distinct(process_cores().begin(), process_cores().end());
  EXPECT_EQ(distinct.size(), process_cores().size());
  EXPECT_GE(available_threads(), 1);
  EXPECT_LE(available_threads(), int(process_cores().size()));
}

TEST(Cores, SettlingIsUndone) {
  std::thread([] {
    cpu_set_t before, settled, after;
    sched_getaffinity(0, sizeof before, &before);
    volatile float tiny = 1e-38f;
    {
      const ThreadSettings settings;
      ASSERT_TRUE(settle_on(process_cores().back()));
      sched_getaffinity(0, sizeof settled, &settled);
      EXPECT_EQ(CPU_COUNT(&settled), 1);
      EXPECT_EQ(sched_getcpu(), process_cores().back());
      EXPECT_EQ(tiny * 0.01f, 0.0f) << "denormal results are flushed";
      EXPECT_FALSE(settle_on(8191)) << "there is no such core";
    }
    sched_getaffinity(0, sizeof after, &after);
    EXPECT_TRUE(CPU_EQUAL(&before, &after));
    EXPECT_NE(tiny * 0.01f, 0.0f);
  }).join();
}

}  // namespace
}  // namespace assay
