// wgmma_sm90's backward pass on the functional GPU, through the launch plans of its launcher.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "kernels/attention/sm90/wgmma_backward.h"
#include "tests/simt/attention/gradients_on_simt.h"
#include "tests/simt/tensor_map_encoder.h"

namespace assay {
namespace {

using test::GradientInputs;
using test::Gradients;

const simt::ptx::Module& module() {
  static const simt::ptx::Module ptx(simt::ptx_text(ASSAY_PTX_DIR, "wgmma_sm90_backward"));
  return ptx;
}

struct Outcome {
  Gradients gradients;
  std::vector<float> dq_sums;  // before they were rounded
  std::uint64_t bank_conflicts = 0;
};

/// Outputs and workspace hold NaN before.
Outcome run(const AttentionProblem& p, const GradientInputs& inputs, simt::Async async, std::uint64_t seed = 1,
            simt::CtaOrder order = simt::CtaOrder::Sequential, unsigned resident = 16) {
  GradientsOnSimt arrays(p, inputs);
  simt::Options options = gradient_options(arrays.heap(), async, seed);
  options.cta_order = order, options.max_resident_clusters = resident;
  void* workspace = arrays.heap().allocate(wgmma_sm90_backward_workspace_bytes(p));
  const auto plans = plan_wgmma_sm90_backward(p, arrays.buffers(), workspace, encode_tensor_map);
  Outcome outcome;
  for (const WgmmaSm90BackwardPlan& plan : plans)
    if (plan.grid.x > 0)
      outcome.bank_conflicts += simt::launch(module().kernel(plan.kernel), plan, options).bank_conflicts;
  outcome.gradients = arrays.download();
  const WgmmaSm90BackwardParams& params = plans[1].params;
  const std::size_t tile_floats = with_wgmma_sm90_backward_tile(
      p, [](auto tile) { return std::size_t(tile.kDqBlocks) * std::size_t(tile.kBlockFloats); });
  outcome.dq_sums = arrays.heap().download(
      params.dq_sums, std::size_t(p.heads) * std::size_t(params.schedule.all_query_tiles) * tile_floats);
  return outcome;
}

void expect_right(const AttentionProblem& p, const GradientInputs& inputs, simt::Async async) {
  const Outcome outcome = run(p, inputs, async, 3);
  EXPECT_EQ(test::gradient_mismatch(p, inputs, outcome.gradients), "") << test::gradient_case_name(p);
  EXPECT_EQ(outcome.bank_conflicts, 0u) << "bank conflicts in " << test::gradient_case_name(p);
}

struct Kind {
  DType dtype;
  std::int64_t head_dim;
};
constexpr Kind kKinds[] = {{DType::bf16, 128}, {DType::bf16, 64}};

struct Heads {
  std::int64_t batch, heads, kv_heads;
};
constexpr Heads kMha = {2, 2, 2}, kGqa = {1, 4, 2}, kMqa = {1, 3, 1};

AttentionProblem make_problem(Kind kind, Heads heads, std::int64_t seq_q, std::int64_t seq_kv, bool causal) {
  AttentionProblem p;
  p.pass = AttentionPass::backward;
  p.batch = heads.batch, p.heads = heads.heads, p.kv_heads = heads.kv_heads;
  p.seq_q = seq_q, p.seq_kv = seq_kv, p.head_dim = kind.head_dim, p.causal = causal, p.dtype = kind.dtype;
  if (kind.head_dim == 192) p.head_dim_v = 128;
  return p;
}

std::string kind_name(const testing::TestParamInfo<Kind>& info) {
  return simt::format("%s_d%d", name(info.param.dtype), int(info.param.head_dim));
}

// --- lengths that fill no tile, one row, one key, more queries than keys (causal: rows that see nothing), ...
struct Lengths {
  std::int64_t seq_q, seq_kv;
};
constexpr Lengths kLengths[] = {{1, 1},     {64, 128},  {239, 1},   {113, 203}, {128, 128}, {1, 300},
                                {108, 256}, {200, 333}, {256, 113}, {65, 65},   {300, 129}, {384, 256}};

class Shapes : public testing::TestWithParam<std::tuple<Kind, std::size_t, bool>> {};

TEST_P(Shapes, EqualsReference) {
  const auto& [kind, index, causal] = GetParam();
  // Every combination with every policy and head count would take minutes; neighbours differ in all of them.
  constexpr Heads kHeads[] = {kMqa, kGqa, kMha};
  constexpr simt::Async kPolicies[] = {simt::Async::Lazy, simt::Async::Eager, simt::Async::Random};
  AttentionProblem p = make_problem(kind, kHeads[index % 3], kLengths[index].seq_q, kLengths[index].seq_kv, causal);
  p.deterministic = (index / 2 + causal) % 2;
  expect_right(p, test::normal_gradient_inputs(p, unsigned(index) + 1), kPolicies[(index / 3 + causal) % 3]);
}

std::string shape_name(const testing::TestParamInfo<Shapes::ParamType>& info) {
  const auto& [kind, index, causal] = info.param;
  return simt::format("%s_d%d_%dx%d%s", name(kind.dtype), int(kind.head_dim), int(kLengths[index].seq_q),
                      int(kLengths[index].seq_kv), causal ? "_causal" : "");
}
constexpr Kind kEveryLength[] = {{DType::bf16, 128}, {DType::bf16, 64}};
INSTANTIATE_TEST_SUITE_P(Backward, Shapes,
                         testing::Combine(testing::ValuesIn(kEveryLength),
                                          testing::Range<std::size_t>(0, std::size(kLengths)), testing::Bool()),
                         shape_name);
// fp16 differs from bf16 in instructions, not in any index.
constexpr Kind kSomeLengths[] = {{DType::f16, 128}, {DType::f16, 64}};
INSTANTIATE_TEST_SUITE_P(BackwardToo, Shapes,
                         testing::Combine(testing::ValuesIn(kSomeLengths), testing::Values<std::size_t>(3, 8),
                                          testing::Bool()),
                         shape_name);

// 96 is filled up with zeros in the tile of 128; 192, with values of 128, and 256 have loops of their own.
constexpr Kind kOtherWidths[] = {{DType::bf16, 96}, {DType::bf16, 192}, {DType::bf16, 256}};
INSTANTIATE_TEST_SUITE_P(Widths, Shapes,
                         testing::Combine(testing::ValuesIn(kOtherWidths), testing::Values<std::size_t>(3, 8),
                                          testing::Bool()),
                         shape_name);

// fp16, and widths that fill no tile of their own, keys and values differently.
std::vector<AttentionProblem> other_problems() {
  std::vector<AttentionProblem> problems = {make_problem({DType::f16, 192}, kGqa, 70, 150, true),
                                            make_problem({DType::f16, 256}, kGqa, 70, 100, true)};
  constexpr std::int64_t kOddWidths[][2] = {{72, 40}, {8, 96}, {136, 24}, {200, 168}};
  for (const auto& width : kOddWidths) {
    problems.push_back(make_problem({DType::bf16, width[0]}, kMqa, 70, 100, problems.size() % 2));
    problems.back().head_dim_v = width[1], problems.back().deterministic = problems.size() % 2;
  }
  return problems;
}

class Others : public testing::TestWithParam<AttentionProblem> {};
TEST_P(Others, EqualsReference) {
  expect_right(GetParam(), test::normal_gradient_inputs(GetParam(), 2), simt::Async::Lazy);
}
INSTANTIATE_TEST_SUITE_P(Widths, Others, testing::ValuesIn(other_problems()),
                         [](const auto& info) { return test::gradient_case_name(info.param); });

// --- many query tiles, so that every ring and every phase wraps; windows; sequences of various lengths
class Kinds : public testing::TestWithParam<Kind> {};
class EveryKind : public Kinds {};  // the others, too, which cost more

TEST_P(Kinds, ManyQueryTiles) {
  const AttentionProblem p = make_problem(GetParam(), {1, 2, 1}, 530, 140, false);
  expect_right(p, test::normal_gradient_inputs(p, 4), simt::Async::Random);
}

TEST_P(Kinds, Windows) {
  constexpr std::int64_t kWindows[] = {1, 70, 200, 5000};
  for (const std::int64_t window : kWindows) {
    AttentionProblem p = make_problem(GetParam(), {1, 2, 1}, 260, window == 70 ? 130 : 300, true);
    p.window = window, p.deterministic = window % 2 == 0;
    expect_right(p, test::normal_gradient_inputs(p, unsigned(window)), simt::Async::Lazy);
  }
}

AttentionProblem packed_problem(Kind kind, bool causal, std::vector<std::int64_t> queries,
                                std::vector<std::int64_t> keys) {
  AttentionProblem p = make_problem(kind, {std::int64_t(queries.size()), 4, 2}, 0, 0, causal);
  p.q_offsets = p.kv_offsets = {0};
  for (std::size_t b = 0; b < queries.size(); ++b) {
    p.q_offsets.push_back(p.q_offsets.back() + queries[b]), p.kv_offsets.push_back(p.kv_offsets.back() + keys[b]);
    p.seq_q = std::max(p.seq_q, queries[b]), p.seq_kv = std::max(p.seq_kv, keys[b]);
  }
  return p;
}

TEST_P(EveryKind, PackedSequences) {
  for (const bool causal : {false, true}) {
    AttentionProblem p = packed_problem(GetParam(), causal, {30, 0, 70, 129, 1, 0}, {150, 40, 0, 60, 129, 0});
    for (const bool deterministic : {false, true}) {
      if (GetParam().head_dim > 128 && deterministic != causal) continue;
      p.deterministic = deterministic;
      expect_right(p, test::normal_gradient_inputs(p, 21), causal ? simt::Async::Lazy : simt::Async::Random);
    }
  }
}

TEST_P(EveryKind, NothingToSee) {
  for (const bool causal : {false, true}) {
    AttentionProblem p = packed_problem(GetParam(), causal, {5, 0}, {0, 7});
    expect_right(p, test::normal_gradient_inputs(p, 22), simt::Async::Lazy);
    p = packed_problem(GetParam(), causal, {0, 0}, {3, 200});
    expect_right(p, test::normal_gradient_inputs(p, 23), simt::Async::Lazy);
    p = packed_problem(GetParam(), causal, {130, 2}, {0, 0});
    expect_right(p, test::normal_gradient_inputs(p, 24), simt::Async::Lazy);
  }
}

TEST_P(Kinds, ASequenceAloneAndInABatchAreTheSame) {
  const AttentionProblem two = [&] {
    AttentionProblem p = make_problem(GetParam(), {2, 2, 1}, 150, 200, true);
    p.deterministic = true;
    return p;
  }();
  AttentionProblem one = two;
  one.batch = 1;
  const GradientInputs inputs = test::normal_gradient_inputs(two, 31);
  GradientInputs first = inputs;
  for (auto* array : {&first.q, &first.k, &first.v, &first.d_o, &first.o}) array->resize(array->size() / 2);
  first.lse.resize(first.lse.size() / 2);
  const Gradients of_two = run(two, inputs, simt::Async::Lazy).gradients,
                  of_one = run(one, first, simt::Async::Lazy).gradients;
  EXPECT_EQ(std::memcmp(of_two.dq.data(), of_one.dq.data(), of_one.dq.size()), 0);
  EXPECT_EQ(std::memcmp(of_two.dk.data(), of_one.dk.data(), of_one.dk.size()), 0);
  EXPECT_EQ(std::memcmp(of_two.dv.data(), of_one.dv.data(), of_one.dv.size()), 0);
}

// --- values
TEST_P(Kinds, ExtremeLogits) {
  for (const bool causal : {false, true}) {
    const AttentionProblem p = make_problem(GetParam(), {1, 2, 1}, 70, 192, causal);
    for (const double logit : {-120.0, 120.0, -3000.0})  // lse below -88: exp of the raw score under- or overflows
      expect_right(p, test::constant_logit_gradient_inputs(p, 7, logit), simt::Async::Lazy);
    expect_right(p, test::normal_gradient_inputs(p, 8, 30, 30), simt::Async::Lazy);  // one key takes all
    expect_right(p, test::normal_gradient_inputs(p, 9, 0, 1), simt::Async::Lazy);    // all scores equal
  }
}

TEST_P(Kinds, AHiddenKeyHasNoInfluence) {
  AttentionProblem p = make_problem(GetParam(), {1, 2, 1}, 140, 200, true);
  p.deterministic = true;
  GradientInputs inputs = test::normal_gradient_inputs(p, 6);
  const Gradients before = run(p, inputs, simt::Async::Lazy).gradients;
  constexpr std::int64_t kLastSeen = 77;  // queries 0 .. 17 see keys 0 .. i + 60
  for (std::int64_t j = kLastSeen + 1; j < p.seq_kv; ++j)
    for (std::int64_t d = 0; d < p.head_dim; ++d) {
      store_element(p.dtype, inputs.k.data(), p.k_index(0, j, 0) + d, 9.0 - double(d % 5));
      if (d < p.value_dim()) store_element(p.dtype, inputs.v.data(), p.v_index(0, j, 0) + d, -100.0 + double(j));
    }
  const Gradients after = run(p, inputs, simt::Async::Lazy).gradients;  // o and lse as they were
  const std::size_t row_bytes = static_cast<std::size_t>(p.head_dim) * size_bytes(p.dtype);
  for (std::int64_t h = 0; h < p.heads; ++h)
    for (std::int64_t i = 0; i < p.seq_q; ++i) {
      const bool blind = p.visible_keys(0, i).end <= kLastSeen + 1;
      const std::size_t row = static_cast<std::size_t>(p.q_index(0, i, h)) * size_bytes(p.dtype);
      EXPECT_EQ(std::memcmp(&before.dq[row], &after.dq[row], row_bytes) == 0, blind) << "head " << h << " query " << i;
    }
}

// --- the same bits however it runs
TEST_P(EveryKind, DeterministicFormDoesNotChangeABit) {
  for (const bool causal : {false, true}) {
    const bool wide = GetParam().head_dim > 128;  // 256: as many tiles of half as many keys
    AttentionProblem p =
        make_problem(GetParam(), {1, wide ? 1 : 2, 1}, 140, GetParam().head_dim == 256 ? 198 : 390, causal);
    p.deterministic = true;
    const GradientInputs inputs = test::normal_gradient_inputs(p, 12);
    const Outcome first = run(p, inputs, simt::Async::Lazy);
    EXPECT_EQ(test::gradient_mismatch(p, inputs, first.gradients), "");
    const auto expect_same = [&](simt::Async async, std::uint64_t seed, simt::CtaOrder order, unsigned resident) {
      const Outcome other = run(p, inputs, async, seed, order, resident);
      const Gradients &a = first.gradients, &b = other.gradients;
      // Sums first: rounded to 16 bits, nearly all that are added in another order look alike.
      EXPECT_TRUE(std::memcmp(first.dq_sums.data(), other.dq_sums.data(), first.dq_sums.size() * sizeof(float)) == 0 &&
                  a.dq == b.dq && a.dk == b.dk && a.dv == b.dv)
          << "wrong result: other bits under policy " << int(async) << " order " << int(order) << " seed " << seed;
    };
    expect_same(simt::Async::Eager, 1, simt::CtaOrder::Sequential, 1);
    expect_same(simt::Async::Lazy, 1, simt::CtaOrder::RoundRobin, 16);
    for (std::uint64_t seed = 2; seed <= 3; ++seed) expect_same(simt::Async::Random, seed, simt::CtaOrder::Random, 3);
  }
}

TEST_P(Kinds, FreeFormIsRightInEveryOrder) {
  const AttentionProblem p = make_problem(GetParam(), kMqa, 150, 400, true);
  const GradientInputs inputs = test::normal_gradient_inputs(p, 13);
  for (const simt::CtaOrder order : {simt::CtaOrder::RoundRobin, simt::CtaOrder::Random})
    EXPECT_EQ(test::gradient_mismatch(p, inputs, run(p, inputs, simt::Async::Random, 5, order).gradients), "");
}

INSTANTIATE_TEST_SUITE_P(Backward, Kinds, testing::ValuesIn(kKinds), kind_name);
INSTANTIATE_TEST_SUITE_P(Backward, EveryKind, testing::ValuesIn(kKinds), kind_name);
INSTANTIATE_TEST_SUITE_P(Widths, EveryKind, testing::Values(kOtherWidths[1], kOtherWidths[2]), kind_name);

}  // namespace
}  // namespace assay
