// The workload: a right step passes every comparison, and what the sampler says of it must be what ran.
#include "harness/workloads/train_step.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/layer/adamw.h"

namespace assay {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

Case step_case() {
  Case point;
  point.workload = "train_step";
  point.kernel = "step_cpu";
  const auto number = [](std::int64_t n) { return AxisValue(n); };
  point.axes = {{"layers", number(1)},
                {"hidden", number(64)},
                {"heads", number(2)},
                {"kv_heads", number(1)},
                {"head_dim", number(32)},
                {"feed_forward", number(96)},
                {"vocabulary", number(128)},
                {"batch", number(4)},
                {"sequence", number(33)},
                {"ranks", number(1)},
                {"checkpointing", std::string("none")}};
  point.cache = Cache::hot;
  return point;
}

class TrainStepWorkload : public ::testing::Test {
 protected:
  Check check_of(const Case& point, int launches, std::int64_t told) {
    WorkloadContext context{*backend_, *communicator_};
    EXPECT_EQ(kind_.validate(point), "");
    EXPECT_EQ(kind_.supports(point, backend_->target(), *communicator_).reason, "");
    workload_ = kind_.make(point, context);
    for (int i = 0; i < launches; ++i) workload_->launch(0);
    return workload_->check({told});
  }

  WorkloadKind kind_ = train_step_workload(step_kernels());
  std::unique_ptr<Backend> backend_ = make_cpu_backend(1);
  std::unique_ptr<Communicator> communicator_ = make_single_communicator();
  std::unique_ptr<Workload> workload_;
};

/// Gradients (all 53 k parameters), the loss along them, norm and clip factor, both moments and the master of each
/// parameter after AdamW, and each of the launched steps once more.
TEST_F(TrainStepWorkload, ChecksGradientsAndEveryLaunchedStep) {
  const Check check = check_of(step_case(), 3, 3);
  EXPECT_TRUE(check.ok()) << check.describe();
  const std::int64_t parameters = 2 * 128 * 64 + 64 * (64 + 2 * 32) + 64 * 64 + 3 * 64 * 96 + 3 * 64;
  EXPECT_EQ(check.elements, parameters + 1 + 2 + 3 * parameters + 3);
  EXPECT_EQ(workload_->losses()->steps.size(), 30U) << "no fewer than must have learnt";
  const double first = workload_->losses()->losses[0];
  EXPECT_EQ(check_of(step_case(), 40, 40).digest, check.digest) << "of what does not depend on how many were sampled";
  const LossCurve curve = *workload_->losses();
  EXPECT_EQ(curve.steps.back(), 40) << "of all that were trained";
  EXPECT_EQ(curve.losses[0], first);
  EXPECT_LT(curve.losses.back(), first - 0.5);
  EXPECT_TRUE(curve.cpu_losses.empty()) << "it is a CPU";
}

TEST_F(TrainStepWorkload, SixteenBitsAndTheVendorsProducts) {
  Case point = step_case();
  point.dtype = DType::bf16;
  const Check check = check_of(point, 2, 2);
  EXPECT_TRUE(check.ok()) << check.describe();
  point.dtype = DType::f32, point.kernel = "onednn_step_cpu";
  if (!find_step_kernels(point.kernel)) GTEST_SKIP() << "this build has no oneDNN";
  const Check vendors = check_of(point, 2, 2);
  EXPECT_TRUE(vendors.ok()) << vendors.describe();
}

TEST_F(TrainStepWorkload, ALaunchThatDidNotRunIsFound) {
  const Check check = check_of(step_case(), 2, 3);
  EXPECT_THAT(check.outside, HasSubstr("3 steps were launched and 2 ran"));
  EXPECT_FALSE(check.ok());
}

/// A CPU whose AdamW is told a rate of `rate` from the `from`-th step that it runs on.
class PlantedRate final : public Backend {
 public:
  PlantedRate(Backend& inner, int from, float rate) : inner_(inner), left_(2 * from), rate_(rate) {}
  Target target(int slot) const override { return inner_.target(slot); }
  Stream stream(int slot) const override { return inner_.stream(slot); }
  Buffer allocate(std::size_t bytes, int slot) override { return inner_.allocate(bytes, slot); }
  void copy_in(const Buffer& to, const void* from, std::size_t bytes) override { inner_.copy_in(to, from, bytes); }
  void copy_out(void* to, const Buffer& from, std::size_t bytes) override { inner_.copy_out(to, from, bytes); }
  void fill(const Buffer& buffer, std::uint8_t byte) override { inner_.fill(buffer, byte); }
  std::size_t free_bytes(int slot) const override { return inner_.free_bytes(slot); }
  double time(const std::function<void()>& enqueue) override { return inner_.time(enqueue); }
  void synchronize() override { inner_.synchronize(), has_waited(); }
  std::size_t last_level_cache_bytes() const override { return inner_.last_level_cache_bytes(); }
  /// The numbers of a step come twice: for matrices and for gains.
  void enqueue_copy_in(void* to, const void* from, std::size_t bytes, int slot) override {
    inner_.enqueue_copy_in(to, from, bytes, slot);
    if (bytes == sizeof(AdamWStep) && --left_ < 0) static_cast<AdamWStep*>(to)->rate = rate_;
  }

 protected:
  void release(void*, std::size_t, int) noexcept override {}  // what is allocated is the inner one's

 private:
  Backend& inner_;
  int left_;
  float rate_;
};

/// Two launched steps, two of the update's check, the two repeated: all are right.  What comes after them is not.
TEST_F(TrainStepWorkload, ALossThatDoesNotFallOrIsNoNumberIsWrong) {
  for (const float rate : {0.0F, NAN}) {
    PlantedRate planted(*backend_, 6, rate);
    WorkloadContext context{planted, *communicator_};
    const auto workload = kind_.make(step_case(), context);
    for (int i = 0; i < 2; ++i) workload->launch(0);
    const Check check = workload->check({2});
    EXPECT_FALSE(check.ok());
    EXPECT_THAT(check.describe(), ContainsRegex(rate == 0 ? "the loss went from 4\\.[0-9]+ to 4\\.[0-9]+ in 30 steps, "
                                                            "expected below 3\\.[0-9]+"
                                                          : "the loss went from 4\\.[0-9]+ to nan in 30 steps"));
  }
}

TEST_F(TrainStepWorkload, WorkIsThatOfOneRank) {
  Case point = step_case();
  const double alone = kind_.work(point, 1).flops;
  for (CaseAxis& axis : point.axes)
    if (axis.name == "ranks") axis.value = std::int64_t(2);
  EXPECT_EQ(kind_.work(point, 2).flops, alone / 2);
  EXPECT_THAT(kind_.supports(point, backend_->target(), *communicator_).reason, HasSubstr("mpirun -n 2"));
  point = step_case();
  point.axes.push_back({"bucket_bytes", std::int64_t(1) << 20});
  EXPECT_THAT(kind_.supports(point, backend_->target(), *communicator_).reason, HasSubstr("one rank has no gradients"));
  Target gpu;
  gpu.device = Device::gpu;
  EXPECT_THAT(kind_.supports(step_case(), gpu, *communicator_).reason, HasSubstr("runs on a cpu, not on a gpu"));
}

}  // namespace
}  // namespace assay
