// The reference against sums whose result is known without it.
#include <gtest/gtest.h>

#include "kernels/gemm/gemm.h"

namespace assay {
namespace {

const GemmLayout kLayouts[] = {GemmLayout::tn, GemmLayout::nn, GemmLayout::nt};

// a[i, p] = i + 1 where p is even, -(i + 1) where odd; b[p, j] = p + j: small integers, exact in every type.
TEST(GemmReference, IntegersInEveryTypeAndLayout) {
  for (const DTypeInfo& type : kDTypes)
    for (const GemmLayout layout : kLayouts) {
      const GemmProblem p{3, 5, 7, layout, type.dtype};
      std::vector<std::uint8_t> a(3 * 7 * size_bytes(type.dtype)), b(7 * 5 * size_bytes(type.dtype));
      for (std::int64_t i = 0; i < p.m; ++i)
        for (std::int64_t q = 0; q < p.k; ++q)
          store_element(type.dtype, a.data(), p.a_index(i, q), static_cast<double>(q % 2 == 0 ? i + 1 : -(i + 1)));
      for (std::int64_t q = 0; q < p.k; ++q)
        for (std::int64_t j = 0; j < p.n; ++j)
          store_element(type.dtype, b.data(), p.b_index(q, j), static_cast<double>(q + j));
      for (std::int64_t i = 0; i < p.m; ++i)
        for (std::int64_t j = 0; j < p.n; ++j) {
          // sum over q of (-1)^q (q + j) = (0 - 1 + 2 - 3 + 4 - 5 + 6) + j = 3 + j; without signs 21 + 7 j
          const GemmElement e = gemm_reference(p, {a.data(), b.data()}, i, j);
          EXPECT_EQ(e.value, static_cast<double>((i + 1) * (3 + j))) << type.name << name(layout) << i << j;
          EXPECT_EQ(e.magnitude, static_cast<double>((i + 1) * (21 + 7 * j))) << type.name << name(layout) << i << j;
        }
    }
}

TEST(GemmReference, CancellationThatFp32WouldLose) {
  const GemmProblem p{1, 1, 3, GemmLayout::tn, DType::f32};
  const float a[] = {0x1p30f, 1, -0x1p30f}, b[] = {1, 0x1p-10f, 1};
  const GemmElement e = gemm_reference(p, {a, b}, 0, 0);
  EXPECT_EQ(e.value, 0x1p-10);
  EXPECT_EQ(e.magnitude, 0x1p31 + 0x1p-10);
}

}  // namespace
}  // namespace assay
