// The parameter of tcgen05_sm100.  cuda.h's types only; C++17.
#pragma once
#include <cuda.h>

#include <cstdint>

namespace assay {

/// How an operand lies in memory, as far as the kernel must know.
struct Tcgen05OperandParams {
  std::uint64_t descriptor;  // of a stage's tile in shared memory, without its address
  std::uint32_t k_step;      // added to it per instruction
  int panels;                // boxes per stage, side by side along m or n; 0: k-major, one box
  int panel_elements;        // along m or n
  int panel_bytes;
};

struct Tcgen05Sm100Params {
  CUtensorMap a, b, d;
  CUtensorMap a_scales, b_scales;  // [128 rows][128 x 4 tile along k][128 words], block-scaled kinds only
  const float* a_tensor_scale;     // null: 1
  const float* b_tensor_scale;
  Tcgen05OperandParams a_operand, b_operand;
  std::uint32_t instruction;  // descriptor
  int m, n;
  int k_tiles;                    // along k, of 128 bytes
  int tile_rows, tile_columns;    // of d
  int group;                      // see tile_of_block()
  int splits, k_tiles_per_split;  // of k, where results are added into d
  int items;                      // tiles times splits
};

}  // namespace assay
