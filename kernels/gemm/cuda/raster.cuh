// Which tile of d a block computes.  C++17.
#pragma once
#include "kernels/common/host_device.h"

namespace assay {

struct TileCoordinate {
  int row, column;
};

/// Blocks that run at the same time have neighbouring indices.  Walking down `group` tile rows before stepping to the
/// next column keeps their tiles in a compact block, whose rows of a and b are then shared through L2.
ASSAY_HOST_DEVICE constexpr TileCoordinate tile_of_block(int block, int tile_rows, int tile_columns, int group) {
  const int blocks_per_group = group * tile_columns;
  const int first_row = block / blocks_per_group * group;
  const int rows = group < tile_rows - first_row ? group : tile_rows - first_row;  // the last group may be lower
  const int within = block % blocks_per_group;
  return {first_row + within % rows, within / rows};
}

}  // namespace assay
