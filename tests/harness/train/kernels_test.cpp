// Which ways to compute a step there are, and what each refuses before anything is allocated.
#include "harness/train/kernels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/harness/train/training.h"

namespace assay {
namespace {

using ::testing::HasSubstr;

TrainSetup llama() {
  TrainSetup setup;
  TrainModel& m = setup.model;
  m.layers = 2, m.hidden = 4096, m.heads = 32, m.kv_heads = 8, m.head_dim = 128, m.feed_forward = 14336;
  m.vocabulary = 128256;
  setup.sequence = 8192, setup.dtype = DType::bf16;
  return setup;
}

Target gpu(int capability) {
  Target target;
  target.device = Device::gpu;
  target.compute_capability = capability;
  target.multiprocessors = 108;
  target.shared_bytes_per_block = capability == 80 ? 163 * 1024 : 227 * 1024;
  return target;
}

TEST(StepKernels, OfTheCpuTakeEveryTypeTheyName) {
  const StepKernels& cpu = *find_step_kernels("step_cpu");
  Target target;
  target.threads = 2;
  TrainSetup setup = small_setup();
  for (const DType dtype : cpu.dtypes) {
    setup.dtype = dtype;
    EXPECT_EQ(step_support(cpu, setup, 2, target).reason, "") << name(dtype);
  }
  setup.dtype = DType::f16;
  EXPECT_THAT(step_support(cpu, setup, 1, target).reason, HasSubstr("step_cpu has no f16"));
}

TEST(StepKernels, OfGpusSayWhatTheyLack) {
  const StepKernels* ours = find_step_kernels("step_sm80");
  if (!ours) GTEST_SKIP() << "this build has no CUDA";
  TrainSetup setup = llama();
  EXPECT_EQ(step_support(*ours, setup, 1, gpu(80)).reason, "");
  EXPECT_EQ(step_support(*ours, setup, 1, gpu(90)).reason, "");
  EXPECT_THAT(step_support(*ours, setup, 1, gpu(75)).reason, HasSubstr("layout tn of layer 0 qkv by mma_sm80: needs"));
  setup.dtype = DType::f32;
  EXPECT_EQ(step_support(*ours, setup, 1, gpu(80)).reason, "step_sm80 has no f32, step_simt has");
  EXPECT_EQ(step_support(*find_step_kernels("step_simt"), setup, 1, gpu(80)).reason, "");
  setup.dtype = DType::f16;
  EXPECT_EQ(step_support(*ours, setup, 1, gpu(80)).reason, "step_sm80 has no f16");
  setup = llama(), setup.model.head_dim = 80;
  EXPECT_THAT(step_support(*ours, setup, 1, gpu(80)).reason, HasSubstr("attention forward by mma_sm80"));
  setup = llama(), setup.batch = 2;
  EXPECT_THAT(step_support(*ours, setup, 2, gpu(80)).reason,  // a build, or a machine, may lack NCCL
              ::testing::AnyOf(::testing::IsEmpty(), HasSubstr("to sum gradients over ranks"),
                               HasSubstr("NCCL cannot be used")));
}

TEST(StepKernels, OfHopperAreForHopper) {
  const StepKernels* ours = find_step_kernels("step_sm90");
  if (!ours) GTEST_SKIP() << "this build has no sm_90a";
  EXPECT_EQ(step_support(*ours, llama(), 1, gpu(90)).reason, "");
  EXPECT_THAT(step_support(*ours, llama(), 1, gpu(80)).reason, HasSubstr("wgmma_sm90"));
}

}  // namespace
}  // namespace assay
