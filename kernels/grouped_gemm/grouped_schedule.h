// Which tile of which group each cluster of a persistent grouped kernel computes, found on the device from the row
// counts.  Cursors for kernels/gemm/sm90/wgmma.cuh; arithmetic only, so that plain C++ can test that every tile is
// computed once.  C++17.
//
// All tiles of all groups are numbered, group after group and as gemm/cuda/raster.cuh walks a matrix within one, and
// dealt out in turn.  A cursor keeps the range of numbers that its current group has and reads the next count when it
// leaves it: one load per group in the whole kernel.  Groups without rows have no tiles.
//
// The CTAs of a cluster lie side by side along n: a cluster never has rows of two groups, whose b they could not share.
#pragma once
#include <cstdint>

#include "kernels/gemm/sm90/wgmma_schedule.h"
#include "kernels/grouped_gemm/grouped_alignment.h"

namespace assay {

/// Where a cursor stands among the groups.
class GroupCursor {
 public:
  ASSAY_HOST_DEVICE constexpr GroupCursor(const std::int32_t* rows, int groups) : rows_(rows), groups_(groups) {}

  /// Steps on until `unit` is of the current group; false where there is no such group.  `tiles_of` gives the tiles of
  /// a group with that many rows.
  template <class TilesOf>
  ASSAY_HOST_DEVICE constexpr bool find(int unit, TilesOf tiles_of) {
    while (unit >= end_) {
      if (group_ + 1 >= groups_) return false;
      first_row_ += padded(count_);
      count_ = rows_[++group_];
      begin_ = end_;
      end_ += count_ > 0 ? tiles_of(count_) : 0;
    }
    return true;
  }

  ASSAY_HOST_DEVICE constexpr int group() const { return group_; }
  ASSAY_HOST_DEVICE constexpr int rows() const { return count_; }
  ASSAY_HOST_DEVICE constexpr int first_row() const { return first_row_; }
  ASSAY_HOST_DEVICE constexpr int begin() const { return begin_; }  // the number of the group's first tile

 private:
  ASSAY_HOST_DEVICE static constexpr int padded(int rows) {
    constexpr int kAlignment = static_cast<int>(kGroupAlignment);
    return (rows + kAlignment - 1) / kAlignment * kAlignment;
  }

  const std::int32_t* rows_;
  int groups_;
  int group_ = -1, count_ = 0, first_row_ = 0, begin_ = 0, end_ = 0;
};

/// What both kinds of groups have.
struct GroupedTiles {
  const std::int32_t* rows;  // of each group, on the device
  int groups;
  int tile_columns;  // of a group's d, in tiles of a cluster
  int raster;        // tile rows of a group that are walked together
};

/// A tile of a group's d by its number there.
ASSAY_HOST_DEVICE constexpr void place_tile(WgmmaWork& work, const GroupedTiles& s, const WgmmaPlace& place, int tile,
                                            int tile_rows) {
  const TileCoordinate at = tile_of_block(tile, tile_rows, s.tile_columns, s.raster);
  work.m = at.row * place.tile_m;
  work.n = (at.column * place.cluster_n + place.along_n()) * place.tile_n;
  work.slices = 1;
  work.slice = work.sliced_tile = 0;
}

/// Forward and dgrad: groups differ in rows, and each has its own b.  d and a are [tokens, ...]; the groups' b follow
/// each other in one map, along n (forward: a step of n columns) or along k (dgrad).
struct MGroupedSchedule {
  GroupedTiles tiles;
  int k_tiles;
  int b_mn_step, b_k_step;  // from one group's b to the next

  class Cursor {
   public:
    ASSAY_HOST_DEVICE constexpr Cursor(const MGroupedSchedule& schedule, const WgmmaPlace& place)
        : schedule_(schedule), place_(place), at_(schedule.tiles.rows, schedule.tiles.groups), unit_(place.cluster) {}

    /// False where nothing is left.
    ASSAY_HOST_DEVICE constexpr bool next(WgmmaWork& work) {
      const MGroupedSchedule& s = schedule_;
      const int tile_m = place_.tile_m, columns = s.tiles.tile_columns;
      if (!at_.find(unit_, [=](int rows) { return (rows + tile_m - 1) / tile_m * columns; })) return false;
      place_tile(work, s.tiles, place_, unit_ - at_.begin(), (at_.rows() + tile_m - 1) / tile_m);
      work.m += at_.first_row();
      work.a_mn = work.m;
      work.b_mn = at_.group() * s.b_mn_step + work.n;
      work.k = 0;
      work.b_k = at_.group() * s.b_k_step;
      work.k_tiles = s.k_tiles;
      unit_ += place_.clusters;
      return true;
    }

   private:
    const MGroupedSchedule& schedule_;
    WgmmaPlace place_;
    GroupCursor at_;
    int unit_;
  };
};

/// wgrad: groups differ in k, which are the tokens of a and b, and each has its own d.  The groups' d follow each other
/// along m.  The last tile of k reaches into the group's padding, which is zero.
struct KGroupedSchedule {
  GroupedTiles tiles;
  int tile_rows;  // of a group's d, in tiles
  int d_step;     // rows from one group's d to the next

  class Cursor {
   public:
    ASSAY_HOST_DEVICE constexpr Cursor(const KGroupedSchedule& schedule, const WgmmaPlace& place)
        : schedule_(schedule), place_(place), at_(schedule.tiles.rows, schedule.tiles.groups), unit_(place.cluster) {}

    /// False where nothing is left.
    ASSAY_HOST_DEVICE constexpr bool next(WgmmaWork& work) {
      const KGroupedSchedule& s = schedule_;
      const int tiles = s.tile_rows * s.tiles.tile_columns;
      if (!at_.find(unit_, [=](int) { return tiles; })) return false;
      place_tile(work, s.tiles, place_, unit_ - at_.begin(), s.tile_rows);
      work.a_mn = work.m;
      work.b_mn = work.n;
      work.m += at_.group() * s.d_step;
      work.k = at_.first_row();
      work.k_tiles = (at_.rows() + place_.tile_k - 1) / place_.tile_k;
      unit_ += place_.clusters;
      return true;
    }

   private:
    const KGroupedSchedule& schedule_;
    WgmmaPlace place_;
    GroupCursor at_;
    int unit_;
  };
};

}  // namespace assay
