// Launch plans at the limits, what is refused, and arrays whose indices need 64 bits.
#include <gtest/gtest.h>

#include "tests/simt/attention/attention_cases.h"
#include "tests/simt/attention/attention_cuda.h"

namespace assay {
namespace {

constexpr KernelCase kBf16D128 = {DType::bf16, 128, 128}, kBf16D64 = {DType::bf16, 64, 64};

/// Why the row of the kernel table refuses the problem.
std::string refusal(const char* kernel, const AttentionProblem& p, const Target& target) {
  for (const AttentionKernel& row : attention_kernels())
    if (row.name == kernel) return row.supports(p, target).reason;
  return "no such kernel";
}

/// An A10 or a 4090: the least shared memory a block may have from sm_80 on.
Target small_gpu() {
  Target target;
  target.device = Device::gpu, target.compute_capability = 86, target.shared_bytes_per_block = 99 * 1024;
  return target;
}

TEST(AttentionPlan, GridStaysWithinTheLimits) {
  const AttentionProblem p = make_problem(kBf16D128, {70000, 3, 1}, 300, 10, false);
  const auto plan = attention_mma_sm80_plan(p, {});
  EXPECT_EQ(plan.grid.x, 3u * 2u);
  EXPECT_EQ(plan.grid.y, 3u);
  EXPECT_EQ(plan.grid.z, 35000u);
  EXPECT_EQ(plan.shared_bytes, 48u * 1024);
}

TEST(AttentionPlan, GridCoversTheLongestOfPackedSequences) {
  AttentionProblem p = packed_problem(make_problem(kBf16D128, kMqa, 1, 1, true), {5, 1000, 0}, {9, 9, 131072});
  p.seq_q = 1;  // only the offsets count
  EXPECT_EQ(attention_mma_sm80_plan(p, {}).grid.x, 8u);
  EXPECT_EQ(attention_mma_sm80_plan(p, {}).grid.z, 3u);
  EXPECT_EQ(refusal("mma_sm80", p, small_gpu()), "");
  p = packed_problem(p, {0, 0}, {4, 4});
  EXPECT_EQ(attention_mma_sm80_plan(p, {}).grid.x, 1u) << "an empty grid is a launch that fails";
}

TEST(AttentionPlan, EveryInstanceFitsSmallGpus) {
  for (const AttentionMmaSm80Instance& instance : kAttentionMmaSm80Instances)
    for (const DType dtype : {DType::bf16, DType::f16}) {
      const AttentionProblem p = make_problem({dtype, instance.head_dim, instance.value_dim}, kGqa, 9, 9, true, 5);
      EXPECT_EQ(refusal("mma_sm80", p, small_gpu()), "") << describe(p);
      EXPECT_NO_THROW(attention_module("attention_mma_sm80").kernel(attention_mma_sm80_plan(p, {}).kernel));
    }
}

TEST(AttentionPlan, RefusalsSayWhy) {
  const auto reason = [&](const AttentionProblem& p) { return refusal("mma_sm80", p, small_gpu()); };
  const AttentionProblem good = make_problem(kBf16D64, kMha, 10, 10, false);
  EXPECT_EQ(reason(good), "");
  AttentionProblem p = good;
  p.head_dim = p.head_dim_v = 80;
  EXPECT_EQ(reason(p), "head_dim 80 with values of 80: only 64, 96, 128, 256 and 192 with 128 are implemented");
  p = good, p.head_dim_v = 128;
  EXPECT_NE(reason(p).find("head_dim 64 with values of 128"), std::string::npos);
  p = good, p.seq_kv = std::int64_t(1) << 29;
  EXPECT_EQ(reason(p), "sequences must be shorter than 2^29");
  p = packed_problem(good, {10}, {std::int64_t(1) << 29});
  EXPECT_EQ(reason(p), "sequences must be shorter than 2^29");
  p = packed_problem(good, {10, 10, 10, 10, 10}, std::vector<std::int64_t>(5, (std::int64_t(1) << 29) - 1));
  EXPECT_NE(reason(p).find("packed sequences must be shorter than 2^31 together"), std::string::npos);
  p = good, p.heads = 70000;
  EXPECT_EQ(reason(p), "more than 65535 heads");
  p = good, p.window = 4;
  EXPECT_EQ(reason(p), "a window needs causal");
  Target target = small_gpu();
  target.shared_bytes_per_block = 39 * 1024;
  EXPECT_EQ(refusal("mma_sm80", good, target), "needs 40960 bytes of shared memory a block, the device has 39936");
  target = small_gpu(), target.compute_capability = 75;
  EXPECT_NE(refusal("mma_sm80", good, target).find("needs sm_80"), std::string::npos);
  p = make_problem({DType::f32, 64, 128}, kMha, 10, 10, false);
  EXPECT_EQ(refusal("simt_f32", p, small_gpu()), "takes values only as wide as queries and keys");
  p = make_problem({DType::f32, 80, 80}, kMha, 10, 10, false);
  EXPECT_EQ(refusal("simt_f32", p, small_gpu()), "head_dim 80: only 64, 96 and 128 are implemented");
}

/// The block with the last queries of the longest sequence that is asked for in practice.
TEST(AttentionLimits, ASequenceOf131072) {
  AttentionProblem p = make_problem(kBf16D64, {1, 1, 1}, 131072, 131072, true, 200);
  EXPECT_EQ(refusal("mma_sm80", p, small_gpu()), "");
  EXPECT_EQ(attention_mma_sm80_plan(p, {}).grid.x, 1024u);
  const AttentionInputs inputs = normal_inputs(p, 50);
  const AttentionOutputs outputs = run_attention(forward_of(p.dtype,
                                                            [](auto& plan) {
                                                              plan.grid = {1, 1, 1};
                                                            }),
                                                 p, inputs, attention_options(simt::Async::Lazy));
  EXPECT_EQ(attention_mismatch(p, inputs, outputs, 131072 - 128), "");
}

/// One block of arrays with more than 2^31 elements each, of which only the rows it needs are ever touched.
class Beyond31Bits : public testing::TestWithParam<bool> {};

TEST_P(Beyond31Bits, OffsetsHave64Bits) {
  AttentionProblem p = make_problem(kBf16D128, {1, 65535, 65535}, 400, 400, false);
  if (GetParam()) p = packed_problem(p, {384, 300}, {384, 100});
  EXPECT_EQ(refusal("mma_sm80", p, small_gpu()), "");
  const std::int64_t b = p.batch - 1, first_query = p.packed() ? 256 : 384;
  ASSERT_GT(p.q_index(b, first_query, 0), std::int64_t(1) << 31);

  simt::DeviceHeap heap;
  const auto array = [&](std::int64_t elements) { return heap.untouched(static_cast<std::size_t>(elements) * 2); };
  void *q = array(p.q_elements()), *k = array(p.k_elements()), *v = array(p.v_elements());
  AttentionBuffers buffers;
  buffers.q = q, buffers.k = k, buffers.v = v, buffers.o = array(p.o_elements());
  buffers.lse = heap.poisoned<float>(static_cast<std::size_t>(p.lse_elements()));
  const auto fill = [&](void* rows, std::int64_t first, int seed) {
    for (std::int64_t d = 0; d < p.head_dim; ++d)
      store_element(p.dtype, rows, first + d, double((first / 128 + d * 7 + seed) % 19) / 8 - 1);
  };
  for (std::int64_t i = first_query; i < p.queries(b); ++i) fill(q, p.q_index(b, i, 0), 1);
  for (std::int64_t j = 0; j < p.keys(b); ++j) fill(k, p.k_index(b, j, 0), 2), fill(v, p.v_index(b, j, 0), 3);
  if (p.packed()) {  // the last sequence alone: its offsets come first
    buffers.q_offsets = heap.upload(std::vector<std::int32_t>{384, 684});
    buffers.kv_offsets = heap.upload(std::vector<std::int32_t>{384, 484});
  }
  simt::Options options = attention_options(simt::Async::Lazy);
  options.heap = &heap;
  // The last tile of queries of the first head.
  forward_of(p.dtype, [](auto& plan) { plan.grid = {1, 1, 1}; }).launch(p, buffers, options, heap);
  for (std::int64_t i = first_query; i < p.queries(b); ++i) EXPECT_EQ(attention_row_mismatch(p, buffers, b, 0, i), "");
}
INSTANTIATE_TEST_SUITE_P(Attention, Beyond31Bits, testing::Bool());

}  // namespace
}  // namespace assay
