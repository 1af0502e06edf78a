#include "harness/backends/last_level_cache.h"

#include <gtest/gtest.h>

#include "harness/backends/cores.h"
#include "tests/harness/backends/temporary_folder.h"

namespace assay {
namespace {

void add_cache(const TemporaryFolder& folder, int core, int index, const char* level, const char* size,
               const char* shared) {
  const std::string base = "cpu" + std::to_string(core) + "/cache/index" + std::to_string(index) + "/";
  folder.write(base + "level", std::string(level) + "\n");
  folder.write(base + "size", std::string(size) + "\n");
  folder.write(base + "shared_cpu_list", std::string(shared) + "\n");
}

TEST(LastLevelCache, EverySharedCacheOnce) {
  TemporaryFolder folder;
  for (int core = 0; core < 4; ++core) {
    add_cache(folder, core, 0, "1", "32K", std::to_string(core).c_str());
    add_cache(folder, core, 1, "2", "1024K", std::to_string(core).c_str());
    add_cache(folder, core, 2, "3", "32768K", core < 2 ? "0-1" : "2-3");
  }
  const char* root = folder.path().c_str();
  EXPECT_EQ(last_level_cache_from_sysfs({0, 1}, root), std::size_t(32) << 20);
  EXPECT_EQ(last_level_cache_from_sysfs({0, 1, 2, 3}, root), std::size_t(64) << 20);
  EXPECT_EQ(last_level_cache_from_sysfs({3}, root), std::size_t(32) << 20);
}

TEST(LastLevelCache, WithoutAThirdLevelTheSecond) {
  TemporaryFolder folder;
  add_cache(folder, 0, 0, "1", "32K", "0");
  add_cache(folder, 0, 1, "2", "2M", "0-3");
  EXPECT_EQ(last_level_cache_from_sysfs({0}, folder.path().c_str()), std::size_t(2) << 20);
  EXPECT_EQ(last_level_cache_from_sysfs({9}, folder.path().c_str()), 0u);
}

TEST(LastLevelCache, AFolderThatCannotBeLookedAtHasNone) {
  const std::string longer_than_a_path(5000, 'x');
  EXPECT_EQ(last_level_cache_from_sysfs({0}, longer_than_a_path.c_str()), 0u);
}

TEST(LastLevelCache, OfThisMachine) {
  const std::size_t bytes = last_level_cache_bytes_of(process_cores());
  EXPECT_GE(bytes, std::size_t(256) << 10);
  EXPECT_LE(bytes, std::size_t(16) << 30);
}

}  // namespace
}  // namespace assay
