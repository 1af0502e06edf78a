// Tokens to experts and back: plans by hand, rows and sums against the reference.
#include "kernels/layer/permute.h"

#include "tests/kernels/layer/token_check.h"

namespace assay {
namespace {

using test::Array;
using test::cpu;
using test::differs;

const PermuteKernel& kernel() { return permute_kernels().front(); }

struct Fixture {
  PermuteProblem problem;
  std::vector<std::int32_t> expert, offsets, counts, row_of, slot_of;
  Array tokens, tokens_out, rows, rows_out, weight, dweight;
  explicit Fixture(const PermuteProblem& p, std::size_t offset = 16)
      : problem(p),
        expert(std::size_t(p.slots())),
        offsets(std::size_t(p.experts + 1), -7),
        counts(std::size_t(p.experts), -7),
        row_of(expert.size(), -7),
        slot_of(std::size_t(p.capacity()), -7),
        tokens(p.dtype, p.tokens * p.dim),
        tokens_out(p.dtype, p.tokens * p.dim, offset),
        rows(p.dtype, p.capacity() * p.dim),
        rows_out(p.dtype, p.capacity() * p.dim, offset),
        weight(DType::f32, p.slots()),
        dweight(DType::f32, p.slots()) {
    test::Random random(31);
    for (std::int64_t t = 0; t < p.tokens; ++t)  // all different; every third expert has no tokens if there are enough
      for (std::int64_t s = 0; s < p.top_k; ++s) {
        std::int32_t& e = expert[std::size_t(t * p.top_k + s)];
        do e = std::int32_t(random.below(p.experts));
        while (std::count(&e - s, &e, e) > 0 || (p.experts > 3 * p.top_k && e % 3 == 1));
      }
    tokens.fill_normal(1), rows.fill_normal(2), weight.fill_normal(3);
  }
  PermuteBuffers buffers() {
    return {expert.data(),     offsets.data(), counts.data(),   row_of.data(),   slot_of.data(),  tokens.data(),
            tokens_out.data(), rows.data(),    rows_out.data(), weight.floats(), dweight.floats()};
  }
  void run(PermutePass pass, int threads = 2) {
    problem.pass = pass;
    test::launch(kernel(), problem, buffers(), threads);
  }
  std::int64_t used_rows() const { return offsets.back(); }
};

PermuteProblem problem_of(std::int64_t tokens, std::int64_t experts, std::int64_t top_k, std::int64_t dim,
                          std::int64_t alignment = 1, DType dtype = DType::f32) {
  return {PermutePass::plan, tokens, experts, top_k, dim, alignment, dtype};
}

std::vector<PermuteProblem> problems(DType dtype) {
  std::vector<PermuteProblem> all;
  for (const std::int64_t dim : {1, 15, 16, 33, 100})
    for (const std::int64_t alignment : {1, 8}) all.push_back(problem_of(29, 12, 3, dim, alignment, dtype));
  all.push_back(problem_of(1, 1, 1, 5, 128, dtype));
  all.push_back(problem_of(3, 256, 8, 64, 16, dtype));
  return all;
}

TEST(PermutePasses, AreReadAsTheyAreWritten) {
  for (const PermutePassName& row : kPermutePasses) {
    PermutePass pass{};
    EXPECT_TRUE(parse_permute_pass(row.name, pass));
    EXPECT_EQ(pass, row.pass);
    EXPECT_STREQ(name(pass), row.name);
  }
  PermutePass pass{};
  EXPECT_FALSE(parse_permute_pass("sort", pass));
}

TEST(PermuteReference, PlanByHand) {
  PermuteProblem p = problem_of(3, 4, 2, 1);
  const std::int32_t expert[] = {2, 0, 0, 3, 2, 3};  // expert 1 has none
  PermutePlan plan = permute_reference_plan(p, expert);
  EXPECT_EQ(plan.offsets, (std::vector<std::int32_t>{0, 2, 2, 4, 6}));
  EXPECT_EQ(plan.counts, (std::vector<std::int32_t>{2, 0, 2, 2}));
  EXPECT_EQ(plan.row_of, (std::vector<std::int32_t>{2, 0, 1, 4, 3, 5}));
  EXPECT_EQ(plan.slot_of, (std::vector<std::int32_t>{1, 2, 0, 4, 3, 5}));
  p.alignment = 3;
  plan = permute_reference_plan(p, expert);
  EXPECT_EQ(plan.offsets, (std::vector<std::int32_t>{0, 3, 3, 6, 9}));
  EXPECT_EQ(plan.slot_of, (std::vector<std::int32_t>{1, 2, -1, 0, 4, -1, 3, 5, -1, -1, -1, -1, -1, -1}));
}

TEST(Permute, PlansAsTheReference) {
  for (PermuteProblem p : problems(DType::f32)) {
    const PermutePlan expected = permute_reference_plan(p, Fixture(p).expert.data());
    for (const int threads : {1, 2, 3, 40}) {
      Fixture f(p);
      f.run(PermutePass::plan, threads);
      EXPECT_EQ(f.offsets, expected.offsets);
      EXPECT_EQ(f.counts, expected.counts);
      EXPECT_EQ(f.row_of, expected.row_of);
      EXPECT_EQ(f.slot_of, expected.slot_of);
      EXPECT_LE(f.used_rows(), p.capacity());
    }
  }
}

// The worst choice for a capacity: every expert has one token more than whole alignments.
TEST(Permute, CapacityIsEnough) {
  PermuteProblem p = problem_of(5, 5, 1, 1, 4);
  Fixture f(p);
  f.expert = {0, 1, 2, 3, 4};
  f.run(PermutePass::plan);
  EXPECT_EQ(f.used_rows(), 20);
  EXPECT_EQ(p.capacity(), 20);
}

TEST(Permute, RowsOfTokens) {
  for (const DType dtype : test::kTypes)
    for (const PermuteProblem& p : problems(dtype))
      test::on_every_instruction_set([&] {
        Fixture f(p);
        f.run(PermutePass::plan);
        for (const PermutePass pass : {PermutePass::permute, PermutePass::unpermute_backward}) {
          f.rows_out.poison(), f.dweight.poison();
          f.run(pass, 3);
          for (std::int64_t row = 0; row < f.used_rows(); ++row)
            test::expect_row(f.rows_out, row, permute_reference_row(f.problem, f.buffers(), row), name(pass));
          // What no expert has is left alone.
          for (std::int64_t i = f.used_rows() * p.dim; i < f.rows_out.count(); ++i)
            ASSERT_TRUE(std::isnan(f.rows_out.at(i))) << i;
          EXPECT_TRUE(f.rows_out.guards_intact());
        }
        for (std::int64_t slot = 0; slot < p.slots(); ++slot)
          ASSERT_EQ(differs(f.dweight.at(slot),
                            permute_reference_dweight(f.problem, f.buffers(), slot / p.top_k, slot % p.top_k)),
                    "")
              << slot;
      });
}

TEST(Permute, SumsOfRows) {
  for (const DType dtype : test::kTypes)
    for (const PermuteProblem& p : problems(dtype))
      test::on_every_instruction_set([&] {
        Fixture f(p);
        f.run(PermutePass::plan);
        for (const PermutePass pass : {PermutePass::unpermute, PermutePass::permute_backward}) {
          f.tokens_out.poison();
          f.run(pass, 3);
          for (std::int64_t t = 0; t < p.tokens; ++t)
            test::expect_row(f.tokens_out, t, permute_reference_token(f.problem, f.buffers(), t), name(pass));
          EXPECT_TRUE(f.tokens_out.guards_intact());
        }
      });
}

// Sums over slots as the contract writes them.
TEST(Permute, SumsHaveTheContractsBits) {
  Fixture f(problem_of(29, 12, 3, 37));
  f.run(PermutePass::plan);
  f.run(PermutePass::unpermute);
  if (!test::has_fused_multiply_add()) GTEST_SKIP() << "no fused multiply-add";
  for (std::int64_t t = 0; t < 29; ++t)
    for (std::int64_t c = 0; c < 37; ++c) {
      float sum = 0;
      for (std::int64_t s = 0; s < 3; ++s) {
        const auto slot = std::size_t(t * 3 + s);
        const float row = f.rows.floats()[f.row_of[slot] * 37 + c], weight = f.weight.floats()[slot];
        sum = s == 0 ? weight * row : std::fma(weight, row, sum);
      }
      ASSERT_EQ(f.tokens_out.floats()[t * 37 + c], sum);
    }
}

// Where rows are stored past the caches.
TEST(Permute, ManyRows) {
  Fixture f(problem_of(2100, 8, 2, 2048, 128), 0);
  f.run(PermutePass::plan);
  f.run(PermutePass::permute);
  for (std::int64_t row = 0; row < f.used_rows(); row += 97)
    test::expect_row(f.rows_out, row, permute_reference_row(f.problem, f.buffers(), row), "rows");
  // There and back: each token twice.
  f.rows.restore(f.rows_out.copy());
  f.run(PermutePass::permute_backward);
  for (std::int64_t i = 0; i < f.tokens.count(); i += 13) ASSERT_EQ(f.tokens_out.at(i), 2 * f.tokens.at(i));
}

TEST(Permute, HasTheSameBitsForAnyNumberOfThreads) {
  std::vector<std::vector<std::uint8_t>> first;
  for (const int threads : {1, 2, 7}) {
    Fixture f(problem_of(100, 20, 4, 100, 8, DType::bf16));
    std::vector<std::vector<std::uint8_t>> all;
    f.run(PermutePass::plan, threads);
    for (const PermutePass pass : {PermutePass::permute, PermutePass::unpermute, PermutePass::unpermute_backward}) {
      f.run(pass, threads);
      for (const Array* array : {&f.rows_out, &f.tokens_out, &f.dweight}) all.push_back(array->copy());
    }
    if (first.empty()) first = all;
    EXPECT_EQ(all, first) << threads;
  }
}

TEST(Permute, RefusesAnExpertThatDoesNotExist) {
  for (const std::int32_t bad : {-1, 12}) {
    Fixture f(problem_of(29, 12, 3, 1));
    f.expert[10] = bad;
    try {
      kernel().prepare(f.problem, cpu(2), {f.buffers()}, nullptr)->launch(f.buffers(), nullptr);
      ADD_FAILURE() << "took expert " << bad;
    } catch (const std::out_of_range& error) {
      EXPECT_EQ(error.what(), "token 3 goes to expert " + std::to_string(bad) + ", which is not in 0 .. 11");
    }
    EXPECT_EQ(f.row_of[0], -7);
  }
  PermuteProblem p = problem_of(1, 64, 33, 1);
  EXPECT_EQ(kernel().supports(p, cpu(1)).reason, "at most 32 experts a token");
}

}  // namespace
}  // namespace assay
