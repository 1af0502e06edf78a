// The hand-written attention kernels on the functional GPU, through the launch plans of their launchers: sequences of
// equal lengths.
#include <gtest/gtest.h>

#include <cstring>

#include "tests/simt/attention/attention_cases.h"
#include "tests/simt/attention/attention_cuda.h"

namespace assay {
namespace {

constexpr KernelCase kBf16D96 = {DType::bf16, 96, 96}, kBf16D192 = {DType::bf16, 192, 128},
                     kBf16D256 = {DType::bf16, 256, 256};

class Shapes : public testing::TestWithParam<std::tuple<KernelCase, std::size_t, bool>> {};

TEST_P(Shapes, EqualsReference) {
  const auto& [kernel, index, causal] = GetParam();
  const Lengths length = kLengths[index];
  // Every combination with every policy and head count would take minutes; neighbours differ in all of them.
  constexpr Heads kHeads[] = {kMqa, kGqa, kMha};
  constexpr simt::Async kPolicies[] = {simt::Async::Lazy, simt::Async::Eager, simt::Async::Random};
  const AttentionProblem p = make_problem(kernel, kHeads[index % 3], length.seq_q, length.seq_kv, causal);
  expect_right(forward_of(p.dtype), p, normal_inputs(p, unsigned(index) + 1),
               attention_options(kPolicies[(index / 3 + causal) % 3]));
}

std::string shape_name(const testing::TestParamInfo<Shapes::ParamType>& info) {
  const auto& [kernel, index, causal] = info.param;
  return kernel_case_name(kernel) +
         simt::format("_%dx%d%s", int(kLengths[index].seq_q), int(kLengths[index].seq_kv), causal ? "_causal" : "");
}
constexpr KernelCase kEveryLength[] = {{DType::bf16, 64, 64}, {DType::bf16, 128, 128}, {DType::f32, 64, 64}};
INSTANTIATE_TEST_SUITE_P(Attention, Shapes,
                         testing::Combine(testing::ValuesIn(kEveryLength),
                                          testing::Range<std::size_t>(0, std::size(kLengths)), testing::Bool()),
                         shape_name);
constexpr KernelCase kSomeLengths[] = {kBf16D96, kBf16D192, kBf16D256};
INSTANTIATE_TEST_SUITE_P(AttentionToo, Shapes,
                         testing::Combine(testing::ValuesIn(kSomeLengths), testing::Values<std::size_t>(0, 3, 7, 9),
                                          testing::Bool()),
                         shape_name);
// fp16 differs from bf16 in two instructions, not in any index; fp32 at 128 takes longest to interpret.
constexpr KernelCase kFewLengths[] = {{DType::f16, 64, 64},   {DType::f16, 96, 96},   {DType::f16, 128, 128},
                                      {DType::f16, 192, 128}, {DType::f16, 256, 256}, {DType::f32, 96, 96},
                                      {DType::f32, 128, 128}};
INSTANTIATE_TEST_SUITE_P(AttentionTypes, Shapes,
                         testing::Combine(testing::ValuesIn(kFewLengths), testing::Values<std::size_t>(3),
                                          testing::Bool()),
                         shape_name);

// --- the same problem under every policy and under other schedules
class Schedules : public testing::TestWithParam<KernelCase> {};

TEST_P(Schedules, DoNotChangeABit) {
  const AttentionProblem p = make_problem(GetParam(), {1, 2, 1}, 150, 230, true);
  const SimtForward kernel = forward_of(p.dtype);
  const AttentionInputs inputs = normal_inputs(p, 5);
  const AttentionOutputs first = run_attention(kernel, p, inputs, attention_options(simt::Async::Lazy));
  EXPECT_EQ(attention_mismatch(p, inputs, first), "");
  const auto same = [&](const simt::Options& options) {
    expect_same(first, run_attention(kernel, p, inputs, options), describe(p));
  };
  same(attention_options(simt::Async::Eager));
  for (std::uint64_t seed = 1; seed <= 2; ++seed) same(attention_options(simt::Async::Random, seed));
}
constexpr KernelCase kSchedules[] = {{DType::bf16, 64, 64}, {DType::bf16, 128, 128}, kBf16D96, kBf16D192, kBf16D256,
                                     {DType::f32, 64, 64},  {DType::f32, 128, 128}};
std::string kernel_name(const testing::TestParamInfo<KernelCase>& info) { return kernel_case_name(info.param); }
INSTANTIATE_TEST_SUITE_P(Attention, Schedules, testing::ValuesIn(kSchedules), kernel_name);

// --- values
class Values : public testing::TestWithParam<KernelCase> {};

TEST_P(Values, AHiddenKeyHasNoInfluence) {
  AttentionProblem p = make_problem(GetParam(), kMqa, 140, 200, true);
  const SimtForward kernel = forward_of(p.dtype);
  AttentionInputs inputs = normal_inputs(p, 6);
  const AttentionOutputs before = run_attention(kernel, p, inputs, attention_options(simt::Async::Lazy));
  constexpr std::int64_t kLastSeen = 77;  // queries 0 .. 17 see keys 0 .. i + 60
  for (std::int64_t j = kLastSeen + 1; j < p.seq_kv; ++j)
    for (std::int64_t d = 0; d < p.head_dim; ++d) {
      store_element(p.dtype, inputs.k.data(), p.k_index(0, j, 0) + d, 9.0 - double(d % 5));
      store_element(p.dtype, inputs.v.data(), p.v_index(0, j, 0) + d, -100.0 + double(j));
    }
  const AttentionOutputs after = run_attention(kernel, p, inputs, attention_options(simt::Async::Lazy));
  const std::size_t row_bytes = static_cast<std::size_t>(p.value_dim()) * size_bytes(p.dtype);
  for (std::int64_t h = 0; h < p.heads; ++h)
    for (std::int64_t i = 0; i < p.seq_q; ++i) {
      const bool blind = p.visible_keys(0, i).end <= kLastSeen + 1;
      const std::size_t row = static_cast<std::size_t>(p.o_index(0, i, h)) * size_bytes(p.dtype);
      const std::size_t at = static_cast<std::size_t>(p.lse_index(0, h, i));
      EXPECT_EQ(std::memcmp(&before.o[row], &after.o[row], row_bytes) == 0, blind) << "head " << h << " query " << i;
      EXPECT_EQ(std::memcmp(&before.lse[at], &after.lse[at], sizeof(float)) == 0, blind)
          << "head " << h << " query " << i;
    }
}

TEST_P(Values, ExtremeLogits) {
  const auto options = attention_options(simt::Async::Lazy);
  for (const bool causal : {false, true}) {
    const AttentionProblem p = make_problem(GetParam(), kMqa, 70, 192, causal);
    const SimtForward kernel = forward_of(p.dtype);
    for (const double logit : {-120.0, 120.0, -3000.0})
      expect_right(kernel, p, constant_logit_inputs(p, 7, logit), options);  // exp of the raw score under- or overflows
    expect_right(kernel, p, normal_inputs(p, 8, 30, 30), options);           // scores of thousands: one key takes all
    expect_right(kernel, p, normal_inputs(p, 9, 0, 1), options);             // all scores equal
    AttentionInputs outlier = normal_inputs(p, 10);
    for (std::int64_t d = 0; d < p.head_dim; ++d)  // one key far above the rest, in the middle
      store_element(p.dtype, outlier.k.data(), p.k_index(0, 100, 0) + d,
                    50 * load_element(p.dtype, outlier.q.data(), p.q_index(0, 60, 1) + d));
    expect_right(kernel, p, outlier, options);
  }
}

// --- a batch longer than the grid's z is folded into x
TEST_P(Values, FoldedBatch) {
  const AttentionProblem p = make_problem(GetParam(), {5, 2, 1}, 140, 50, true);
  const SimtForward kernel = forward_of(p.dtype, [](LaunchPlan<AttentionKernelParams>& plan) {
    plan.grid = {plan.grid.x * 3, plan.grid.y, 2};  // 3 folds of 2: one too many
  });
  expect_right(kernel, p, normal_inputs(p, 11), attention_options(simt::Async::Lazy));
}
constexpr KernelCase kValues[] = {{DType::bf16, 64, 64},
                                  {DType::bf16, 128, 128},
                                  {DType::f16, 128, 128},
                                  {DType::f32, 64, 64},
                                  {DType::f32, 128, 128}};
INSTANTIATE_TEST_SUITE_P(Attention, Values, testing::ValuesIn(kValues), kernel_name);

}  // namespace
}  // namespace assay
