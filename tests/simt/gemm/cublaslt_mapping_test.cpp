// cuBLASLt itself needs a GPU; that we tell it the right problem does not.
#include <gtest/gtest.h>

#include "kernels/gemm/cublaslt_mapping.h"

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

}  // namespace
}  // namespace assay
