// What tiled attention does between its products: softmax forward, the gradient of softmax backward.
#pragma once
#include <cstdint>

#include "kernels/common/cpu/pack.h"

namespace assay::cpu {

/// Rows of scores of one block of keys, and the running state of their online softmax, in base 2:
/// weight = 2^(scale * score - max).
struct SoftmaxBlock {
  std::int64_t rows = 0;
  float* scores = nullptr;              // [rows][stride]; becomes the weights, in place; bf16: two in a float's place
  std::int64_t stride = 0;              // in floats, kMaxTileColumns beyond `last` at least
  const std::int64_t* begin = nullptr;  // [rows] keys of this block that the row sees: begin .. end - 1
  const std::int64_t* end = nullptr;
  // Weights are written from `first`, which is a multiple of kMaxTileColumns, to `last` at least: zero where not seen.
  std::int64_t first = 0, last = 0;
  float scale = 1;           // of the scores; log2(e) folded in
  float* max = nullptr;      // [rows] -infinity before the first key
  float* sum = nullptr;      // [rows] of the weights, before their rounding
  float* rescale = nullptr;  // [rows] out: what sums over earlier blocks must be multiplied by
};

/// Rows of transposed scores: keys by queries.  p = 2^(scale * score - lse2), ds = p (dp - delta).
struct GradientBlock {
  std::int64_t rows = 0;
  float* scores = nullptr;              // [rows][stride]; becomes p, in place, as the weights above
  float* products = nullptr;            // [rows][stride] dp; becomes ds
  std::int64_t stride = 0;              // in floats
  bool all_seen = false;                // every pair is visible; else:
  const std::int64_t* begin = nullptr;  // [rows] queries that see the row's key: begin .. end - 1
  const std::int64_t* end = nullptr;
  std::int64_t first = 0, last = 0;  // columns written, multiples of kMaxTileColumns; p and ds are zero where not seen
  float scale = 1;                   // of the scores; log2(e) folded in
  const float* lse2 = nullptr;       // [last] log-sum-exp of each query, in base 2
  const float* delta = nullptr;      // [last]
  // ds once more, as a packed b whose k are the keys and whose columns are the queries (kernels/common/cpu/tile.h):
  // unit u of query q goes to ds_b[q / ds_columns * ds_panel + u * ds_columns + q % ds_columns].  Null: not wanted.
  std::uint32_t* ds_b = nullptr;  // of the rows' first unit
  std::int64_t ds_columns = 0, ds_panel = 0;
};

/// The functions whose weights the micro-kernels of a packed format take.
struct Softmax {
  void (*weigh)(const SoftmaxBlock&) = nullptr;
  void (*gradients)(const GradientBlock&) = nullptr;
};
Softmax softmax_for(PackFormat);

/// bf16 weights through AVX-512 BF16; null where the compiler or this CPU has none.
Softmax bf16_softmax();

}  // namespace assay::cpu
