// Seeded operands of 8 and 4 bits with their scale factors: real numbers drawn from a case's distribution, then
// quantised as training quantises them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "harness/core/case.h"
#include "kernels/common/dtype.h"

namespace assay {

/// What a block's factor is stored as.
enum class BlockFactor { none, f32, e8m0, e4m3 };

/// Where an operand's elements and factors lie.  It is `rows` vectors of `k` elements (a's rows, b's columns).
struct OperandFormat {
  DType dtype = DType::e4m3;
  std::int64_t rows = 0, k = 0;
  std::int64_t row_stride = 0, k_stride = 0;  // between stored elements; one of them is 1, the other even for e2m1
  bool tensor_factor = false;                 // one fp32 for all
  BlockFactor block_factor = BlockFactor::none;
  std::int64_t block_rows = 1, block_k = 1;  // that share a factor; both divide 128
  std::function<std::int64_t(std::int64_t row, std::int64_t block)> factor_index;  // in elements of the factor's type
  std::int64_t factor_bytes = 0;                                                   // of all, padding included
};

struct ScaledOperand {
  std::vector<std::byte> elements, block_factors;  // padding is zero
  float tensor_factor = 1;
};

/// A stored element times its factors is about the number drawn for it.  The factor makes the largest of what shares it
/// the type's largest; e8m0 is the power of two at or above that; e4m3 factors are relative to a tensor's factor that
/// makes the largest of them e4m3's largest (NVFP4's recipe).  Blocks are drawn at magnitudes from 1/4 to 4, so that
/// a kernel that takes a neighbour's factor errs by more than a rounding.
ScaledOperand quantized_operand(const OperandFormat&, Fill, std::uint64_t seed, std::uint64_t tensor, int threads);

}  // namespace assay
