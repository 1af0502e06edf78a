#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

#include "assay/build_config.h"
#include "harness/backends/backend.h"
#include "harness/core/error.h"

namespace assay {
namespace {

TEST(GpuProbe, NoneHasAReasonAndSomeHaveNone) {
  const GpuProbe probe = probe_gpus();
  EXPECT_EQ(probe.count == 0, !probe.reason.empty()) << probe.count << " " << probe.reason;
  std::printf("%d GPUs%s%s\n", probe.count, probe.reason.empty() ? "" : ": ", probe.reason.c_str());
#if !ASSAY_HAS_CUDA
  EXPECT_EQ(probe.reason, "this build has no CUDA");
#endif
}

TEST(CudaBackend, AMissingGpuIsAnErrorThatSaysSo) {
  EXPECT_THROW(make_cuda_backend({probe_gpus().count}), MeasureError);
  EXPECT_THROW(make_cuda_backend({-1}), MeasureError);
  EXPECT_THROW(make_cuda_backend({}), MeasureError);
}

class CudaBackendTest : public testing::Test {
 protected:
  void SetUp() override {
    const GpuProbe probe = probe_gpus();
    if (probe.count == 0) GTEST_SKIP() << probe.reason;
    backend_ = make_cuda_backend({0});
  }
  std::unique_ptr<Backend> backend_;
};

// First of all, since it is about code that is loaded once: behind a hold, loading would last as long as its patience.
TEST_F(CudaBackendTest, TheFirstLaunchFindsItsCodeLoaded) {
  const auto before = std::chrono::steady_clock::now();
  backend_->time([&] { backend_->launch_empty(); });
  EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count(), 1);
}

TEST_F(CudaBackendTest, DescribesItself) {
  EXPECT_EQ(backend_->target(0).device, Device::gpu);
  EXPECT_GE(backend_->target(0).compute_capability, 80);
  EXPECT_GT(backend_->target(0).multiprocessors, 0);
  EXPECT_GT(backend_->last_level_cache_bytes(), std::size_t(1) << 20);
  EXPECT_GT(backend_->free_bytes(0), std::size_t(1) << 20);
}

TEST_F(CudaBackendTest, MemoryKeepsItsBytes) {
  Buffer buffer = backend_->allocate(1000, 0);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 256, 0u);
  std::vector<unsigned char> in(1000, 7), out(1000);
  backend_->copy_in(buffer, in.data(), in.size());
  backend_->copy_out(out.data(), buffer, out.size());
  EXPECT_EQ(in, out);
  backend_->fill(buffer, 0xff);
  backend_->copy_out(out.data(), buffer, out.size());
  EXPECT_EQ(out, std::vector<unsigned char>(1000, 0xff));
}

TEST_F(CudaBackendTest, TooMuchMemoryIsAnErrorAndNoFault) {
  EXPECT_THROW(backend_->allocate(backend_->free_bytes(0) * 4, 0), MeasureError);
  EXPECT_GT(backend_->time([&] { backend_->launch_empty(); }), 0);
}

TEST_F(CudaBackendTest, TimeExcludesTheHostsGaps) {
  const auto slow_host = [&] {
    backend_->launch_empty();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    backend_->launch_empty();
  };
  backend_->time([&] { backend_->launch_empty(); });
  EXPECT_LT(backend_->time(slow_host), 1e-3);
}

TEST_F(CudaBackendTest, AnErrorWhileEnqueueingReleasesTheGpu) {
  EXPECT_THROW(backend_->time([] { throw MeasureError("cannot"); }), MeasureError);
  EXPECT_LT(backend_->time([&] { backend_->launch_empty(); }), 1e-3);
}

TEST_F(CudaBackendTest, ALaunchThatWaitsForTheDeviceIsTimedWithoutTheHold) {
  const auto waits = [&] {
    backend_->launch_empty();
    backend_->synchronize();
  };
  EXPECT_LT(backend_->time(waits), 1);
  EXPECT_LT(backend_->time(waits), 1);
}

// Else it would meet another rank's next launch.
TEST_F(CudaBackendTest, WhatMeetsOtherProcessesIsEnqueuedOnceEvenSo) {
  const auto backend = make_cuda_backend({0}, LaunchesMeet::other_processes);
  int times = 0;
  const auto waits = [&] {
    ++times;
    backend->launch_empty();
    backend->synchronize();
  };
  backend->time(waits);
  EXPECT_EQ(times, 1);
}

}  // namespace
}  // namespace assay
