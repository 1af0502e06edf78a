// RMSNorm and LayerNorm on the functional GPU, by the launch plans of the real launchers, against the fp64 references.
#include "kernels/layer/cuda/norm.h"
#include "tests/simt/layer/layer_on_simt.h"

namespace assay {
namespace {

const simt::ptx::Module& module(LayerPass pass) {
  static const simt::ptx::Module forward(simt::ptx_text(ASSAY_PTX_DIR, "layer_norm_forward_cuda"));
  static const simt::ptx::Module backward(simt::ptx_text(ASSAY_PTX_DIR, "layer_norm_backward_cuda"));
  return pass == LayerPass::forward ? forward : backward;
}

struct Case {
  std::int64_t tokens, hidden;
  DType dtype;
  bool option;  // residual, and dw added to
};

std::string describe(const Case& c) {
  return std::to_string(c.tokens) + "x" + std::to_string(c.hidden) + " " + name(c.dtype) + (c.option ? " option" : "");
}

// One row and many; a warp's rows, blocks of every number of vectors a lane, full and ragged; lengths that go element
// by element because they are odd or too long.
const std::vector<Case> kCases = {
    {1, 8, DType::bf16, false},   {3, 512, DType::bf16, false},   {9, 2880, DType::bf16, false},
    {7, 4096, DType::bf16, true}, {3, 7168, DType::bf16, false},  {5, 16384, DType::bf16, true},
    {1, 1, DType::bf16, false},   {2, 16392, DType::bf16, false}, {33, 64, DType::f32, false},
    {17, 260, DType::f32, true},  {4, 1536, DType::f32, false},   {3, 4096, DType::f32, true},
    {2, 8192, DType::f32, false}, {3, 33, DType::f32, true},
};
// A team of each kind, with several turns: what bugs are planted against.
const std::vector<Case> kSmallCases = {
    {70, 128, DType::bf16, true}, {20, 520, DType::bf16, true}, {19, 301, DType::bf16, true}};

template <class Problem>
Problem problem_of(const Case& c, LayerPass pass) {
  Problem p;
  p.tokens = c.tokens, p.hidden = c.hidden, p.dtype = c.dtype, p.pass = pass;
  p.residual = c.option, p.accumulate = c.option;
  return p;
}

/// Buffers of both contracts, and copies of what a kernel may overwrite.
template <class Buffers, class Problem>
Buffers make_buffers(LayerOnSimt& gpu, const Problem& p) {
  const std::int64_t n = p.elements();
  Buffers b;
  b.x = gpu.random(p.dtype, n, 2, 0.5), b.residual = gpu.random(p.dtype, n), b.weight = gpu.random(p.dtype, p.hidden);
  b.sum = gpu.poisoned(p.dtype, n), b.y = gpu.poisoned(p.dtype, n), b.dx = gpu.poisoned(p.dtype, n);
  b.dy = gpu.random(p.dtype, n), b.d_sum = gpu.random(p.dtype, n);
  const bool forward = p.pass == LayerPass::forward;
  b.rstd = forward ? gpu.poisoned<float>(p.tokens) : static_cast<float*>(gpu.random(DType::f32, p.tokens, 0.1, 1));
  b.dw = p.accumulate ? static_cast<float*>(gpu.random(DType::f32, p.hidden)) : gpu.poisoned<float>(p.hidden);
  return b;
}

RmsNormBuffers buffers_of(LayerOnSimt& gpu, const RmsNormProblem& p) { return make_buffers<RmsNormBuffers>(gpu, p); }
LayerNormBuffers buffers_of(LayerOnSimt& gpu, const LayerNormProblem& p) {
  auto b = make_buffers<LayerNormBuffers>(gpu, p);
  const bool forward = p.pass == LayerPass::forward;
  b.bias = gpu.random(p.dtype, p.hidden);
  b.mean = forward ? gpu.poisoned<float>(p.tokens) : static_cast<float*>(gpu.random(DType::f32, p.tokens, 0.1));
  b.db = p.accumulate ? static_cast<float*>(gpu.random(DType::f32, p.hidden)) : gpu.poisoned<float>(p.hidden);
  return b;
}

template <class Problem, class Buffers>
void run(LayerOnSimt& gpu, const Problem& p, const Buffers& b, int multiprocessors = 1) {
  const Target target = simt_target(multiprocessors);
  auto* workspace = gpu.poisoned<float>(norm_workspace_floats(norm_launch_of(p), target));
  gpu.run(module(p.pass), norm_plans(p, b, workspace, target));
}

void check_forward(const RmsNormProblem& p, const RmsNormBuffers& b, LayerComparison& compare) {
  for (std::int64_t t = 0; t < p.tokens; ++t) {
    const RmsNormRow row = rms_norm_reference(p, b, t);
    compare.row(row.y, p.dtype, b.y, "y", t);
    compare.element(row.rstd, b.rstd[t], "rstd", t);
    if (p.residual) compare.row(row.sum, p.dtype, b.sum, "sum", t);
  }
}
void check_forward(const LayerNormProblem& p, const LayerNormBuffers& b, LayerComparison& compare) {
  for (std::int64_t t = 0; t < p.tokens; ++t) {
    const LayerNormReferenceRow row = layer_norm_reference(p, b, t);
    compare.row(row.y, p.dtype, b.y, "y", t);
    compare.element(row.rstd, b.rstd[t], "rstd", t);
    compare.element(row.mean, b.mean[t], "mean", t);
    if (p.residual) compare.row(row.sum, p.dtype, b.sum, "sum", t);
  }
}

/// One rounding more where a kernel adds to what was there.
LayerElement added(LayerElement sum, bool accumulate, float before) {
  if (!accumulate) return sum;
  sum.value += before, sum.allowed += unit_roundoff(DType::f32) * (std::abs(sum.value) + std::abs(before));
  return sum;
}

void check_backward(const RmsNormProblem& p, const RmsNormBuffers& before, const RmsNormBuffers& b,
                    LayerComparison& compare) {
  for (std::int64_t t = 0; t < p.tokens; ++t) compare.row(rms_norm_reference_dx(p, before, t), p.dtype, b.dx, "dx", t);
  for (std::int64_t c = 0; c < p.hidden; ++c)
    compare.element(added(rms_norm_reference_dw(p, before, c), p.accumulate, before.dw[c]), b.dw[c], "dw", c);
}
void check_backward(const LayerNormProblem& p, const LayerNormBuffers& before, const LayerNormBuffers& b,
                    LayerComparison& compare) {
  for (std::int64_t t = 0; t < p.tokens; ++t)
    compare.row(layer_norm_reference_dx(p, before, t), p.dtype, b.dx, "dx", t);
  for (std::int64_t c = 0; c < p.hidden; ++c) {
    compare.element(added(layer_norm_reference_dw(p, before, c), p.accumulate, before.dw[c]), b.dw[c], "dw", c);
    compare.element(added(layer_norm_reference_db(p, before, c), p.accumulate, before.db[c]), b.db[c], "db", c);
  }
}

float* copy_of(LayerOnSimt& gpu, float* array, std::int64_t count) {
  return static_cast<float*>(gpu.copy(DType::f32, array, count));
}
RmsNormBuffers outputs_copied(LayerOnSimt& gpu, const RmsNormProblem& p, RmsNormBuffers b) {
  b.dw = copy_of(gpu, b.dw, p.hidden);
  return b;
}
LayerNormBuffers outputs_copied(LayerOnSimt& gpu, const LayerNormProblem& p, LayerNormBuffers b) {
  b.dw = copy_of(gpu, b.dw, p.hidden), b.db = copy_of(gpu, b.db, p.hidden);
  return b;
}

template <class Problem>
class NormOnSimt : public testing::Test {};
using Norms = testing::Types<RmsNormProblem, LayerNormProblem>;
TYPED_TEST_SUITE(NormOnSimt, Norms);

template <class Problem>
void check_forward_cases(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    LayerOnSimt gpu;
    const auto p = problem_of<Problem>(c, LayerPass::forward);
    const auto b = buffers_of(gpu, p);
    run(gpu, p, b);
    LayerComparison compare("forward " + describe(c));
    check_forward(p, b, compare);
  }
}

template <class Problem>
void check_backward_cases(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    LayerOnSimt gpu;
    const auto p = problem_of<Problem>(c, LayerPass::backward);
    const auto before = buffers_of(gpu, p);
    const auto b = outputs_copied(gpu, p, before);
    run(gpu, p, b);
    LayerComparison compare("backward " + describe(c));
    check_backward(p, before, b, compare);
  }
}

