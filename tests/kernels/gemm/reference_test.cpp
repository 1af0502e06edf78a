// The reference against sums whose result is known without it.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <tuple>
#include <vector>

#include "kernels/gemm/gemm.h"
#include "kernels/gemm/gemm_scaling.h"

namespace assay {
namespace {

const GemmLayout kLayouts[] = {GemmLayout::tn, GemmLayout::nn, GemmLayout::nt};

// a[i, p] = i + 1 where p is even, -(i + 1) where odd; b[p, j] = p + j: small integers, exact in every type but e2m1.
TEST(GemmReference, IntegersInEveryTypeAndLayout) {
  for (const DTypeInfo& type : kDTypes)
    for (const GemmLayout layout : kLayouts) {
      if (type.dtype == DType::e2m1) continue;
      const GemmProblem p{3, 5, 7, layout, type.dtype};
      std::vector<std::uint8_t> a(3 * 7 * size_bytes(type.dtype)), b(7 * 5 * size_bytes(type.dtype));
      for (std::int64_t i = 0; i < p.m; ++i)
        for (std::int64_t q = 0; q < p.k; ++q)
          store_element(p.a_dtype(), a.data(), p.a_index(i, q), static_cast<double>(q % 2 == 0 ? i + 1 : -(i + 1)));
      for (std::int64_t q = 0; q < p.k; ++q)
        for (std::int64_t j = 0; j < p.n; ++j)
          store_element(p.b_dtype(), b.data(), p.b_index(q, j), static_cast<double>(q + j));
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

/// The factors of one operand, written in the order of the arrays' bytes as their documentation tells it, so that the
/// reference's index arithmetic is not what checks it.  factor(row, block) is what each should be.
double factor(std::int64_t row, std::int64_t block) {
  return std::exp2(static_cast<double>((row * 3 + row / 128 + block * 5) % 7 - 3));  // exact in e8m0, e4m3 and fp32
}

std::vector<std::uint8_t> tiles(GemmScaling scaling, std::int64_t rows, std::int64_t blocks) {
  std::vector<std::uint8_t> bytes;
  for (std::int64_t row_tile = 0; row_tile < rows; row_tile += 128)
    for (std::int64_t block_tile = 0; block_tile < blocks; block_tile += 4)
      for (int lane = 0; lane < 32; ++lane)
        for (int quarter = 0; quarter < 4; ++quarter)
          for (int column = 0; column < 4; ++column) {
            const double value = factor(row_tile + quarter * 32 + lane, block_tile + column);
            std::uint8_t byte = e8m0_at_least(value);
            if (scaling == GemmScaling::nv) store_element(DType::e4m3, &byte, 0, value);
            bytes.push_back(byte);
          }
  return bytes;
}

/// fp32: `outer` lists of `inner` factors, each padded to a multiple of four.
template <class Factor>
std::vector<std::uint8_t> floats(std::int64_t outer, std::int64_t inner, Factor factor_of) {
  std::vector<float> values;
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t i = 0; i < inner || i % 4 != 0; ++i) values.push_back(static_cast<float>(factor_of(o, i)));
  std::vector<std::uint8_t> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

struct Factors {
  std::vector<std::uint8_t> a, b;
};

Factors factors_of(const GemmProblem& p) {
  const std::int64_t blocks = scale_blocks(p.scaling, p.k);
  if (p.scaling != GemmScaling::block) return {tiles(p.scaling, p.m, blocks), tiles(p.scaling, p.n, blocks)};
  return {floats(blocks, p.m, [](std::int64_t block, std::int64_t row) { return factor(row, block); }),
          floats((p.n + 127) / 128, blocks, factor)};
}

// All elements are 1, so that a dot product is the sum over k of the two factors there.
TEST(GemmReference, EveryElementMeetsItsOwnFactor) {
  const std::tuple<DType, GemmScaling, int> formats[] = {{DType::e4m3, GemmScaling::block, 128},
                                                         {DType::e5m2, GemmScaling::block, 128},
                                                         {DType::e4m3, GemmScaling::mx, 32},
                                                         {DType::e2m1, GemmScaling::nv, 16}};
  for (const auto& [dtype, scaling, block] : formats)
    for (const GemmLayout layout : kLayouts) {
      GemmProblem p{131, 262, 389, layout, dtype, scaling};  // ragged in every block and tile
      std::vector<std::uint8_t> a(static_cast<std::size_t>(storage_bytes(dtype, p.m * p.k)));
      std::vector<std::uint8_t> b(static_cast<std::size_t>(storage_bytes(dtype, p.k * p.n)));
      for (std::int64_t i = 0; i < p.m * p.k; ++i) store_element(p.a_dtype(), a.data(), i, 1);
      for (std::int64_t i = 0; i < p.k * p.n; ++i) store_element(p.b_dtype(), b.data(), i, 1);
      const Factors factors = factors_of(p);
      ASSERT_EQ(std::int64_t(factors.a.size()), a_scale_bytes(p)) << name(scaling);
      ASSERT_EQ(std::int64_t(factors.b.size()), b_scale_bytes(p)) << name(scaling);
      const float two = 2, eighth = 0.125f;
      const bool tensor = scaling == GemmScaling::nv;
      const GemmBuffers host{
          a.data(),         b.data(),        nullptr, tensor ? &two : nullptr, tensor ? &eighth : nullptr,
          factors.a.data(), factors.b.data()};
      for (const std::int64_t i : {0, 1, 31, 32, 64, 97, 127, 128, 130})
        for (const std::int64_t j : {0, 33, 127, 128, 200, 255, 256, 261}) {
          double expected = 0;
          for (std::int64_t q = 0; q < p.k; ++q)
            expected += factor(i, q / block) * factor(scaling == GemmScaling::block ? j / 128 : j, q / block);
          const GemmElement e = gemm_reference(p, host, i, j);
          ASSERT_EQ(e.value, expected * (tensor ? 0.25 : 1)) << name(scaling) << name(layout) << " " << i << " " << j;
          ASSERT_EQ(e.magnitude, e.value);
        }
    }
}

TEST(GemmReference, OneFactorAnOperand) {
  const GemmProblem p{1, 1, 2, GemmLayout::tn, DType::e5m2, GemmScaling::tensor};
  std::uint8_t a[2], b[2];
  store_element(DType::e5m2, a, 0, 3);
  store_element(DType::e5m2, a, 1, -0x1p-16);  // e5m2's smallest
  store_element(DType::e4m3, b, 0, 0.5);
  store_element(DType::e4m3, b, 1, 448);  // b is e4m3 beside an e5m2 gradient
  const float a_factor = 3, b_factor = -5;
  const GemmElement e = gemm_reference(p, {a, b, nullptr, &a_factor, &b_factor}, 0, 0);
  EXPECT_EQ(e.value, (1.5 - 448 * 0x1p-16) * -15);
  EXPECT_EQ(e.magnitude, (1.5 + 448 * 0x1p-16) * 15);
}

}  // namespace
}  // namespace assay
