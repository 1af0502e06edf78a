// The gradient norm: the reference by hand, the kernels against it and, bit for bit, against the contract's order.
#include "kernels/layer/grad_norm.h"

#include <memory>

#include "tests/kernels/layer/token_check.h"

namespace assay {
namespace {

using test::Array;
using test::differs;
using test::kInfinity;
using test::kNan;

const GradNormKernel& kernel() { return grad_norm_kernels().front(); }

struct Fixture {
  GradNormProblem problem;
  std::vector<std::unique_ptr<Array>> tensors;
  std::vector<const void*> pointers;
  GradNorm result{-1, -1, -1};
  Fixture(const std::vector<std::int64_t>& elements, DType dtype, double deviation = 1) {
    problem.elements = elements;
    problem.dtype = dtype;
    for (const std::int64_t count : elements) {
      tensors.push_back(std::make_unique<Array>(dtype, count));
      tensors.back()->fill_normal(tensors.size(), deviation);
      pointers.push_back(tensors.back()->data());
    }
  }
  GradNormBuffers buffers() { return {pointers.data(), problem.elements.data(), &result}; }
};

/// The contract's order, written down once more.
double sum_by_hand(const Fixture& f) {
  std::vector<float> partials;
  for (const auto& tensor : f.tensors)
    for (std::int64_t first = 0; first < tensor->count(); first += 16384) {
      float lane[64] = {};
      for (std::int64_t i = first; i < std::min(first + 16384, tensor->count()); ++i) {
        const auto g = float(tensor->at(i));
        lane[i % 64] = std::fma(g, g, lane[i % 64]);
      }
      for (int half : {32, 16, 8, 4, 2, 1})
        for (int l = 0; l < half; ++l) lane[l] += lane[l + half];
      partials.push_back(lane[0]);
    }
  std::vector<double> lane(1024);
  for (std::size_t p = 0; p < partials.size(); ++p) lane[p % 1024] += double(partials[p]);
  for (std::size_t half = 512; half > 0; half /= 2)
    for (std::size_t l = 0; l < half; ++l) lane[l] += lane[l + half];
  return lane[0];
}

TEST(GradNormReference, ByHand) {
  Fixture f({2, 1}, DType::f32);
  f.tensors[0]->set(0, 3), f.tensors[0]->set(1, 4), f.tensors[1]->set(0, 12);
  f.problem.max_norm = 6.5f;
  const GradNormReference reference = grad_norm_reference(f.problem, f.buffers());
  EXPECT_EQ(reference.sum_of_squares.value, 169);
  EXPECT_EQ(reference.norm.value, 13);
  EXPECT_DOUBLE_EQ(reference.clip.value, 6.5 / (13 + 1e-6));
  EXPECT_LT(reference.norm.allowed, 1e-4);
  f.problem.max_norm = 14;
  EXPECT_EQ(grad_norm_reference(f.problem, f.buffers()).clip.value, 1);
}

TEST(GradNorm, IsWithinTheAllowedErrorAndExactlyTheContract) {
  const std::vector<std::vector<std::int64_t>> cases = {{1},        {63},    {64},    {65},
                                                        {16383, 1}, {16384}, {16385}, {5, 40000, 1, 1, 33000, 64}};
  for (const DType dtype : test::kTypes)
    for (const auto& elements : cases) {
      Fixture f(elements, dtype);
      const GradNormReference expected = grad_norm_reference(f.problem, f.buffers());
      test::on_every_instruction_set([&] {
        for (const int threads : {1, 2, 3, 9}) {
          f.result = {-1, -1, -1};
          test::launch(kernel(), f.problem, f.buffers(), threads);
          EXPECT_EQ(differs(f.result.sum_of_squares, expected.sum_of_squares), "");
          EXPECT_EQ(differs(f.result.norm, expected.norm), "");
          EXPECT_EQ(differs(f.result.clip, expected.clip), "");
          if (test::has_fused_multiply_add()) {
            EXPECT_EQ(f.result.sum_of_squares, sum_by_hand(f)) << threads;
          }
        }
      });
    }
}

// More partials than lanes: 1100 chunks of one element.
TEST(GradNorm, HasOneOrderForAnyNumberOfChunks) {
  Fixture f(std::vector<std::int64_t>(1100, 1), DType::f32);
  for (const int threads : {1, 4}) {
    test::launch(kernel(), f.problem, f.buffers(), threads);
    EXPECT_EQ(f.result.sum_of_squares, sum_by_hand(f));
  }
}

TEST(GradNorm, ClipsOnlyWhatIsTooLong) {
  Fixture f({100}, DType::f32, 1e-3);
  test::launch(kernel(), f.problem, f.buffers());
  EXPECT_LT(f.result.norm, 1);
  EXPECT_EQ(f.result.clip, 1);
  f.problem.max_norm = f.result.norm / 2;
  const float norm = f.result.norm;
  test::launch(kernel(), f.problem, f.buffers());
  EXPECT_EQ(f.result.norm, norm);
  EXPECT_NEAR(f.result.clip, 0.5, 1e-4);
  f.tensors[0]->fill(0);
  test::launch(kernel(), f.problem, f.buffers());
  EXPECT_EQ(f.result.norm, 0);
  EXPECT_EQ(f.result.clip, 1);
}

TEST(GradNorm, ShowsWhatIsNotFinite) {
  for (const float bad : {kNan, kInfinity, 1e30f}) {  // the square of the last overflows
    Fixture f({70, 70}, DType::f32);
    f.tensors[1]->set(69, double(bad));
    test::launch(kernel(), f.problem, f.buffers());
    EXPECT_FALSE(std::isfinite(f.result.norm));
    EXPECT_TRUE(std::isnan(f.result.clip));
  }
}

}  // namespace
}  // namespace assay
