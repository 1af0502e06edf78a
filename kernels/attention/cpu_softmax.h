// The softmax between the two products of tiled attention, vectorised by Highway.
#pragma once
#include <cstdint>

namespace assay::cpu {

/// Rows of scores of one block of keys, and the running state of their online softmax, in base 2:
/// weight = 2^(scale * score - max).
struct SoftmaxBlock {
  std::int64_t rows = 0;
  float* scores = nullptr;             // [rows][stride]; becomes the weights, in place
  std::int64_t stride = 0;             // in floats; a whole vector of 16 beyond the block's keys may be read
  const std::int64_t* keys = nullptr;  // [rows] keys of this block the row sees
  std::int64_t padded_keys = 0;        // weights are written up to here, zero where not seen
  float scale = 1;                     // of the scores; log2(e) folded in
  bool bf16 = false;                   // weights are written as bf16, two in a float's place
  float* max = nullptr;                // [rows] -infinity before the first key
  float* sum = nullptr;                // [rows] of the weights, before their rounding
  float* rescale = nullptr;            // [rows] out: what sums over earlier blocks must be multiplied by
};

void softmax_block(const SoftmaxBlock&);

}  // namespace assay::cpu
