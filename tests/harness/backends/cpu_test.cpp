#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <omp.h>
#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <set>
#include <vector>

#include "harness/backends/backend.h"
#include "harness/backends/cores.h"
#include "harness/backends/cpu_memory.h"
#include "harness/core/error.h"

#ifdef __SANITIZE_THREAD__
#define SKIP_UNDER_TSAN GTEST_SKIP() << "ThreadSanitizer does not see libgomp's barriers"
#else
#define SKIP_UNDER_TSAN static_cast<void>(0)
#endif

namespace assay {
namespace {

class CpuBackendTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (GetParam() > 1) SKIP_UNDER_TSAN;
    backend_ = make_cpu_backend(GetParam());
  }
  std::unique_ptr<Backend> backend_;
};

INSTANTIATE_TEST_SUITE_P(Threads, CpuBackendTest, testing::Values(1, 2, 3));

TEST_P(CpuBackendTest, DescribesItself) {
  EXPECT_EQ(backend_->target().device, Device::cpu);
  EXPECT_EQ(backend_->target().threads, GetParam());
  EXPECT_EQ(backend_->slots(), 1);
  EXPECT_EQ(backend_->stream(), nullptr);
  EXPECT_GE(backend_->last_level_cache_bytes(), std::size_t(256) << 10);
}

TEST_P(CpuBackendTest, MemoryIsAlignedTouchedAndKeepsItsBytes) {
  for (const std::size_t bytes :
       {std::size_t(0), std::size_t(1), std::size_t(1000), std::size_t(5) << 20, (std::size_t(2) << 20) + 1}) {
    Buffer buffer = backend_->allocate(bytes);
    EXPECT_EQ(buffer.bytes(), bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % (bytes < std::size_t(2) << 20 ? 256 : 2 << 20), 0u);
    std::vector<unsigned char> in(bytes), out(bytes);
    for (std::size_t i = 0; i < bytes; ++i) in[i] = static_cast<unsigned char>(i * 2654435761u >> 13);
    backend_->copy_in(buffer, in.data(), bytes);
    backend_->copy_out(out.data(), buffer, bytes);
    EXPECT_EQ(in, out) << bytes;
    backend_->fill(buffer, 0xff);
    backend_->copy_out(out.data(), buffer, bytes);
    EXPECT_EQ(out, std::vector<unsigned char>(bytes, 0xff)) << bytes;
    if (bytes < 4) continue;
    float value = 0;
    std::memcpy(&value, buffer.data(), 4);
    EXPECT_TRUE(std::isnan(value));
  }
}

TEST_P(CpuBackendTest, AnImpossibleRequestNamesBothSizes) {
  for (const std::size_t bytes : {std::size_t(1) << 46, std::size_t(-1)}) try {
      backend_->allocate(bytes);
      FAIL() << bytes << " bytes were allocated";
    } catch (const MeasureError& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("free"));
      EXPECT_THAT(error.what(), testing::HasSubstr("iB"));
    }
}

TEST_P(CpuBackendTest, OpenMpThreadsSitOnDistinctCoresAlsoAfterTheyWereReplaced) {
  const int threads = std::min<int>(GetParam(), int(process_cores().size()));
  const auto cores_of_team = [&] {
    std::vector<int> cores(static_cast<std::size_t>(threads), -1);
#pragma omp parallel num_threads(threads)
    {
      cpu_set_t allowed;
      sched_getaffinity(0, sizeof allowed, &allowed);
      for (int core = 0; core < CPU_SETSIZE; ++core)
        if (CPU_COUNT(&allowed) == 1 && CPU_ISSET(core, &allowed)) cores[std::size_t(omp_get_thread_num())] = core;
    }
    return cores;
  };
  const std::vector<int> expected(process_cores().begin(), process_cores().begin() + threads);
  EXPECT_EQ(cores_of_team(), expected);
  if (threads < 2) return;
#pragma omp parallel num_threads(threads + 2)
  EXPECT_LT(omp_get_thread_num(), threads + 2);
#pragma omp parallel num_threads(2)
  EXPECT_LT(omp_get_thread_num(), 2);
  std::vector<int> timed;
  backend_->time([&] { timed = cores_of_team(); });
  EXPECT_EQ(timed, expected);
}

TEST_P(CpuBackendTest, TheCallerIsRestored) {
  backend_.reset();
  cpu_set_t before, after;
  sched_getaffinity(0, sizeof before, &before);
  make_cpu_backend(GetParam());
  sched_getaffinity(0, sizeof after, &after);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
  EXPECT_EQ(CPU_COUNT(&after), int(process_cores().size()));
}

TEST_P(CpuBackendTest, TimeCostsNextToNothing) {
  std::vector<double> seconds;
  for (int i = 0; i < 1001; ++i) seconds.push_back(backend_->time([] {}));
  std::nth_element(seconds.begin(), seconds.begin() + 500, seconds.end());
  std::printf("%d threads: an empty launch takes %.0f ns\n", GetParam(), 1e9 * seconds[500]);
  EXPECT_GE(seconds[500], 0);
  EXPECT_LT(seconds[500], 1e-3);  // a clock read twice, not a system call per launch
}

TEST_P(CpuBackendTest, ProbeFindsAPlacement) {
  if (process_cores().size() < 2) GTEST_SKIP() << "one core";
  int found = 0;
  double total = 0;
  for (int i = 0; i < 100; ++i) {
    const auto start = omp_get_wtime();
    const Placement placement = backend_->probe_placement(false);
    total += omp_get_wtime() - start;
    EXPECT_NE(placement, Placement::moved);
    found += placement != Placement::none;
  }
  std::printf("%d threads: %d of 100 probes answered, %.0f us each\n", GetParam(), found, 1e4 * total);
  EXPECT_GT(found, 0);
}

TEST_P(CpuBackendTest, ThousandsOfSmallBuffers) {
  std::vector<Buffer> buffers;
  for (int i = 0; i < 70000; ++i) buffers.push_back(backend_->allocate(1024));  // more than a process may map
  std::set<void*> distinct;
  for (const Buffer& buffer : buffers) distinct.insert(buffer.data());
  EXPECT_EQ(distinct.size(), buffers.size());
}

TEST(CpuMemory, LargeMappingsAreGivenBackWhole) {
  const auto mapped = [] {  // pages of this process's address space
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    return pages;
  };
  const std::size_t bytes = (std::size_t(64) << 20) + 5;
  free_memory(allocate_memory(bytes), bytes);
  const std::size_t before = mapped();
  for (int i = 0; i < 20; ++i) free_memory(allocate_memory(bytes), bytes);
  EXPECT_LE(mapped(), before + 2);
}

TEST(CpuMemory, AvailableIsLessThanTheMachineHas) {
  EXPECT_GT(available_memory(), std::size_t(16) << 20);
  EXPECT_LT(available_memory(), std::size_t(1) << 50);
}

TEST(Buffer, MovesAndFreesOnce) {
  const auto backend = make_cpu_backend(1);
  Buffer a = backend->allocate(100), b;
  void* data = a.data();
  b = std::move(a);
  EXPECT_EQ(b.data(), data);
  b = backend->allocate(200);
  EXPECT_EQ(b.bytes(), 200u);
}

}  // namespace
}  // namespace assay
