// tcgen05_sm100's forward pass on the functional GPU, through the launch plan of its launcher.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/simt/attention/sm100/tcgen05_forward_on_simt.h"
#include "tests/simt/tensor_map_encoder.h"

namespace assay {
namespace {

const simt::ptx::Module& module_of(DType dtype) {  // each is parsed when first asked for
  if (dtype == DType::f16) {
    static const simt::ptx::Module f16(simt::ptx::ptx_text(ASSAY_PTX_DIR, "tcgen05_forward_f16_sm100"));
    return f16;
  }
  static const simt::ptx::Module bf16(simt::ptx::ptx_text(ASSAY_PTX_DIR, "tcgen05_forward_bf16_sm100"));
  return bf16;
}

ForwardOutputs run(const AttentionProblem& p, const ForwardInputs& inputs, int multiprocessors,
                   const simt::Options& options = forward_options(simt::Async::Lazy)) {
  return run_sm100_forward(module_of(p.dtype), p, inputs, multiprocessors, options);
}

void expect_right(const AttentionProblem& p, const ForwardInputs& inputs, int multiprocessors,
                  const simt::Options& options = forward_options(simt::Async::Lazy)) {
  const ForwardOutputs outputs = run(p, inputs, multiprocessors, options);
  EXPECT_EQ(forward_mismatch(p, inputs, outputs), "") << describe_forward(p);
  EXPECT_EQ(outputs.bank_conflicts, 0u) << "bank conflicts in " << describe_forward(p);
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

const Sm100ForwardCase& case_named(const std::string& name) {
  for (const Sm100ForwardCase& c : sm100_forward_cases())
    if (c.name == name) return c;
  throw std::runtime_error("there is no case " + name);
}

AttentionProblem problem(std::int64_t head_dim, std::int64_t seq_q, std::int64_t seq_kv, bool causal) {
  AttentionProblem p;
  p.heads = 2, p.kv_heads = 1, p.seq_q = seq_q, p.seq_kv = seq_kv, p.head_dim = head_dim, p.causal = causal;
  p.dtype = DType::bf16;
  return p;
}

constexpr simt::Async kPolicies[] = {simt::Async::Lazy, simt::Async::Eager, simt::Async::Random};

// --- every part of the kernel, under every policy, in both types
class Cases : public testing::TestWithParam<Sm100ForwardCase> {};

TEST_P(Cases, EqualReference) {
  AttentionProblem p = GetParam().problem;
  for (const simt::Async policy : kPolicies) {
    expect_right(p, GetParam().inputs(p), GetParam().multiprocessors, forward_options(policy));
    p.dtype = p.dtype == DType::bf16 ? DType::f16 : DType::bf16;  // they differ in one instruction, not in any index
  }
}
INSTANTIATE_TEST_SUITE_P(Tcgen05Sm100Forward, Cases, testing::ValuesIn(sm100_forward_cases()),
                         [](const auto& info) { return std::string(info.param.name); });

// --- lengths around the tiles' edges: one row, one key, more queries than keys (causal: rows that see nothing), ...
TEST(Tcgen05Sm100Forward, Lengths) {
  struct Lengths {
    std::int64_t seq_q, seq_kv;
  };
  constexpr Lengths kLengths[] = {{1, 1},     {64, 128}, {128, 192}, {239, 1},   {113, 203}, {113, 128}, {128, 217},
                                  {108, 256}, {1, 300},  {256, 113}, {129, 127}, {257, 256}, {385, 65},  {16, 129}};
  unsigned seed = 0;
  for (const Lengths& length : kLengths)
    for (const bool causal : {false, true}) {
      const AttentionProblem p = problem(seed % 3 == 0 ? 128 : 64, length.seq_q, length.seq_kv, causal);
      expect_right(p, forward_inputs(p, seed), 1, forward_options(kPolicies[seed % 3]));
      ++seed;
    }
}

// --- the same problem under other schedules and on other grids
TEST(Tcgen05Sm100Forward, NeitherScheduleNorGridChangesABit) {
  for (const char* name : {"causal", "packed"}) {
    const AttentionProblem& p = case_named(name).problem;
    const ForwardInputs inputs = forward_inputs(p, 5);
    const ForwardOutputs first = run(p, inputs, 1);
    const auto same = [&](int multiprocessors, const simt::Options& options) {
      const ForwardOutputs other = run(p, inputs, multiprocessors, options);
      EXPECT_EQ(first.o, other.o) << name;
      EXPECT_TRUE(same_bits(first.lse, other.lse)) << name;
    };
    same(3, forward_options(simt::Async::Eager));
    same(148, forward_options(simt::Async::Lazy));
    for (std::uint64_t seed = 1; seed <= 3; ++seed) same(2, forward_options(simt::Async::Random, seed));
  }
}

// --- values
TEST(Tcgen05Sm100Forward, AHiddenKeyHasNoInfluence) {
  AttentionProblem p = problem(128, 140, 300, true);
  p.window = 90;
  ForwardInputs inputs = forward_inputs(p, 6);
  const ForwardOutputs before = run(p, inputs, 1);
  constexpr std::int64_t kFirst = 130, kLast = 199;  // changed: all are hidden from some queries on either side
  for (std::int64_t j = kFirst; j <= kLast; ++j)
    for (std::int64_t d = 0; d < p.head_dim; ++d) {
      store_element(p.dtype, inputs.k.data(), p.k_index(0, j, 0) + d, 9.0 - double(d % 5));
      store_element(p.dtype, inputs.v.data(), p.v_index(0, j, 0) + d, -100.0 + double(j));
    }
  const ForwardOutputs after = run(p, inputs, 1);
  const std::size_t row_bytes = static_cast<std::size_t>(p.value_dim()) * size_bytes(p.dtype);
  std::int64_t blind_rows = 0;
  for (std::int64_t h = 0; h < p.heads; ++h)
    for (std::int64_t i = 0; i < p.seq_q; ++i) {
      const KeyRange seen = p.visible_keys(0, i);
      const bool blind = seen.end <= kFirst || seen.begin > kLast;
      blind_rows += blind;
      const std::size_t row = static_cast<std::size_t>(p.o_index(0, i, h)) * size_bytes(p.dtype);
      const auto at = static_cast<std::size_t>(p.lse_index(0, h, i));
      EXPECT_EQ(std::memcmp(&before.o[row], &after.o[row], row_bytes) == 0, blind) << "head " << h << " query " << i;
      EXPECT_EQ(std::memcmp(&before.lse[at], &after.lse[at], sizeof(float)) == 0, blind)
          << "head " << h << " query " << i;
    }
  EXPECT_GT(blind_rows, 20);
  EXPECT_LT(blind_rows, p.heads * p.seq_q - 20);
}

TEST(Tcgen05Sm100Forward, ExtremeLogits) {
  for (const bool causal : {false, true}) {
    const AttentionProblem p = problem(128, 70, 192, causal);
    for (const double logit : {-120.0, 120.0, -3000.0}) {  // exp of the raw score under- or overflows
      ForwardInputs inputs = forward_inputs(p, 7);
      const double root = std::sqrt(std::abs(logit) / p.scale());  // q_0 k_0 scale = logit
      for (std::int64_t i = 0; i < p.q_elements(); i += p.head_dim) store_element(p.dtype, inputs.q.data(), i, root);
      for (std::int64_t i = 0; i < p.k_elements(); i += p.head_dim)
        store_element(p.dtype, inputs.k.data(), i, logit < 0 ? -root : root);
      expect_right(p, inputs, 1);
    }
    expect_right(p, forward_inputs(p, 8, 30, 30), 1);  // scores of thousands: one key takes all
    expect_right(p, forward_inputs(p, 9, 0, 1), 1);    // all scores equal: no maximum ever grows
    ForwardInputs outlier = forward_inputs(p, 10);
    for (std::int64_t d = 0; d < p.head_dim; ++d)  // one key far above the rest, in the tile that comes last
      store_element(p.dtype, outlier.k.data(), p.k_index(0, 10, 0) + d,
                    50 * load_element(p.dtype, outlier.q.data(), p.q_index(0, 60, 1) + d));
    expect_right(p, outlier, 1);
  }
}

TEST(Tcgen05Sm100Forward, TheShiftFollowsWhereTheMaximumGrowsByMuch) {
  for (const DType dtype : {DType::bf16, DType::f16}) {
    AttentionProblem p = problem(64, 140, 640, false);
    p.dtype = dtype;
    // In units of log2, of which 8 are tolerated: never, in the third tile, in each tile, falling.
    for (const double rise : {1.0, 4.0, 7.0, -9.0}) expect_right(p, rising_inputs(p, rise), 1);
  }
}

TEST(Tcgen05Sm100Forward, PackedEqualsSeparate) {
  const AttentionProblem& packed = case_named("packed").problem;
  const ForwardInputs inputs = forward_inputs(packed, 11);
  const ForwardOutputs together = run(packed, inputs, 2);
  const auto part = [&](const std::vector<unsigned char>& all, std::int64_t first, std::int64_t count) {
    const auto begin = all.begin() + first * static_cast<std::int64_t>(size_bytes(packed.dtype));
    return std::vector<unsigned char>(begin, begin + count * static_cast<std::int64_t>(size_bytes(packed.dtype)));
  };
  for (std::int64_t b = 0; b < packed.batch; ++b) {
    if (packed.queries(b) == 0) continue;
    AttentionProblem p = problem(packed.head_dim, packed.queries(b), packed.keys(b), packed.causal);
    const ForwardInputs own{part(inputs.q, packed.q_index(b, 0, 0), p.q_elements()),
                            part(inputs.k, packed.k_index(b, 0, 0), p.k_elements()),
                            part(inputs.v, packed.v_index(b, 0, 0), p.v_elements())};
    const ForwardOutputs alone = run(p, own, 1);
    EXPECT_EQ(part(together.o, packed.o_index(b, 0, 0), p.o_elements()), alone.o) << "sequence " << b;
    for (std::int64_t h = 0; h < p.heads; ++h)
      for (std::int64_t i = 0; i < p.seq_q; ++i)
        EXPECT_EQ(std::memcmp(&together.lse[static_cast<std::size_t>(packed.lse_index(b, h, i))],
                              &alone.lse[static_cast<std::size_t>(p.lse_index(0, h, i))], sizeof(float)),
                  0)
            << "sequence " << b << " head " << h << " query " << i;
  }
}

TEST(Tcgen05Sm100Forward, NoKeysAtAll) {
  for (const AttentionProblem& p :
       {problem(128, 140, 0, true), packed_problem(problem(64, 0, 0, false), {3, 0, 200}, {0, 0, 0})})
    expect_right(p, forward_inputs(p, 12), 2);
}

// --- without the polynomial: what is compiled for sm_103
TEST(Tcgen05Sm100Forward, Sm103TakesAllExponentialsFromMufu) {
  const simt::ptx::Module module(simt::ptx::ptx_text(ASSAY_PTX_DIR, "tcgen05_forward_sm103"));
  const AttentionProblem& p = case_named("causal").problem;
  const ForwardInputs inputs = forward_inputs(p, 5);
  const ForwardOutputs there = run_sm100_forward(module, p, inputs, 1, forward_options(simt::Async::Lazy));
  EXPECT_EQ(forward_mismatch(p, inputs, there), "");
  EXPECT_FALSE(same_bits(there.lse, run(p, inputs, 1).lse));
}

// --- launch plans
TEST(Tcgen05Sm100Forward, ThePlanFitsTheMachine) {
  alignas(16) static unsigned char memory[16];
  AttentionBuffers buffers;
  buffers.q = buffers.k = buffers.v = memory, buffers.o = memory;
  const AttentionProblem p = problem(128, 1000, 1000, true);
  const auto plan = plan_tcgen05_sm100_forward(p, buffers, small_blackwell(148), nullptr, encode_tensor_map);
  EXPECT_STREQ(plan.kernel, "attention_tcgen05_sm100_bf16_d128_v128");
  EXPECT_EQ(plan.grid.x, 8u);  // 4 tiles of 2 heads: fewer than multiprocessors
  EXPECT_EQ(plan.block.x, 512u);
  for (const Tcgen05Sm100ForwardInstance& i : tcgen05_sm100_forward_instances(p.dtype))
    EXPECT_LE(i.shared_bytes, 232448u);
  buffers.k = memory + 2;
  EXPECT_THROW(plan_tcgen05_sm100_forward(p, buffers, small_blackwell(148), nullptr, encode_tensor_map),
               std::runtime_error);
}

}  // namespace
}  // namespace assay
