// Tokens to their experts and back on the functional GPU, by the launch plans of the real launcher, against the
// contract's plan and the fp64 references.
#include <algorithm>

#include "kernels/layer/cuda/permute.h"
#include "tests/simt/layer/layer_on_simt.h"

namespace assay {
namespace {

const simt::ptx::Module& module() {
  static const simt::ptx::Module module(simt::ptx_text(ASSAY_PTX_DIR, "layer_permute_cuda"));
  return module;
}

/// `used`: experts that tokens choose among; the others stay empty.
struct Case {
  std::int64_t tokens, experts, top_k, dim, alignment, used;
  DType dtype;
};

// One slot; one expert for all; empty experts; more experts than a warp's lanes; many chunks; rows that are no vectors.
const Case kCases[] = {{1, 1, 1, 8, 1, 1, DType::bf16},      {300, 8, 2, 64, 128, 8, DType::bf16},
                       {77, 1, 1, 33, 16, 1, DType::f32},    {150, 64, 6, 24, 8, 20, DType::bf16},
                       {40, 200, 8, 12, 1, 200, DType::f32}, {9, 5, 5, 2056, 4, 5, DType::bf16},
                       {65, 40, 12, 7, 32, 33, DType::bf16}};

std::string describe(const Case& c) {
  return std::to_string(c.tokens) + " tokens, " + std::to_string(c.top_k) + " of " + std::to_string(c.used) + " of " +
         std::to_string(c.experts) + ", " + std::to_string(c.dim) + " " + name(c.dtype);
}

PermuteProblem problem_of(const Case& c, PermutePass pass) {
  return {pass, c.tokens, c.experts, c.top_k, c.dim, c.alignment, c.dtype};
}

/// Experts of a token all differ, in any order; some are left out.
std::vector<std::int32_t> choose(LayerOnSimt& gpu, const Case& c) {
  std::vector<std::int32_t> all(std::size_t(c.used)), chosen;
  for (std::size_t e = 0; e < all.size(); ++e) all[e] = std::int32_t(std::int64_t(e) * c.experts / c.used);
  for (std::int64_t t = 0; t < c.tokens; ++t) {
    std::shuffle(all.begin(), all.end(), gpu.generator());
    chosen.insert(chosen.end(), all.begin(), all.begin() + c.top_k);
  }
  return chosen;
}

void run(LayerOnSimt& gpu, const PermuteProblem& p, const PermuteBuffers& b) {
  void* workspace = gpu.heap().allocate(std::size_t(permute_workspace_bytes(p)));
  gpu.run(module(), permute_plans(p, b, workspace), true);  // counters of experts
}

PermuteBuffers planned(LayerOnSimt& gpu, const Case& c, const std::vector<std::int32_t>& expert) {
  PermuteBuffers b;
  const auto p = problem_of(c, PermutePass::plan);
  b.expert = gpu.upload(expert);
  b.offsets = gpu.poisoned<std::int32_t>(c.experts + 1), b.counts = gpu.poisoned<std::int32_t>(c.experts);
  b.row_of = gpu.poisoned<std::int32_t>(p.slots());
  b.slot_of = gpu.upload(std::vector<std::int32_t>(std::size_t(p.capacity()), 12345));
  run(gpu, p, b);
  return b;
}

template <class T>
void same(LayerComparison& compare, const std::vector<T>& expected, const T* actual, const char* name) {
  for (std::size_t i = 0; i < expected.size(); ++i)
    compare.element({double(expected[i]), 0}, double(actual[i]), name, std::int64_t(i));
}

void check_plan(LayerComparison& compare, const Case& c, const PermuteBuffers& b) {
  const PermutePlan expected = permute_reference_plan(problem_of(c, PermutePass::plan), b.expert);
  same(compare, expected.offsets, b.offsets, "offsets");
  same(compare, expected.counts, b.counts, "counts");
  same(compare, expected.row_of, b.row_of, "row_of");
  same(compare, expected.slot_of, b.slot_of, "slot_of");
}

TEST(PermuteOnSimt, PlansAStableSort) {
  for (const Case& c : kCases) {
    LayerOnSimt gpu;
    LayerComparison compare("plan of " + describe(c));
    check_plan(compare, c, planned(gpu, c, choose(gpu, c)));
  }
}

TEST(PermuteOnSimt, PlansInAnySchedule) {
  for (const auto async : {simt::Async::Eager, simt::Async::Random}) {
    LayerOnSimt gpu(async, true);
    LayerComparison compare("plan in any schedule");
    check_plan(compare, kCases[3], planned(gpu, kCases[3], choose(gpu, kCases[3])));
  }
}

/// Buffers for a pass that reads tokens and rows.
PermuteBuffers moving(LayerOnSimt& gpu, const Case& c, PermuteBuffers b) {
  const auto p = problem_of(c, PermutePass::permute);
  b.tokens = gpu.random(c.dtype, c.tokens * c.dim), b.tokens_out = gpu.poisoned(c.dtype, c.tokens * c.dim);
  b.rows = gpu.random(c.dtype, p.capacity() * c.dim), b.rows_out = gpu.poisoned(c.dtype, p.capacity() * c.dim);
  b.weight = static_cast<float*>(gpu.random(DType::f32, p.slots())), b.dweight = gpu.poisoned<float>(p.slots());
  return b;
}

void check_rows(LayerComparison& compare, const PermuteProblem& p, const PermuteBuffers& b) {
  for (std::int64_t row = 0; row < b.offsets[p.experts]; ++row)
    compare.row(permute_reference_row(p, b, row), p.dtype, b.rows_out, "rows", row);
  for (std::int64_t i = b.offsets[p.experts] * p.dim; i < p.capacity() * p.dim; ++i)  // not written
    if (!std::isnan(load_element(p.dtype, b.rows_out, i))) compare.element({NAN, 0}, 0, "rows behind the last", i);
}

void check_pass(LayerOnSimt& gpu, const Case& c, PermutePass pass, const PermuteBuffers& plan) {
  const auto p = problem_of(c, pass);
  const auto b = moving(gpu, c, plan);
  run(gpu, p, b);
  LayerComparison compare(std::string(name(pass)) + " of " + describe(c));
  if (pass == PermutePass::permute || pass == PermutePass::unpermute_backward)
    check_rows(compare, p, b);
  else
    for (std::int64_t t = 0; t < p.tokens; ++t)
      compare.row(permute_reference_token(p, b, t), p.dtype, b.tokens_out, "tokens", t);
  for (std::int64_t i = 0; pass == PermutePass::unpermute_backward && i < p.slots(); ++i)
    compare.element(permute_reference_dweight(p, b, i / p.top_k, i % p.top_k), b.dweight[i], "dweight", i);
}

TEST(PermuteOnSimt, MovesAsTheReference) {
  for (const Case& c : kCases) {
    LayerOnSimt gpu;
    const auto plan = planned(gpu, c, choose(gpu, c));
    for (const auto pass :
         {PermutePass::permute, PermutePass::unpermute, PermutePass::permute_backward, PermutePass::unpermute_backward})
      check_pass(gpu, c, pass, plan);
  }
}

TEST(PermuteOnSimt, ExpertsThatDoNotExist) {
  const Case c{5, 4, 2, 16, 8, 4, DType::bf16};
  LayerOnSimt gpu;
  const auto b = planned(gpu, c, {0, 1, -1, 2, 3, 4, 2147483647, -7, 1, 0});
  for (const std::int64_t slot : {2, 5, 6, 7}) EXPECT_EQ(b.row_of[slot], -1) << "wrong result: row of slot " << slot;
  EXPECT_EQ(b.counts[0] + b.counts[1] + b.counts[2] + b.counts[3], 6) << "wrong result: counts";
  for (const auto pass : {PermutePass::unpermute, PermutePass::permute_backward, PermutePass::permute}) {
    const auto moved = moving(gpu, c, b);
    run(gpu, problem_of(c, pass), moved);
    if (pass == PermutePass::permute) continue;
    for (std::int64_t i = 0; i < c.dim; ++i)  // token 3 has no expert at all
      ASSERT_EQ(load_element(c.dtype, moved.tokens_out, 3 * c.dim + i), 0) << "wrong result: a token without experts";
  }
  const auto backward = moving(gpu, c, b);
  run(gpu, problem_of(c, PermutePass::unpermute_backward), backward);
  EXPECT_EQ(backward.dweight[6], 0.F) << "wrong result: dweight of no expert";
}

TEST(PermuteOnSimt, NoTokens) {
  const Case c{0, 6, 2, 16, 8, 6, DType::bf16};
  LayerOnSimt gpu;
  const auto b = planned(gpu, c, {});
  for (std::int64_t e = 0; e <= c.experts; ++e) ASSERT_EQ(b.offsets[e], 0) << "wrong result: offsets";
  EXPECT_TRUE(permute_plans(problem_of(c, PermutePass::permute), b, nullptr).empty());
}

TEST(PermutePlans, RefuseTooManyExperts) {
  PermuteProblem p;
  p.experts = 1025;
  EXPECT_FALSE(supports_permute_cuda(p).ok());
}

}  // namespace
}  // namespace assay
