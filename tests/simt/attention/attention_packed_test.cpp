// Sliding windows and packed sequences of various lengths on the functional GPU.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "tests/simt/attention/attention_cases.h"
#include "tests/simt/attention/attention_cuda.h"

namespace assay {
namespace {

constexpr KernelCase kKernels[] = {{DType::bf16, 64, 64},   {DType::bf16, 128, 128}, {DType::bf16, 96, 96},
                                   {DType::bf16, 192, 128}, {DType::bf16, 256, 256}, {DType::f16, 64, 64},
                                   {DType::f32, 64, 64}};
constexpr simt::Async kPolicies[] = {simt::Async::Lazy, simt::Async::Eager, simt::Async::Random};

class Windows : public testing::TestWithParam<std::tuple<KernelCase, std::size_t>> {};

TEST_P(Windows, EqualsReference) {
  const auto& [kernel, index] = GetParam();
  const auto& [length, window] = kWindows[index];
  const AttentionProblem p = make_problem(kernel, {1, 2, 1}, length.seq_q, length.seq_kv, true, window);
  expect_right(forward_of(p.dtype), p, normal_inputs(p, unsigned(index) + 20), attention_options(kPolicies[index % 3]));
}

INSTANTIATE_TEST_SUITE_P(Attention, Windows,
                         testing::Combine(testing::ValuesIn(kKernels, kKernels + 2),
                                          testing::Range<std::size_t>(0, std::size(kWindows))),
                         [](const auto& info) {
                           const WindowCase& w = kWindows[std::get<1>(info.param)];
                           return kernel_case_name(std::get<0>(info.param)) +
                                  simt::format("_%dx%d_w%d", int(w.length.seq_q), int(w.length.seq_kv), int(w.window));
                         });
INSTANTIATE_TEST_SUITE_P(AttentionToo, Windows,
                         testing::Combine(testing::ValuesIn(kKernels + 2, std::end(kKernels)),
                                          testing::Values<std::size_t>(1, 4)),
                         [](const auto& info) {
                           const WindowCase& w = kWindows[std::get<1>(info.param)];
                           return kernel_case_name(std::get<0>(info.param)) +
                                  simt::format("_%dx%d_w%d", int(w.length.seq_q), int(w.length.seq_kv), int(w.window));
                         });

struct Mask {
  const char* name;
  bool causal;
  std::int64_t window;
};
constexpr Mask kMasks[] = {{"full", false, 0}, {"causal", true, 0}, {"window", true, 50}};

AttentionProblem packed(KernelCase kernel, std::size_t index, const Mask& mask) {
  const PackedCase& lengths = packed_cases()[index];
  return packed_problem(make_problem(kernel, kGqa, 1, 1, mask.causal, mask.window), lengths.queries, lengths.keys);
}

class Packed : public testing::TestWithParam<std::tuple<KernelCase, std::size_t, Mask>> {};

TEST_P(Packed, EqualsReference) {
  const auto& [kernel, index, mask] = GetParam();
  const AttentionProblem p = packed(kernel, index, mask);
  expect_right(forward_of(p.dtype), p, normal_inputs(p, unsigned(index) + 30),
               attention_options(kPolicies[(index + mask.causal) % 3]));
}

std::string packed_name(const testing::TestParamInfo<Packed::ParamType>& info) {
  const auto& [kernel, index, mask] = info.param;
  return kernel_case_name(kernel) + simt::format("_%d_%s", int(index), mask.name);
}
INSTANTIATE_TEST_SUITE_P(Attention, Packed,
                         testing::Combine(testing::ValuesIn(kKernels, kKernels + 2),
                                          testing::Range<std::size_t>(0, packed_cases().size()),
                                          testing::ValuesIn(kMasks)),
                         packed_name);
INSTANTIATE_TEST_SUITE_P(AttentionToo, Packed,
                         testing::Combine(testing::ValuesIn(kKernels + 2, std::end(kKernels)),
                                          testing::Values<std::size_t>(1), testing::Values(kMasks[2])),
                         packed_name);

class Neighbours : public testing::TestWithParam<KernelCase> {};

/// Every sequence as if it were alone, to the bit.
TEST_P(Neighbours, DoNotMatter) {
  const AttentionProblem p = packed(GetParam(), 0, kMasks[2]);
  const SimtForward kernel = forward_of(p.dtype);
  const AttentionInputs inputs = normal_inputs(p, 40);
  const AttentionOutputs together = run_attention(kernel, p, inputs, attention_options(simt::Async::Lazy));
  for (std::int64_t b = 0; b < p.batch; ++b) {
    const AttentionProblem alone = sequence_of(p, b);
    expect_same(sequence_of(p, together, b),
                run_attention(kernel, alone, sequence_of(p, inputs, b), attention_options(simt::Async::Lazy)),
                describe(alone));
  }
}

/// One sequence among others that are all NaN; the batch is folded, with one fold past its end.
TEST_P(Neighbours, MayBeNaN) {
  constexpr std::int64_t kMiddle = 4;  // 64 queries, 200 keys
  for (const Mask& mask : kMasks) {
    const AttentionProblem p = packed(GetParam(), 0, mask);
    const SimtForward kernel = forward_of(p.dtype, [](LaunchPlan<AttentionKernelParams>& plan) {
      plan.grid = {plan.grid.x * 3, plan.grid.y, 3};  // 9 for 8 sequences
    });
    AttentionInputs inputs = normal_inputs(p, 44);
    const auto poison = [&](std::vector<unsigned char>& array, std::int64_t first, std::int64_t end) {
      std::fill(array.begin(), array.begin() + first * std::ptrdiff_t(size_bytes(p.dtype)), 0xff);
      std::fill(array.begin() + end * std::ptrdiff_t(size_bytes(p.dtype)), array.end(), 0xff);
    };
    poison(inputs.q, p.q_index(kMiddle, 0, 0), p.q_index(kMiddle + 1, 0, 0));
    poison(inputs.k, p.k_index(kMiddle, 0, 0), p.k_index(kMiddle + 1, 0, 0));
    poison(inputs.v, p.v_index(kMiddle, 0, 0), p.v_index(kMiddle + 1, 0, 0));
    const AttentionOutputs all = run_attention(kernel, p, inputs, attention_options(simt::Async::Lazy));
    EXPECT_EQ(
        attention_mismatch(sequence_of(p, kMiddle), sequence_of(p, inputs, kMiddle), sequence_of(p, all, kMiddle)), "")
        << mask.name;
  }
}

/// Keys before a query's window change nothing; those within it do.
TEST_P(Neighbours, KeysBeforeTheWindowDoNotMatter) {
  const AttentionProblem p = make_problem(GetParam(), kMqa, 140, 200, true, 70);
  const SimtForward kernel = forward_of(p.dtype);
  AttentionInputs inputs = normal_inputs(p, 41);
  const AttentionOutputs before = run_attention(kernel, p, inputs, attention_options(simt::Async::Lazy));
  constexpr std::int64_t kChanged = 51;  // keys 0 .. 50; query i sees keys i - 9 .. i + 60
  for (std::int64_t e = 0; e < kChanged * p.head_dim; ++e)
    store_element(p.dtype, inputs.k.data(), e, 9.0 - double(e % 5));
  for (std::int64_t e = 0; e < kChanged * p.value_dim(); ++e)
    store_element(p.dtype, inputs.v.data(), e, -100.0 + double(e % 7));
  const AttentionOutputs after = run_attention(kernel, p, inputs, attention_options(simt::Async::Lazy));
  const std::size_t row_bytes = static_cast<std::size_t>(p.value_dim()) * size_bytes(p.dtype);
  for (std::int64_t h = 0; h < p.heads; ++h)
    for (std::int64_t i = 0; i < p.seq_q; ++i) {
      const bool blind = p.visible_keys(0, i).begin >= kChanged;
      const std::size_t row = static_cast<std::size_t>(p.o_index(0, i, h)) * size_bytes(p.dtype);
      const std::size_t at = static_cast<std::size_t>(p.lse_index(0, h, i));
      EXPECT_EQ(std::memcmp(&before.o[row], &after.o[row], row_bytes) == 0, blind) << "head " << h << " query " << i;
      EXPECT_EQ(std::memcmp(&before.lse[at], &after.lse[at], sizeof(float)) == 0, blind)
          << "head " << h << " query " << i;
    }
}
/// The grid is for the longest sequence; in a shorter one most blocks have nothing to do, and must not read its keys.
TEST_P(Neighbours, BlocksWithoutQueriesCostNothing) {
  const AttentionProblem p = packed_problem(make_problem(GetParam(), {1, 1, 1}, 1, 1, false), {900, 1}, {1, 600});
  const SimtForward kernel = forward_of(p.dtype);
  const AttentionInputs inputs = normal_inputs(p, 43);
  const auto instructions = [&](const AttentionProblem& problem, const AttentionInputs& values) {
    return double(run_attention(kernel, problem, values, attention_options(simt::Async::Lazy)).instructions);
  };
  double alone = 0;
  for (std::int64_t b = 0; b < p.batch; ++b) alone += instructions(sequence_of(p, b), sequence_of(p, inputs, b));
  EXPECT_LT(instructions(p, inputs), 1.05 * alone) << "wrong result: blocks without queries walk over keys";
}

/// The first block's 128 (f32: 64) queries see 192 of 1100 keys at most, so its tiles are few.
TEST_P(Neighbours, TilesOutsideTheWindowCostNothing) {
  AttentionProblem p = make_problem(GetParam(), {1, 1, 1}, 128, 1100, true, 64);
  const SimtForward kernel = forward_of(p.dtype);
  const AttentionInputs inputs = normal_inputs(p, 42);
  const auto instructions = [&] {
    return double(run_attention(kernel, p, inputs, attention_options(simt::Async::Lazy)).instructions);
  };
  const double with = instructions();
  p.window = 0;
  EXPECT_LT(with, 0.45 * instructions()) << "wrong result: keys before the window are walked over";
}
INSTANTIATE_TEST_SUITE_P(Attention, Neighbours,
                         testing::Values(kKernels[0], kKernels[1], kKernels[3], KernelCase{DType::f32, 64, 64}),
                         [](const auto& info) { return kernel_case_name(info.param); });

}  // namespace
}  // namespace assay
