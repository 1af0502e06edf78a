#include "harness/train/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "harness/train/memory.h"
#include "tests/harness/train/training.h"

namespace assay {
namespace {

using ::testing::HasSubstr;

/// Llama 3 8B: its layout holds exactly the parameters of its published checkpoint, 8,030,261,248.
TEST(ParameterLayout, HoldsThePublishedParametersOfLlama3) {
  TrainModel m;
  m.layers = 32, m.hidden = 4096, m.heads = 32, m.kv_heads = 8, m.head_dim = 128, m.feed_forward = 14336;
  m.vocabulary = 128256;
  std::int64_t count = 0;
  const ParameterLayout layout(m);  // all() points into it
  for (const ParameterTensor* tensor : layout.all()) count += tensor->count();
  EXPECT_EQ(count, 8030261248);
  EXPECT_EQ(double(count), parameters(m.transformer()).total);
}

TEST(ParameterLayout, TensorsAreAlignedAndApart) {
  TrainModel m = small_model();
  m.hidden = 40;  // gains of 40: padding between them
  const ParameterLayout layout(m);
  std::int64_t end = 0;
  for (const ParameterTensor* tensor : layout.all()) {
    EXPECT_EQ(tensor->offset % 64, 0) << tensor->name;
    EXPECT_GE(tensor->offset, end) << tensor->name;
    EXPECT_EQ(tensor->deviation == 0, tensor->offset >= layout.decayed) << tensor->name;
    end = tensor->offset + tensor->count();
  }
  EXPECT_LE(end, layout.size);
}

TEST(TrainModel, SaysWhatDoesNotFit) {
  TrainModel m = small_model();
  EXPECT_EQ(problem_of(m), "");
  m.kv_heads = 3;
  EXPECT_THAT(problem_of(m), HasSubstr("heads=4 is not a multiple of kv_heads=3"));
  m = small_model();
  m.head_dim = 15;
  EXPECT_THAT(problem_of(m), HasSubstr("head_dim=15 is odd"));
}

/// Korthikanti et al. (arXiv 2205.05198, section 4) with this model's parts in 4 bytes an element: a layer keeps x,
/// two norms' outputs, q, k, v, o, the middle, gate, up and their product; and three statistics.
TEST(StepBytes, ActivationsAreThoseOfTheLayersAndShrinkWithCheckpointing) {
  TrainSetup setup = small_setup();
  const auto activations = [&](Checkpointing kept, std::int64_t layers) {
    setup.model.layers = layers, setup.checkpointing = kept;
    return std::int64_t(step_bytes(setup, 1)[MemoryUse::activations]);
  };
  const std::int64_t tokens = 96, h = 32, q = 128, kv = 64, f = 48, heads = 4;
  const std::int64_t all = 4 * tokens * (4 * h + 2 * q + 2 * kv + 3 * f + 2 + heads);
  EXPECT_EQ(activations(Checkpointing::none, 3) - activations(Checkpointing::none, 2), all);
  EXPECT_EQ(activations(Checkpointing::selective, 3) - activations(Checkpointing::selective, 2),
            all - 4 * tokens * (2 * h + f));
  EXPECT_EQ(activations(Checkpointing::full, 3) - activations(Checkpointing::full, 2), 4 * tokens * h);
}

/// 16 bytes a parameter in fp32, 18 with bf16 copies (facts of mixed-precision training: ZeRO, arXiv 1910.02054, 3.1).
TEST(StepBytes, StatesTakeSixteenOrEighteenBytesAParameter) {
  TrainSetup setup = small_setup();
  const std::int64_t size = ParameterLayout(setup.model).size;
  const auto states = [&] {
    MemoryBytes bytes = step_bytes(setup, 1);
    return std::int64_t(bytes[MemoryUse::parameters] + bytes[MemoryUse::gradients] + bytes[MemoryUse::optimizer]);
  };
  EXPECT_EQ(states(), 16 * size);
  setup.dtype = DType::bf16;
  EXPECT_EQ(states(), 18 * size);
}

}  // namespace
}  // namespace assay