TYPED_TEST(NormOnSimt, SmallForwardEqualsReference) { check_forward_cases<TypeParam>(kSmallCases); }
TYPED_TEST(NormOnSimt, SmallBackwardEqualsReference) { check_backward_cases<TypeParam>(kSmallCases); }
TYPED_TEST(NormOnSimt, ForwardEqualsReference) { check_forward_cases<TypeParam>(kCases); }
TYPED_TEST(NormOnSimt, BackwardEqualsReference) { check_backward_cases<TypeParam>(kCases); }

TYPED_TEST(NormOnSimt, InPlaceAndInAnyScheduleTheBitsAreTheSame) {
  for (const Case& c :
       {Case{13, 256, DType::bf16, true}, Case{13, 1024, DType::bf16, true}, Case{13, 99, DType::f32, true}})
    for (const auto async : {simt::Async::Eager, simt::Async::Random}) {
      LayerOnSimt gpu(async, true);
      auto p = problem_of<TypeParam>(c, LayerPass::forward);
      const std::int64_t bytes = storage_bytes(p.dtype, p.elements());
      LayerComparison compare("in place " + describe(c));
      auto b = buffers_of(gpu, p), in_place = b;
      run(gpu, p, b);
      in_place.x = in_place.y = gpu.copy(p.dtype, b.x, p.elements());
      in_place.residual = in_place.sum = gpu.copy(p.dtype, b.residual, p.elements());
      run(gpu, p, in_place);
      compare.same_bits(b.y, in_place.y, bytes, "y");
      compare.same_bits(b.sum, in_place.sum, bytes, "sum");
      p.pass = LayerPass::backward;
      in_place = outputs_copied(gpu, p, b);
      in_place.dy = in_place.dx = gpu.copy(p.dtype, b.dy, p.elements());
      run(gpu, p, b);
      run(gpu, p, in_place);
      compare.same_bits(b.dx, in_place.dx, bytes, "dx");
      compare.same_bits(b.dw, in_place.dw, p.hidden * 4, "dw");
    }
}

