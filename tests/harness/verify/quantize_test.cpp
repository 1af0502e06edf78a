// Quantised operands: what is stored stands for what was drawn, every factor is the recipe's, and everything lies where
// the format says.
#include "harness/verify/quantize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "harness/verify/fill.h"

namespace assay {
namespace {

struct Recipe {
  const char* name;
  DType dtype;
  bool tensor_factor;
  BlockFactor block_factor;
  std::int64_t block_rows, block_k;
};

const Recipe kRecipes[] = {
    {"tensor", DType::e4m3, true, BlockFactor::none, 1, 1},
    {"tensor of gradients", DType::e5m2, true, BlockFactor::none, 1, 1},
    {"rows of 128", DType::e4m3, false, BlockFactor::f32, 1, 128},
    {"blocks of 128 x 128", DType::e4m3, false, BlockFactor::f32, 128, 128},
    {"mx", DType::e4m3, false, BlockFactor::e8m0, 1, 32},
    {"nv", DType::e2m1, true, BlockFactor::e4m3, 1, 16},
};

OperandFormat format_of(const Recipe& recipe, std::int64_t rows, std::int64_t k, bool k_major) {
  OperandFormat format;
  format.dtype = recipe.dtype;
  format.rows = rows;
  format.k = k;
  format.row_stride = k_major ? k : 1;
  format.k_stride = k_major ? 1 : rows;
  format.tensor_factor = recipe.tensor_factor;
  format.block_factor = recipe.block_factor;
  format.block_rows = recipe.block_rows;
  format.block_k = recipe.block_k;
  const std::int64_t blocks = (k + recipe.block_k - 1) / recipe.block_k;
  format.factor_index = [=](std::int64_t row, std::int64_t block) { return row / recipe.block_rows * blocks + block; };
  if (recipe.block_factor != BlockFactor::none)
    format.factor_bytes =
        (rows + recipe.block_rows - 1) / recipe.block_rows * blocks * (recipe.block_factor == BlockFactor::f32 ? 4 : 1);
  return format;
}

double factor_of(const OperandFormat& format, const ScaledOperand& operand, std::int64_t row, std::int64_t p) {
  double factor = operand.tensor_factor;
  if (format.block_factor == BlockFactor::none) return factor;
  const std::int64_t index = format.factor_index(row, p / format.block_k);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(operand.block_factors.data());
  if (format.block_factor == BlockFactor::e8m0) return factor * e8m0_to_double(bytes[index]);
  return factor * load_element(format.block_factor == BlockFactor::f32 ? DType::f32 : DType::e4m3, bytes, index);
}

double element_of(const OperandFormat& format, const ScaledOperand& operand, std::int64_t row, std::int64_t p) {
  return load_element(format.dtype, operand.elements.data(), row * format.row_stride + p * format.k_stride);
}

TEST(Quantized, StandsForTheNumbersDrawn) {
  for (const Recipe& recipe : kRecipes)
    for (const bool k_major : {true, false}) {
      const OperandFormat format = format_of(recipe, 150, 300, k_major);
      const ScaledOperand operand = quantized_operand(format, Fill::normal, 7, 2, 1);
      const double largest = info(recipe.dtype).largest;
      std::set<double> magnitudes;
      for (std::int64_t row = 0; row < format.rows; ++row)
        for (std::int64_t p = 0; p < format.k; ++p) {
          const double drawn = fill_value(Fill::normal, 7, 2, row * format.row_stride + p * format.k_stride);
          const double factor = factor_of(format, operand, row, p);
          const double stored = element_of(format, operand, row, p);
          ASSERT_LE(std::abs(stored), largest);
          // The block's magnitude is not known here: one of five must fit within a rounding of the element (for nv: the
          // factor's, too, which may make the largest saturate).
          double best = 1e9, fitting = 0;
          for (const double magnitude : {0.25, 0.5, 1.0, 2.0, 4.0}) {
            const double allowed =
                unit_roundoff(recipe.dtype) * std::abs(drawn * magnitude) +
                factor * std::ldexp(0.5, info(recipe.dtype).min_exponent - info(recipe.dtype).significand_bits + 1) +
                (recipe.dtype == DType::e2m1 ? std::abs(drawn * magnitude) / 16 : 1e-6);
            const double error = std::abs(stored * factor - drawn * magnitude) / allowed;
            if (error < best) best = error, fitting = magnitude;
          }
          ASSERT_LE(best, 1.0001) << recipe.name << " " << row << " " << p << ": " << drawn << " became "
                                  << stored * factor;
          if (std::abs(drawn) > 1) magnitudes.insert(fitting);
        }
      // 150 x 300 has 6 blocks of 128 x 128, and enough of the others to meet every magnitude.
      EXPECT_GE(magnitudes.size(), recipe.block_factor == BlockFactor::none ? 1u
                                   : recipe.block_rows == 128               ? 2u
                                                                            : 5u)
          << recipe.name;
    }
}

TEST(Quantized, EveryBlockUsesItsTypesRange) {
  for (const Recipe& recipe : kRecipes) {
    const OperandFormat format = format_of(recipe, 256, 256, true);
    const ScaledOperand operand = quantized_operand(format, Fill::normal, 3, 1, 1);
    const double largest = info(recipe.dtype).largest;
    const bool blocks = recipe.block_factor != BlockFactor::none;
    const std::int64_t block_rows = blocks ? recipe.block_rows : 256, block_k = blocks ? recipe.block_k : 256;
    for (std::int64_t row = 0; row < 256; row += block_rows)
      for (std::int64_t p = 0; p < 256; p += block_k) {
        double most = 0;
        for (std::int64_t r = row; r < row + block_rows; ++r)
          for (std::int64_t q = p; q < p + block_k; ++q)
            most = std::max(most, std::abs(element_of(format, operand, r, q)));
        // A power of two may leave up to half of the range unused, a factor of 4 bits a little of it.
        ASSERT_GE(most, recipe.block_factor == BlockFactor::e8m0 ? largest * 0.5
                        : recipe.dtype == DType::e2m1            ? 4
                                                                 : largest)
            << recipe.name << " " << row << " " << p;
      }
  }
}

TEST(Quantized, FourBitFactorsFollowTheRecipe) {
  const OperandFormat format = format_of(kRecipes[5], 64, 64, true);
  const ScaledOperand operand = quantized_operand(format, Fill::uniform, 3, 1, 1);
  double most = 0;
  for (const std::byte factor : operand.block_factors) {
    const double value = load_element(DType::e4m3, &factor, 0);
    ASSERT_GT(value, 0);
    most = std::max(most, value);
  }
  EXPECT_EQ(most, 448) << "the tensor's factor makes the largest block factor e4m3's largest";
}

TEST(Quantized, ZerosHaveFactorsThatAreNumbers) {
  for (const Recipe& recipe : kRecipes) {
    const OperandFormat format = format_of(recipe, 130, 130, true);
    const ScaledOperand operand = quantized_operand(format, Fill::zeros, 3, 1, 1);
    EXPECT_EQ(operand.tensor_factor, 1);
    for (const std::byte element : operand.elements) ASSERT_EQ(element, std::byte(0));
    EXPECT_EQ(factor_of(format, operand, 129, 129), 1) << recipe.name;
  }
}

TEST(Quantized, ThreadsChangeNothing) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer does not see libgomp's barriers";
#endif
  for (const Recipe& recipe : kRecipes) {
    const OperandFormat format = format_of(recipe, 1030, 258, false);
    const ScaledOperand one = quantized_operand(format, Fill::normal, 3, 1, 1);
    const ScaledOperand three = quantized_operand(format, Fill::normal, 3, 1, 3);
    EXPECT_EQ(one.elements, three.elements) << recipe.name;
    EXPECT_EQ(one.block_factors, three.block_factors) << recipe.name;
    EXPECT_EQ(one.tensor_factor, three.tensor_factor) << recipe.name;
  }
}

TEST(Quantized, RoundsAsStoreElementDoes) {  // by way of the table over the upper half of an fp32
  for (const DType dtype : {DType::e4m3, DType::e5m2, DType::e2m1}) {
    OperandFormat format;
    format.dtype = dtype;
    format.rows = 64;
    format.k = format.row_stride = 4096;
    format.k_stride = 1;
    const ScaledOperand operand = quantized_operand(format, Fill::normal, 5, 1, 1);
    for (std::int64_t i = 0; i < 64 * 4096; ++i)
      ASSERT_EQ(load_element(dtype, operand.elements.data(), i), round_to(dtype, fill_value(Fill::normal, 5, 1, i)))
          << i;
  }
}

}  // namespace
}  // namespace assay
