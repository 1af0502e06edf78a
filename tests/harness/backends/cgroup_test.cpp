#include "harness/backends/cgroup.h"

#include <gtest/gtest.h>

#include "tests/harness/backends/temporary_folder.h"

namespace assay {
namespace {

CgroupLimits limits_of(const TemporaryFolder& folder) {
  return cgroup_limits(folder.path() / "membership", folder.path() / "fs");
}

TEST(Cgroup, Version2TakesTheTightestOnTheWayUp) {
  TemporaryFolder folder;
  folder.write("membership", "0::/pod/container\n");
  folder.write("fs/pod/container/memory.max", "max\n");
  folder.write("fs/pod/container/memory.current", "500\n");
  folder.write("fs/pod/container/cpu.max", "250000 100000\n");
  folder.write("fs/pod/memory.max", "1000\n");
  folder.write("fs/pod/memory.current", "700\n");
  folder.write("fs/pod/memory.stat", "anon 400\ninactive_file 200\n");
  folder.write("fs/pod/cpu.max", "max 100000\n");
  const CgroupLimits limits = limits_of(folder);
  EXPECT_EQ(limits.memory_available, 500u) << "1000 - (700 - 200)";
  EXPECT_EQ(limits.cpus, 2.5);
}

TEST(Cgroup, Version1) {
  TemporaryFolder folder;
  folder.write("membership", "4:memory:/a\n2:cpu,cpuacct:/a\n1:name=systemd:/\n");
  folder.write("fs/memory/a/memory.limit_in_bytes", "1000000\n");
  folder.write("fs/memory/a/memory.usage_in_bytes", "900000\n");
  folder.write("fs/memory/a/memory.stat", "total_inactive_file 50000\n");
  folder.write("fs/memory/memory.limit_in_bytes", "9223372036854771712\n");
  folder.write("fs/memory/memory.usage_in_bytes", "100\n");
  folder.write("fs/cpu/a/cpu.cfs_quota_us", "150000\n");
  folder.write("fs/cpu/a/cpu.cfs_period_us", "100000\n");
  folder.write("fs/cpu/cpu.cfs_quota_us", "-1\n");
  folder.write("fs/cpu/cpu.cfs_period_us", "100000\n");
  const CgroupLimits limits = limits_of(folder);
  EXPECT_EQ(limits.memory_available, 150000u);
  EXPECT_EQ(limits.cpus, 1.5);
}

TEST(Cgroup, AContainerSeesItsGroupAtTheRoot) {
  TemporaryFolder folder;
  folder.write("membership", "0::/docker/not-visible-here\n");
  folder.write("fs/memory.max", "4096\n");
  folder.write("fs/memory.current", "8192\n");
  EXPECT_EQ(limits_of(folder).memory_available, 0u) << "more used than allowed is nothing left, not a huge number";
}

TEST(Cgroup, NothingSetOrNothingThere) {
  TemporaryFolder folder;
  EXPECT_FALSE(limits_of(folder).cpus);
  EXPECT_FALSE(limits_of(folder).memory_available);
  folder.write("membership", "garbage\n0::\n:::\n");
  EXPECT_FALSE(limits_of(folder).cpus);
}

TEST(Cgroup, AGroupsNameMayHoldColonsAndBeLongerThanAFilesMay) {
  TemporaryFolder folder;
  folder.write("membership", "0::/kubepods-pod1.slice:cri-containerd:2f\n0::/" + std::string(300, 'x') + "\n");
  folder.write("fs/kubepods-pod1.slice:cri-containerd:2f/cpu.max", "300000 100000\n");
  EXPECT_EQ(limits_of(folder).cpus, 3);
}

TEST(Cgroup, CountsHowOftenAndHowLongQuotasStoppedIt) {
  TemporaryFolder folder;
  const auto throttling = [&] { return cgroup_throttling(folder.path() / "membership", folder.path() / "fs"); };
  EXPECT_FALSE(throttling());
  folder.write("membership", "4:memory:/a\n2:cpu,cpuacct:/a\n");
  folder.write("fs/cpu/a/cpu.stat", "nr_periods 9\nnr_throttled 3\nthrottled_time 1500000000\n");
  folder.write("fs/memory/a/cpu.stat", "nr_throttled 100\n");  // not of that controller
  ASSERT_TRUE(throttling());
  EXPECT_EQ(throttling()->periods, 3);
  EXPECT_DOUBLE_EQ(throttling()->seconds, 1.5);
  folder.write("membership", "0::/pod/container\n");
  folder.write("fs/pod/container/cpu.stat", "nr_throttled 1\nthrottled_usec 250000\n");
  folder.write("fs/pod/cpu.stat", "nr_throttled 2\nthrottled_usec 500000\n");
  EXPECT_EQ(throttling()->periods, 3);
  EXPECT_DOUBLE_EQ(throttling()->seconds, 0.75);
}

}  // namespace
}  // namespace assay
