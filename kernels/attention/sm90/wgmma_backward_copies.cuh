// The warps of wgmma_backward.cuh that move data: a CTA's way through its query tiles, two producers, two writers.
// sm_90a, C++17.
#pragma once
#include <cuda_runtime.h>

#include "kernels/attention/sm90/wgmma_backward_params.h"
#include "kernels/common/pipeline_state.h"
#include "kernels/common/ptx/fence.cuh"
#include "kernels/common/ptx/global_access.cuh"
#include "kernels/common/ptx/mbarrier.cuh"
#include "kernels/common/ptx/shared_address.cuh"
#include "kernels/common/ptx/tma.cuh"

namespace assay::wgmma_sm90_backward {

using ptx::shared_address;
using Params = WgmmaSm90BackwardParams;

// ---- a CTA's way through its query tiles ----------------------------------------------------------------------------
template <class Tile>
struct Work {
  BackwardUnit unit;
  BackwardSequence sequence;
  QueryTileRange range;

  __device__ Work(const Params& p, int index)
      : unit(p.schedule.unit(index)),
        sequence(p.schedule.sequence<Tile::kQueries>(unit.batch)),
        range(p.schedule.query_tiles_of<Tile::kQueries>(sequence, unit.key_tile)) {}

  __device__ int steps(const Params& p) const { return (range.end - range.begin) * p.schedule.group; }
};

/// Query tiles of all heads of the group, one after the other.  `index` counts query tiles in the workspaces.
template <class Tile>
struct Step {
  int head, tile, index;

  __device__ Step(const Params& p, const Work<Tile>& work)
      : head(work.unit.kv_head * p.schedule.group),
        tile(work.range.begin),
        index(head * p.schedule.all_query_tiles + work.sequence.first_tile + tile) {}
  __device__ void advance(const Params& p, const Work<Tile>& work) {
    ++index;
    if (++tile < work.range.end) return;
    index += p.schedule.all_query_tiles - (work.range.end - work.range.begin);
    tile = work.range.begin, ++head;
  }
};

// ---- producers ------------------------------------------------------------------------------------------------------
/// Starts the copies of a tile's panels.
template <int kPanels>
__device__ __forceinline__ void load_tile(std::uint32_t shared, int panel_bytes, const CUtensorMap& map,
                                          std::uint32_t barrier, int head, int row, int batch) {
#pragma unroll
  for (int panel = 0; panel < kPanels; ++panel)
    ptx::tma_load(shared + panel * panel_bytes, map, barrier, panel * 64, head, row, batch);
}

/// What a producer fills: a ring of query tiles, of rows' numbers beside them, and one key tile before the first.
template <class Tile, int kStages, int kPanels>
struct Ring {
  unsigned char (&tiles)[kStages][kPanels * Tile::kQueryPanelBytes];
  float (&rows)[kStages][Tile::kQueries];
  std::uint64_t (&full)[kStages], (&empty)[kStages];
  unsigned char* keys;
};

/// Run by one thread; `map`, `rows` and `key_map` are what it copies from.
template <class Tile, int kStages, int kPanels>
__device__ __forceinline__ void produce(const Params& p, const Work<Tile>& work,
                                        const Ring<Tile, kStages, kPanels>& ring, const CUtensorMap& map,
                                        const float* rows, const CUtensorMap& key_map) {
  const bool packed = p.schedule.q_offsets != nullptr;
  const int batch = packed ? 0 : work.unit.batch, query_row = packed ? int(work.sequence.query_row) : 0;
  const int key_row = (packed ? int(work.sequence.key_row) : 0) + work.unit.key_tile * Tile::kKeys;
  PipelineState<kStages> state;
  Step<Tile> step(p, work);
  for (int left = work.steps(p); left > 0; --left, state.advance(), step.advance(p, work)) {
    const std::uint32_t full = shared_address(&ring.full[state.stage]);
    const bool first = left == work.steps(p);
    ptx::mbarrier_wait(shared_address(&ring.empty[state.stage]), state.parity ^ 1);
    ptx::mbarrier_arrive_expect_tx(
        full, kPanels * Tile::kQueryPanelBytes + Tile::kRowBytes + (first ? kPanels * Tile::kKeyPanelBytes : 0));
    if (first)
      load_tile<kPanels>(shared_address(ring.keys), Tile::kKeyPanelBytes, key_map, full, work.unit.kv_head, key_row,
                         batch);
    load_tile<kPanels>(shared_address(ring.tiles[state.stage]), Tile::kQueryPanelBytes, map, full, step.head,
                       query_row + step.tile * Tile::kQueries, batch);
    ptx::bulk_load(shared_address(ring.rows[state.stage]), rows + std::int64_t(step.index) * Tile::kQueries,
                   Tile::kRowBytes, full);
  }
}

// ---- writers --------------------------------------------------------------------------------------------------------
/// Adds one block of one consumer's to dq's sums.  Run by one thread.
template <class Tile>
__device__ __forceinline__ void write_block(const Params& p, const Work<Tile>& work, const Step<Tile>& step,
                                            int consumer, int pass, std::uint32_t staging, std::uint32_t empty) {
  const std::int64_t block = std::int64_t(step.index) * Tile::kDqBlocks + Tile::dq_block(consumer, pass);
  if (p.schedule.deterministic) {
    auto turn = std::uint32_t(p.schedule.turn<Tile::kQueries>(work.sequence, work.unit.key_tile, step.tile));
    if (Tile::shared_dq_block(pass)) turn = 2 * turn + consumer;  // both add to it, each a part
    while (ptx::load_acquire(p.turns + block) != turn) {
    }
    ptx::fence_proxy_async_global();  // the reduction comes after those whose turn was before
  }
  ptx::bulk_reduce_add_f32(p.dq_sums + block * Tile::kBlockFloats, staging, Tile::kBlockBytes);
  ptx::tma_store_commit();
  ptx::tma_store_wait_read<0>();
  ptx::mbarrier_arrive(empty);
  if (p.schedule.deterministic) {
    ptx::tma_store_wait<0>();  // performed, not only read: the next one's sum may not come first
    ptx::add_release(p.turns + block, 1);
  }
}

/// Adds one consumer's blocks of dq to the sums.  Run by one thread.
template <class Tile>
__device__ __forceinline__ void write_dq(const Params& p, typename Tile::Shared& shared, const Work<Tile>& work,
                                         int consumer) {
  const std::uint32_t full = shared_address(&shared.dq_full[consumer]),
                      empty = shared_address(&shared.dq_empty[consumer]), staging = shared_address(shared.dq[consumer]);
  const int steps = work.steps(p);
  Step<Tile> step(p, work);
  for (int i = 0; i < steps; ++i, step.advance(p, work))
#pragma unroll
    for (int pass = 0; pass < Tile::kDqPasses; ++pass) {
      ptx::mbarrier_wait(full, (i * Tile::kDqPasses + pass) & 1);
      write_block<Tile>(p, work, step, consumer, pass, staging, empty);
    }
}

}  // namespace assay::wgmma_sm90_backward
