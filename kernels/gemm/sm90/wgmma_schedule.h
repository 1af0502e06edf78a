// Which part of the product each cluster of wgmma_sm90 computes, and in which order.  Arithmetic only, so that plain
// C++ can test that every part is computed once.  C++17.
//
// A persistent kernel takes its work from a cursor, which every role of every CTA keeps for itself; all cursors of a
// cluster must give the same sequence but for the CTA's place in the cluster.  Another schedule (grouped GEMM, say) is
// a struct like DenseSchedule with a nested Cursor, given to the kernel as its template argument: see WgmmaWork for
// what its cursor must fill in.
#pragma once
#include "kernels/common/host_device.h"
#include "kernels/gemm/cuda/raster.cuh"

namespace assay {

/// One CTA's next tile, or a slice of it along k.
struct WgmmaWork {
  int m, n;  // where the tile begins in d
  int a_mn,
      b_mn;     // where its rows of a and its columns of b begin in those tensors' maps (m and n, if a map is a matrix)
  int k;        // the first element of k
  int b_k = 0;  // where b's element 0 of k lies in its map: 0, if the map is a matrix
  int k_tiles;  // how many tiles of k, at least 1
  int slices;   // 1: all of k is here.  Else the tile's slices are added up through memory:
  int slice;    // which one this is
  int sliced_tile;  // the tile's number among those that are sliced
};

/// What a CTA is, for a cursor.
struct WgmmaPlace {
  int cluster, clusters;     // this CTA's cluster and how many there are
  int rank;                  // this CTA's in its cluster
  int cluster_m, cluster_n;  // CTAs of a cluster along m and n; rank = place along m + cluster_m * place along n
  int tile_m, tile_n, tile_k;

  ASSAY_HOST_DEVICE constexpr int along_m() const { return rank % cluster_m; }
  ASSAY_HOST_DEVICE constexpr int along_n() const { return rank / cluster_m; }
};

/// One matrix.  Tiles are numbered as cuda/raster.cuh walks them.  The first `sliced_tiles` are cut into `slices` of k,
/// so that all clusters have work to the end although the tiles do not divide evenly among them.  Clusters that run
/// together then work on the same slice of neighbouring tiles, which keeps the operands they share in the L2 cache;
/// slices come first, so that adding them up is no last, lonely piece of work.
struct DenseSchedule {
  int tile_rows, tile_columns;  // of d, in tiles of a cluster
  int group;                    // tile rows that are walked together
  int k_tiles;
  int sliced_tiles, slices;

  ASSAY_HOST_DEVICE constexpr int tiles() const { return tile_rows * tile_columns; }
  ASSAY_HOST_DEVICE constexpr int units() const { return tiles() + sliced_tiles * (slices - 1); }

  class Cursor {
   public:
    ASSAY_HOST_DEVICE constexpr Cursor(const DenseSchedule& schedule, const WgmmaPlace& place)
        : schedule_(schedule), place_(place), unit_(place.cluster) {}

    /// False, and `work` unchanged, where nothing is left.
    ASSAY_HOST_DEVICE constexpr bool next(WgmmaWork& work) {
      const DenseSchedule& s = schedule_;
      if (unit_ >= s.units()) return false;
      const int sliced_units = s.sliced_tiles * s.slices;
      const bool sliced = unit_ < sliced_units;
      const int tile = sliced ? unit_ % s.sliced_tiles : unit_ - sliced_units + s.sliced_tiles;
      work.slices = sliced ? s.slices : 1;
      work.slice = sliced ? unit_ / s.sliced_tiles : 0;
      work.sliced_tile = tile;
      int first = 0, end = s.k_tiles;
      if (sliced) {  // fits in 32 bits: there are fewer than 2^26 tiles of k, of 32 elements or more, and 16 slices
        first = s.k_tiles * work.slice / work.slices;
        end = s.k_tiles * (work.slice + 1) / work.slices;
      }
      work.k = first * place_.tile_k;
      work.k_tiles = end - first;
      const TileCoordinate at = tile_of_block(tile, s.tile_rows, s.tile_columns, s.group);
      work.m = work.a_mn = (at.row * place_.cluster_m + place_.along_m()) * place_.tile_m;
      work.n = work.b_mn = (at.column * place_.cluster_n + place_.along_n()) * place_.tile_n;
      unit_ += place_.clusters;
      return true;
    }

   private:
    const DenseSchedule& schedule_;
    WgmmaPlace place_;
    int unit_;
  };
};

}  // namespace assay
