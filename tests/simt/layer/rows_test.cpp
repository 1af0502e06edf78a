// Every operation of the layer has a row for GPUs, which takes a training step's shapes from sm_80 on.
#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/layer/cuda/row_if_built.h"

namespace assay {
namespace {

template <class Problem, class Buffers>
void expect_row(const std::vector<Kernel<Problem, Buffers>>& table, Problem problem, const char* operation) {
  const auto row = std::find_if(table.begin(), table.end(), [](const auto& r) { return r.name == "vector_sm80"; });
  ASSERT_NE(row, table.end()) << operation;
  EXPECT_EQ(row->device, Device::gpu) << operation;
  EXPECT_FALSE(row->vendor) << operation;
  EXPECT_TRUE(row->prepare) << operation;
  Target target;
  target.device = Device::gpu;
  for (const int capability : {80, 86, 90, 100, 103, 120}) {
    target.compute_capability = capability;
    EXPECT_EQ(row->supports(problem, target).reason, "") << operation;
  }
  target.compute_capability = 75;
  EXPECT_FALSE(row->supports(problem, target).ok()) << operation;
}

TEST(LayerRows, StandInEveryTable) {
  constexpr std::int64_t kTokens = 16384, kHidden = 8192;
  expect_row(rms_norm_kernels(), {kTokens, kHidden, DType::bf16}, "rms_norm");
  expect_row(layer_norm_kernels(), {kTokens, kHidden, DType::bf16}, "layer_norm");
  expect_row(rope_kernels(), {kTokens, 64, 128, 8192, DType::bf16}, "rope");
  expect_row(swiglu_kernels(), {kTokens, 28672, 57344, DType::bf16}, "swiglu");
  expect_row(gelu_kernels(), {kTokens, 28672, DType::bf16}, "gelu");
  expect_row(residual_add_kernels(), {kTokens, kHidden, DType::bf16}, "residual_add");
  expect_row(cross_entropy_kernels(), {kTokens, 128256, DType::bf16}, "cross_entropy");
  expect_row(adamw_kernels(), {std::int64_t(1) << 33, DType::bf16, DType::bf16}, "adamw");
  expect_row(grad_norm_kernels(), {{std::int64_t(1) << 33, 8192}, DType::bf16}, "grad_norm");
  expect_row(embedding_kernels(), {LayerPass::backward, kTokens, 128256, kHidden, DType::bf16}, "embedding");
  expect_row(columns_kernels(), {ColumnsPass::split, kTokens, {8192, 1024, 1024}, DType::bf16}, "columns");
  RouterProblem router;
  router.tokens = kTokens, router.experts = 256, router.top_k = 8, router.gate = RouterGate::sigmoid;
  router.groups = 8, router.top_groups = 4, router.dtype = DType::bf16;
  expect_row(router_kernels(), router, "router");
  PermuteProblem permute;
  permute.tokens = kTokens, permute.experts = 256, permute.top_k = 8, permute.dim = 7168, permute.alignment = 128;
  expect_row(permute_kernels(), permute, "permute");
}

}  // namespace
}  // namespace assay
