// The hand-written attention kernels on the functional GPU, through the launch plans of their launchers.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "kernels/attention/cuda_plan.h"
#include "tests/simt/attention/attention_on_simt.h"

namespace assay {
namespace {

struct KernelCase {
  DType dtype;
  std::int64_t head_dim;
};
constexpr KernelCase kKernels[] = {{DType::bf16, 64}, {DType::bf16, 128}, {DType::f16, 64},
                                   {DType::f16, 128}, {DType::f32, 64},   {DType::f32, 128}};

struct Heads {
  std::int64_t batch, heads, kv_heads;
};
constexpr Heads kMha = {2, 2, 2}, kGqa = {1, 4, 2}, kMqa = {1, 3, 1};

AttentionProblem make_problem(KernelCase kernel, Heads heads, std::int64_t seq_q, std::int64_t seq_kv, bool causal) {
  AttentionProblem p;
  p.batch = heads.batch, p.heads = heads.heads, p.kv_heads = heads.kv_heads;
  p.seq_q = seq_q, p.seq_kv = seq_kv, p.head_dim = kernel.head_dim, p.causal = causal, p.dtype = kernel.dtype;
  return p;
}

void expect_right(const AttentionProblem& p, const AttentionInputs& inputs, simt::Options options,
                  void (*edit)(AttentionPlan&) = nullptr) {
  const AttentionOutputs outputs = run_attention(p, inputs, options, edit);
  EXPECT_EQ(attention_mismatch(p, inputs, outputs), "") << describe(p);
  EXPECT_EQ(outputs.bank_conflicts, 0u) << "bank conflicts in " << describe(p);
}

// --- lengths that fill no tile, one row, one key, more queries than keys (causal: rows that see nothing), ...
struct Lengths {
  std::int64_t seq_q, seq_kv;
};
constexpr Lengths kLengths[] = {{1, 1},     {64, 128},  {239, 1},   {113, 203}, {113, 128}, {128, 217}, {113, 211},
                                {108, 256}, {200, 333}, {256, 113}, {1, 300},   {128, 96},  {130, 32},  {65, 65}};

class Shapes : public testing::TestWithParam<std::tuple<KernelCase, std::size_t, bool>> {};

TEST_P(Shapes, EqualsReference) {
  const auto& [kernel, index, causal] = GetParam();
  const Lengths length = kLengths[index];
  // Every combination with every policy and head count would take minutes; neighbours differ in all of them.
  constexpr Heads kHeads[] = {kMqa, kGqa, kMha};
  constexpr simt::Async kPolicies[] = {simt::Async::Lazy, simt::Async::Eager, simt::Async::Random};
  const AttentionProblem p = make_problem(kernel, kHeads[index % 3], length.seq_q, length.seq_kv, causal);
  expect_right(p, normal_inputs(p, unsigned(index) + 1), attention_options(kPolicies[(index / 3 + causal) % 3]));
}

std::string shape_name(const testing::TestParamInfo<Shapes::ParamType>& info) {
  const auto& [kernel, index, causal] = info.param;
  return simt::format("%s_d%d_%dx%d%s", name(kernel.dtype), int(kernel.head_dim), int(kLengths[index].seq_q),
                      int(kLengths[index].seq_kv), causal ? "_causal" : "");
}
constexpr KernelCase kEveryLength[] = {{DType::bf16, 64}, {DType::bf16, 128}, {DType::f32, 64}};
INSTANTIATE_TEST_SUITE_P(Attention, Shapes,
                         testing::Combine(testing::ValuesIn(kEveryLength),
                                          testing::Range<std::size_t>(0, std::size(kLengths)), testing::Bool()),
                         shape_name);
// fp16 differs from bf16 in two instructions, not in any index; fp32 at 128 takes longest to interpret.
constexpr KernelCase kSomeLengths[] = {{DType::f16, 64}, {DType::f16, 128}, {DType::f32, 128}};
INSTANTIATE_TEST_SUITE_P(AttentionToo, Shapes,
                         testing::Combine(testing::ValuesIn(kSomeLengths), testing::Values<std::size_t>(3, 7, 9, 10),
                                          testing::Bool()),
                         shape_name);

// --- the same problem under every policy and under other schedules
class Schedules : public testing::TestWithParam<KernelCase> {};

TEST_P(Schedules, DoNotChangeABit) {
  const AttentionProblem p = make_problem(GetParam(), kGqa, 150, 230, true);
  const AttentionInputs inputs = normal_inputs(p, 5);
  const AttentionOutputs first = run_attention(p, inputs, attention_options(simt::Async::Lazy));
  EXPECT_EQ(attention_mismatch(p, inputs, first), "");
  const auto same = [&](const simt::Options& options) {
    const AttentionOutputs other = run_attention(p, inputs, options);
    EXPECT_EQ(first.o, other.o);
    EXPECT_EQ(std::memcmp(first.lse.data(), other.lse.data(), first.lse.size() * sizeof(float)), 0);
  };
  same(attention_options(simt::Async::Eager));
  for (std::uint64_t seed = 1; seed <= 3; ++seed) same(attention_options(simt::Async::Random, seed));
}

// --- values
TEST_P(Schedules, AHiddenKeyHasNoInfluence) {
  AttentionProblem p = make_problem(GetParam(), kMqa, 140, 200, true);
  AttentionInputs inputs = normal_inputs(p, 6);
  const AttentionOutputs before = run_attention(p, inputs, attention_options(simt::Async::Lazy));
  constexpr std::int64_t kLastSeen = 77;  // queries 0 .. 17 see keys 0 .. i + 60
  for (std::int64_t j = kLastSeen + 1; j < p.seq_kv; ++j)
    for (std::int64_t d = 0; d < p.head_dim; ++d) {
      store_element(p.dtype, inputs.k.data(), p.k_index(0, j, 0) + d, 9.0 - double(d % 5));
      store_element(p.dtype, inputs.v.data(), p.k_index(0, j, 0) + d, -100.0 + double(j));
    }
  const AttentionOutputs after = run_attention(p, inputs, attention_options(simt::Async::Lazy));
  const std::size_t row_bytes = static_cast<std::size_t>(p.head_dim) * size_bytes(p.dtype);
  for (std::int64_t h = 0; h < p.heads; ++h)
    for (std::int64_t i = 0; i < p.seq_q; ++i) {
      const bool blind = p.visible_keys(0, i).end <= kLastSeen + 1;
      const std::size_t row = static_cast<std::size_t>(p.q_index(0, i, h)) * size_bytes(p.dtype);
      const std::size_t at = static_cast<std::size_t>(h * p.seq_q + i);
      EXPECT_EQ(std::memcmp(&before.o[row], &after.o[row], row_bytes) == 0, blind) << "head " << h << " query " << i;
      EXPECT_EQ(std::memcmp(&before.lse[at], &after.lse[at], sizeof(float)) == 0, blind)
          << "head " << h << " query " << i;
    }
}

TEST_P(Schedules, ExtremeLogits) {
  const auto options = attention_options(simt::Async::Lazy);
  for (const bool causal : {false, true}) {
    const AttentionProblem p = make_problem(GetParam(), kMqa, 70, 192, causal);
    for (const double logit : {-120.0, 120.0, -3000.0})
      expect_right(p, constant_logit_inputs(p, 7, logit), options);  // exp of the raw score under- or overflows
    expect_right(p, normal_inputs(p, 8, 30, 30), options);           // scores of thousands: one key takes all
    expect_right(p, normal_inputs(p, 9, 0, 1), options);             // all scores equal
    AttentionInputs outlier = normal_inputs(p, 10);
    for (std::int64_t d = 0; d < p.head_dim; ++d)  // one key far above the rest, in the middle
      store_element(p.dtype, outlier.k.data(), p.k_index(0, 100, 0) + d,
                    50 * load_element(p.dtype, outlier.q.data(), p.q_index(0, 60, 1) + d));
    expect_right(p, outlier, options);
  }
}

// --- a batch longer than the grid's z is folded into x
TEST_P(Schedules, FoldedBatch) {
  const AttentionProblem p = make_problem(GetParam(), {5, 2, 1}, 140, 50, true);
  expect_right(p, normal_inputs(p, 11), attention_options(simt::Async::Lazy), [](AttentionPlan& plan) {
    plan.grid = {plan.grid.x * 3, plan.grid.y, 2};  // 3 folds of 2: one too many
  });
}

std::string kernel_name(const testing::TestParamInfo<KernelCase>& info) {
  return simt::format("%s_d%d", name(info.param.dtype), int(info.param.head_dim));
}
INSTANTIATE_TEST_SUITE_P(Attention, Schedules, testing::ValuesIn(kKernels), kernel_name);

// --- launch plans
TEST(AttentionPlan, GridStaysWithinTheLimits) {
  AttentionProblem p = make_problem(kKernels[1], {70000, 3, 1}, 300, 10, false);
  const AttentionPlan plan = plan_for(p, {});
  EXPECT_EQ(plan.grid.x, 3u * 2u);
  EXPECT_EQ(plan.grid.y, 3u);
  EXPECT_EQ(plan.grid.z, 35000u);
  EXPECT_EQ(plan.shared_bytes, 48u * 1024);
}

TEST(AttentionPlan, RefusalsSayWhy) {
  Target target;
  target.shared_bytes_per_block = 100 * 1024;
  const auto reason = [&](AttentionProblem p) { return attention_cuda_support(p, target, 128, 64 * 1024).reason; };
  AttentionProblem p = make_problem(kKernels[0], kMha, 10, 10, false);
  EXPECT_EQ(reason(p), "");
  p.head_dim = 96;
  EXPECT_EQ(reason(p), "head_dim 96: only 64 and 128 are implemented");
  p.head_dim = 64, p.seq_kv = std::int64_t(1) << 29;
  EXPECT_NE(reason(p), "");
  p.seq_kv = 10, p.heads = 70000;
  EXPECT_NE(reason(p), "");
  p.heads = 2, target.shared_bytes_per_block = 48 * 1024;
  EXPECT_NE(reason(p).find("shared memory"), std::string::npos);
}

}  // namespace
}  // namespace assay