TYPED_TEST(NormOnSimt, NanStaysInItsRow) {
  for (const std::int64_t hidden : {256, 1024, 99}) {
    LayerOnSimt gpu;
    const auto p = problem_of<TypeParam>({3, hidden, DType::bf16, false}, LayerPass::forward);
    const auto b = buffers_of(gpu, p);
    store_element(p.dtype, const_cast<void*>(b.x), hidden + 7, NAN);
    run(gpu, p, b);
    for (std::int64_t i = 0; i < p.elements(); ++i)
      ASSERT_EQ(std::isnan(load_element(p.dtype, b.y, i)), i / hidden == 1) << "wrong result: NaN at " << i;
  }
}

TYPED_TEST(NormOnSimt, NoTokens) {
  LayerOnSimt gpu;
  auto p = problem_of<TypeParam>({0, 128, DType::bf16, false}, LayerPass::forward);
  const auto b = buffers_of(gpu, p);
  EXPECT_TRUE(norm_plans(p, b, nullptr, simt_target()).empty());
  p.pass = LayerPass::backward;
  run(gpu, p, b);
  for (std::int64_t c = 0; c < p.hidden; ++c) ASSERT_EQ(b.dw[c], 0.F) << "wrong result: dw without tokens";
}

TEST(NormPlans, UnalignedArraysAndSmallSharedMemoryGoElementByElement) {
  const NormLaunch launch{64, 4096, DType::bf16, true, true, false};
  EXPECT_TRUE(norm_shape(launch, simt_target(), true).vectors);
  EXPECT_FALSE(norm_shape(launch, simt_target(), false).vectors);
  Target small = simt_target();
  small.shared_bytes_per_block = 16 * 1024;
  EXPECT_FALSE(norm_shape(launch, small, true).vectors);
}

TEST(NormPlans, EveryLaneHasWork) {
  for (std::int64_t hidden = 8; hidden <= 16384; hidden += 8) {
    const NormShape shape = norm_shape({64, hidden, DType::bf16, false, false, false}, simt_target(), true);
    ASSERT_TRUE(shape.vectors);
    const std::int64_t lanes = shape.warp_rows ? 32 : shape.threads, vectors = hidden / 8;
    ASSERT_GE(lanes * shape.per_lane, vectors) << hidden;
    ASSERT_LT((lanes - 32) * shape.per_lane, vectors) << hidden;
  }
}

}  // namespace
}  // namespace assay
