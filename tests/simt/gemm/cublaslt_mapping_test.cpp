// cuBLASLt itself needs a GPU; that we tell it the right problem does not.
#include <gtest/gtest.h>

#include "kernels/gemm/vendor/cublaslt_mapping.h"

namespace assay {
namespace {

/// Index of element (row, column) of op(matrix) as BLAS reads it: by columns.
std::int64_t blas_index(const CublasLtMapping::Matrix& m, std::int64_t row, std::int64_t column) {
  return m.transposed ? column + row * m.leading_dimension : row + column * m.leading_dimension;
}

TEST(CublasLtMapping, MultipliesTheElementsTheContractNames) {
  for (const GemmLayout layout : {GemmLayout::tn, GemmLayout::nn, GemmLayout::nt}) {
    const GemmProblem p{3, 5, 7, layout, DType::bf16};
    const CublasLtMapping mapping = cublaslt_mapping(p);
    ASSERT_EQ(mapping.result.rows, p.n);
    ASSERT_EQ(mapping.result.columns, p.m);
    for (std::int64_t i = 0; i < p.m; ++i)
      for (std::int64_t j = 0; j < p.n; ++j) {
        EXPECT_EQ(blas_index(mapping.result, j, i), i * p.n + j) << name(layout);  // d^T by columns is d by rows
        for (std::int64_t q = 0; q < p.k; ++q) {
          EXPECT_EQ(blas_index(mapping.first, j, q), p.b_index(q, j)) << name(layout);
          EXPECT_EQ(blas_index(mapping.second, q, i), p.a_index(i, q)) << name(layout);
        }
      }
    // What op() makes of the stored extents must be [n, k] and [k, m].
    const auto& first = mapping.first;
    const auto& second = mapping.second;
    EXPECT_EQ(first.transposed ? first.columns : first.rows, p.n);
    EXPECT_EQ(first.transposed ? first.rows : first.columns, p.k);
    EXPECT_EQ(second.transposed ? second.columns : second.rows, p.k);
    EXPECT_EQ(second.transposed ? second.rows : second.columns, p.m);
    EXPECT_GE(first.leading_dimension, first.rows);
    EXPECT_GE(second.leading_dimension, second.rows);
  }
}

// cuBLASLt's first operand is our b: so are its factors.
TEST(CublasLtScales, FollowTheOperandsThatChangePlaces) {
  const float a_tensor = 1, b_tensor = 2;
  const char a_blocks = 3, b_blocks = 4;
  const GemmBuffers buffers{nullptr, nullptr, nullptr, &a_tensor, &b_tensor, &a_blocks, &b_blocks};
  const struct {
    GemmScaling scaling;
    CublasLtScale first, second;
    const void* first_factors;
    const void* second_factors;
    bool in_alpha;
  } expected[] = {
      {GemmScaling::none, CublasLtScale::none, CublasLtScale::none, nullptr, nullptr, false},
      {GemmScaling::tensor, CublasLtScale::scalar_f32, CublasLtScale::scalar_f32, &b_tensor, &a_tensor, false},
      {GemmScaling::block, CublasLtScale::block_128x128_f32, CublasLtScale::vector_128_f32, &b_blocks, &a_blocks,
       false},
      {GemmScaling::mx, CublasLtScale::vector_32_e8m0, CublasLtScale::vector_32_e8m0, &b_blocks, &a_blocks, false},
      {GemmScaling::nv, CublasLtScale::vector_16_e4m3, CublasLtScale::vector_16_e4m3, &b_blocks, &a_blocks, true},
  };
  for (const auto& e : expected) {
    const CublasLtScales scales = cublaslt_scales(e.scaling, buffers);
    EXPECT_EQ(scales.first, e.first) << name(e.scaling);
    EXPECT_EQ(scales.second, e.second) << name(e.scaling);
    EXPECT_EQ(scales.first_factors, e.first_factors) << name(e.scaling);
    EXPECT_EQ(scales.second_factors, e.second_factors) << name(e.scaling);
    EXPECT_EQ(scales.tensor_scales_in_alpha, e.in_alpha) << name(e.scaling);
  }
}

TEST(CublasLtSupport, IsWhatItsDocumentationSays) {
  const auto fits = [](GemmScaling scaling, DType dtype, GemmLayout layout, int compute_capability) {
    return reason_cublaslt_unfit({8, 8, 128, layout, dtype, scaling}, compute_capability).empty();
  };
  for (const int hopper_or_geforce : {89, 90, 120}) {
    EXPECT_TRUE(fits(GemmScaling::tensor, DType::e4m3, GemmLayout::tn, hopper_or_geforce));
    EXPECT_FALSE(fits(GemmScaling::tensor, DType::e4m3, GemmLayout::nn, hopper_or_geforce));
    EXPECT_TRUE(fits(GemmScaling::none, DType::bf16, GemmLayout::nt, hopper_or_geforce));
  }
  EXPECT_TRUE(fits(GemmScaling::mx, DType::e5m2, GemmLayout::nn, 100));
  EXPECT_TRUE(fits(GemmScaling::nv, DType::e2m1, GemmLayout::tn, 103));
  EXPECT_FALSE(fits(GemmScaling::nv, DType::e2m1, GemmLayout::nn, 103));
  EXPECT_TRUE(fits(GemmScaling::block, DType::e4m3, GemmLayout::tn, 90));
  EXPECT_FALSE(fits(GemmScaling::block, DType::e4m3, GemmLayout::tn, 100));
}

TEST(CublasLtSupport, RowsOfBlockScalesAreWholeVectors) {
  const auto fits = [](std::int64_t m, std::int64_t n, GemmScaling scaling) {
    return reason_cublaslt_unfit({m, n, 128, GemmLayout::tn, DType::e4m3, scaling}, 90).empty();
  };
  EXPECT_TRUE(fits(4, 8, GemmScaling::block));
  EXPECT_FALSE(fits(5, 8, GemmScaling::block));
  EXPECT_FALSE(fits(4, 9, GemmScaling::block));
  EXPECT_TRUE(fits(5, 8, GemmScaling::tensor));
}

}  // namespace
}  // namespace assay
