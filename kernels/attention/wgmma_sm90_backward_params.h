// The parameter and the tiles of wgmma_sm90_backward.cuh.  Needs cuda.h for its types alone; C++17.
#pragma once
#include <cuda.h>

#include <cstdint>

#include "kernels/attention/wgmma_sm90_backward_schedule.h"

namespace assay {

/// The only parameter of the three kernels, which share it.
struct WgmmaSm90BackwardParams {
  // [batch, rows, heads * head_dim] (of packed sequences one batch with all rows); boxes are 64 columns by the rows of
  // a tile.  Rows behind the last are read as zeros.
  CUtensorMap map_q, map_d_o, map_k, map_v;
  BackwardSchedule schedule;
  const void *o, *d_o;
  const float* lse;
  std::int64_t lse_batch_stride, lse_head_stride;  // in lse, see attention.h
  void *dq, *dk, *dv;
  // Workspaces, [heads, all query tiles, ...]; the first kernel fills or zeroes them all.
  float* lse_log2;          // [kQueries]: lse log2(e); +infinity in rows that see nothing or do not exist
  float* delta;             // [kQueries]: sum over c of o do; 0 there
  float* dq_sums;           // [2][8][128][4]: two blocks of 64 x 64 as the accumulators of a warpgroup hold them
  std::uint32_t* turns;     // [2]: key tiles that have added to the block
  std::uint32_t* tickets;   // one: units drawn
  float scale, scale_log2;  // softmax scale; times log2(e)
};

/// What a CTA of an instance holds.
template <int kHeadDim_>
struct WgmmaSm90BackwardTile {
  static constexpr int kHeadDim = kHeadDim_;
  static_assert(kHeadDim == 64 || kHeadDim == 128);
  static constexpr int kKeys = BackwardSchedule::kKeys;
  // Registers of a thread: kQueries / 2 scores, 32 of dp, kHeadDim / 2 of dk and of dv, and as packed operands kQueries
  // / 2 of p and ds: 224 in both cases, of which p and ds replace scores and dp bit by bit.
  static constexpr int kQueries = kHeadDim == 64 ? 128 : 64;
  static constexpr int kConsumers = 2;  // warpgroups, 64 keys each
  static constexpr int kThreads = 128 * (1 + kConsumers);
  static constexpr int kStages = 2;

  // Tiles are panels of 64 elements, 128 bytes, per row, under the 128-byte swizzle.
  static constexpr int kPanels = kHeadDim / 64, kDsPanels = kQueries / 64;
  static constexpr int kKeyPanelBytes = kKeys * 128, kQueryPanelBytes = kQueries * 128;
  static constexpr int kKeyBytes = kPanels * kKeyPanelBytes, kQueryBytes = kPanels * kQueryPanelBytes;
  static constexpr int kDsBytes = kDsPanels * kKeyPanelBytes;
  static constexpr int kRowBytes = kQueries * 4;  // of lse and delta
  // A tile of dq is two blocks of 64 x 64, one for each consumer: side by side, or one above the other.
  static constexpr int kBlockFloats = 64 * 64, kBlockBytes = kBlockFloats * 4;
  static constexpr int kStagingBytes = kBlockFloats * 2;  // of a block, rounded

  struct Shared {
    alignas(1024) unsigned char k[kKeyBytes];  // at the end: dk, on its way out
    alignas(1024) unsigned char v[kKeyBytes];  // and dv
    alignas(1024) unsigned char q[kStages][kQueryBytes];
    alignas(1024) unsigned char d_o[kStages][kQueryBytes];
    alignas(1024) unsigned char ds[2][kDsBytes];  // a row is a key, a panel 64 queries
    alignas(1024) float dq[kConsumers][kBlockFloats];
    alignas(16) float lse_log2[kStages][kQueries];
    alignas(16) float delta[kStages][kQueries];
    std::uint64_t q_full[kStages], q_empty[kStages], d_o_full[kStages], d_o_empty[kStages];
    std::uint64_t dq_full[kConsumers], dq_empty[kConsumers];
    KeyTileMask mask;      // of this unit; here because registers are short
    QueryTileRange range;  // of this unit
    std::int32_t unit;
  };
};

}  // namespace assay
