// cuBLAS itself needs a GPU; that we tell it the right problems does not.
#include "kernels/grouped_gemm/cublas_grouped_mapping.h"

#include <gtest/gtest.h>

namespace assay {
namespace {

/// Index of element (row, column) of op(matrix) as BLAS reads it: by columns.
std::int64_t blas_index(bool transposed, int leading_dimension, std::int64_t row, std::int64_t column) {
  return transposed ? column + row * leading_dimension : row + column * leading_dimension;
}

// Every element of every group's product, through the arrays that cuBLAS is given, against the contract's formulas.
TEST(CublasGroupedMapping, MultipliesTheElementsTheContractNames) {
  for (const GroupedPass pass : {GroupedPass::forward, GroupedPass::dgrad, GroupedPass::wgrad}) {
    const GroupedGemmProblem p{pass, 3, 5, {4, 0, 130, 4, 0, 1}, DType::f32, {}};
    const auto first = p.first_rows();
    const GroupedGemmElements elements = elements_of(p, first.back());
    std::vector<float> a(std::size_t(elements.a)), b(std::size_t(elements.b)), d(std::size_t(elements.d));
    const CublasGroupedMapping mapping = cublas_grouped_mapping(p);
    const auto pointers = cublas_grouped_pointers(p, mapping, {a.data(), b.data(), d.data(), nullptr});
    ASSERT_EQ(mapping.order, (std::vector<int>{2, 0, 3, 5})) << "equal shapes side by side, empty ones left out";
    ASSERT_EQ(mapping.group_size, (std::vector<int>{1, 2, 1}));
    ASSERT_EQ(pointers.size(), 3 * mapping.order.size());
    std::size_t problem = 0;
    for (int group = 0; group < mapping.groups(); ++group)
      for (int member = 0; member < mapping.group_size[std::size_t(group)]; ++member, ++problem) {
        SCOPED_TRACE(std::string(name(pass)) + " problem " + std::to_string(problem));
        const auto at = [&](const std::vector<int>& array) { return array[std::size_t(group)]; };
        const auto address = [&](int operand) {
          return static_cast<const float*>(pointers[std::size_t(operand) * mapping.order.size() + problem]);
        };
        const int g = mapping.order[problem];
        const std::int64_t rows = p.rows[std::size_t(g)], t0 = first[std::size_t(g)];
        // The contract: x [tokens, k], dy [tokens, n], w [groups, n, k].
        const auto x = [&](std::int64_t t, std::int64_t j) { return (t0 + t) * p.k + j; };
        const auto dy = [&](std::int64_t t, std::int64_t i) { return (t0 + t) * p.n + i; };
        const auto w = [&](std::int64_t i, std::int64_t j) { return (g * p.n + i) * p.k + j; };
        // cuBLAS's result is d's transpose: its column is our row.
        const std::int64_t our_rows = pass == GroupedPass::wgrad ? p.n : rows;
        const std::int64_t our_columns = pass == GroupedPass::forward ? p.n : p.k;
        const std::int64_t length = pass == GroupedPass::forward ? p.k : pass == GroupedPass::dgrad ? p.n : rows;
        ASSERT_EQ(at(mapping.m), our_columns);
        ASSERT_EQ(at(mapping.n), our_rows);
        ASSERT_EQ(at(mapping.k), length);
        for (std::int64_t i = 0; i < our_rows; ++i)
          for (std::int64_t j = 0; j < our_columns; ++j) {
            const std::int64_t expected = pass == GroupedPass::forward ? dy(i, j)
                                          : pass == GroupedPass::dgrad ? x(i, j)
                                                                       : w(i, j);
            ASSERT_EQ(address(2) + blas_index(false, at(mapping.ldc), j, i), d.data() + expected);
            for (std::int64_t q = 0; q < length; ++q) {
              const std::int64_t left = pass == GroupedPass::forward ? x(i, q)
                                        : pass == GroupedPass::dgrad ? dy(i, q)
                                                                     : dy(q, i);
              const std::int64_t right = pass == GroupedPass::forward ? w(j, q)
                                         : pass == GroupedPass::dgrad ? w(q, j)
                                                                      : x(q, j);
              ASSERT_EQ(address(0) + blas_index(mapping.transpose_a, at(mapping.lda), j, q), b.data() + right);
              ASSERT_EQ(address(1) + blas_index(mapping.transpose_b, at(mapping.ldb), q, i), a.data() + left);
            }
          }
      }
  }
}

TEST(CublasGroupedMapping, NoGroupWithRowsIsNoProblem) {
  const CublasGroupedMapping mapping = cublas_grouped_mapping({GroupedPass::wgrad, 3, 5, {0, 0}, DType::f32, {}});
  EXPECT_EQ(mapping.groups(), 0);
  EXPECT_TRUE(mapping.order.empty());
}

TEST(CublasGroupedMapping, ExtentsBeyond32BitsAreRefused) {
  EXPECT_EQ(reason_cublas_extents_unfit({GroupedPass::forward, 3, 5, {4}, DType::f32, {}}), "");
  EXPECT_NE(reason_cublas_extents_unfit({GroupedPass::forward, std::int64_t(1) << 31, 5, {4}, DType::f32, {}}), "");
  EXPECT_NE(reason_cublas_extents_unfit({GroupedPass::forward, 3, 5, {std::int64_t(1) << 31}, DType::f32, {}}), "");
}

// The library's rule, on the addresses it is given, for every operand of every problem.
TEST(CublasGroupedMapping, AddressesAreAsAlignedAsTheLibraryWants) {
  alignas(16) static char memory;
  int refused = 0;
  for (const GroupedPass pass : {GroupedPass::forward, GroupedPass::dgrad, GroupedPass::wgrad})
    for (const DType dtype : {DType::bf16, DType::tf32})
      for (std::int64_t n = 1; n <= 16; ++n)
        for (std::int64_t k = 1; k <= 16; ++k) {
          const GroupedGemmProblem p{pass, n, k, {130, 4, 8, 1}, dtype, {}};
          if (pass == GroupedPass::wgrad && dtype == DType::bf16) continue;  // the row refuses it for its fp32 sums
          const CublasGroupedMapping mapping = cublas_grouped_mapping(p);
          const auto pointers = cublas_grouped_pointers(p, mapping, {&memory, &memory, &memory, nullptr});
          bool aligned = true;
          for (std::size_t i = 0, problems = mapping.order.size(); i < problems; ++i) {
            // No two of these groups are of one size: each is one problem.
            const std::int64_t bytes = mapping.k[i] * static_cast<std::int64_t>(size_bytes(dtype));
            const std::uintptr_t wanted = bytes % 16 == 0 ? 16 : bytes % 4 == 0 ? 4 : 1;
            for (const std::size_t operand : {0, 1, 2})
              aligned &= reinterpret_cast<std::uintptr_t>(pointers[operand * problems + i]) % wanted == 0;
          }
          const bool fits = reason_cublas_alignment_unfit(p).empty();
          EXPECT_EQ(fits, aligned) << name(pass) << ' ' << name(dtype) << ' ' << n << " x " << k;
          refused += !fits;
        }
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace assay
