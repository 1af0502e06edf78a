// The parameter and the tiles of wgmma_backward.cuh.  Needs cuda.h for its types alone; C++17.
#pragma once
#include <cuda.h>

#include <cstdint>

#include "kernels/attention/sm90/wgmma_backward_schedule.h"

namespace assay {

/// The only parameter of the three kernels, which share it.
struct WgmmaSm90BackwardParams {
  // [batch, rows, heads, head_dim or value_dim] (of packed sequences one batch with all rows); boxes are 64 columns of
  // one head by the rows of a tile.  Rows behind the last, and columns, are read as zeros.
  CUtensorMap map_q, map_d_o, map_k, map_v;
  BackwardSchedule schedule;
  const void *o, *d_o;
  const float* lse;
  std::int64_t lse_batch_stride, lse_head_stride;  // in lse, see attention.h
  void *dq, *dk, *dv;
  // Workspaces, [heads, all query tiles, ...]; the first kernel fills or zeroes them all.
  float* lse_log2;         // [kQueries]: lse log2(e); +infinity in rows that see nothing or do not exist
  float* delta;            // [kQueries]: sum over c of o do; 0 there
  float* dq_sums;          // [kDqBlocks][8][128][4]: blocks of 64 x 64 as the accumulators of a warpgroup hold them
  std::uint32_t* turns;    // [kDqBlocks]: those that have added to the block
  std::uint32_t* tickets;  // one: units drawn
  std::int32_t head_dim, value_dim;  // of the arrays; a tile's columns from there on are zeros
  float scale, scale_log2;           // softmax scale; times log2(e)
};

/// What a CTA of an instance holds.  kHeadDim and kValueDim are multiples of 64; problems with less are filled up with
/// zeros.
template <int kHeadDim_, int kValueDim_ = kHeadDim_>
struct WgmmaSm90BackwardTile {
  static constexpr int kHeadDim = kHeadDim_, kValueDim = kValueDim_;
  static_assert((kHeadDim == 192 && kValueDim == 128) || kHeadDim == kValueDim);
  /// dk and dv of a key in the registers of both consumers, half of the columns each (wgmma_backward_wide.cuh).
  static constexpr bool kWide = kHeadDim == 256;
  static constexpr int kKeys = kWide ? 64 : BackwardSchedule::kKeys;
  // Registers of a thread at 64 and 128: kQueries / 2 scores, 32 of dp, kHeadDim / 2 of dk and of dv, and as packed
  // operands kQueries / 2 of p and ds: 224, of which p and ds replace scores and dp bit by bit.  At 192 dk and dv take
  // 160, at 256 (half of the columns) 128; 16 of scores and of dp, 32 of dq.
  static constexpr int kQueries = kHeadDim == 64 ? 128 : 64;
  static constexpr int kConsumers = 2;  // warpgroups: 64 keys each, or of the same 64
  static constexpr int kThreads = 128 * (1 + kConsumers);
  static constexpr int kQStages = 2, kDoStages = kWide ? 1 : 2;  // two of do have no room

  // Tiles are panels of 64 elements, 128 bytes, per row, under the 128-byte swizzle.
  static constexpr int kQPanels = kHeadDim / 64, kVPanels = kValueDim / 64, kDsPanels = kQueries / 64;
  static constexpr int kKeyPanelBytes = kKeys * 128, kQueryPanelBytes = kQueries * 128;
  static constexpr int kKBytes = kQPanels * kKeyPanelBytes, kVBytes = kVPanels * kKeyPanelBytes;
  static constexpr int kQBytes = kQPanels * kQueryPanelBytes, kDoBytes = kVPanels * kQueryPanelBytes;
  static constexpr int kDsBytes = kDsPanels * kKeyPanelBytes;
  static constexpr int kRowBytes = kQueries * 4;  // of lse and delta
  // A tile of dq is blocks of 64 x 64, one above the other or side by side.  In each pass either consumer makes one;
  // the last one of three both make together in the first pass, each over its own keys.
  static constexpr int kDqBlocks = kDsPanels * kQPanels, kDqPasses = (kDqBlocks + 1) / 2;
  ASSAY_HOST_DEVICE static constexpr bool shared_dq_block(int pass) { return kDqBlocks == 3 && pass == 0; }
  ASSAY_HOST_DEVICE static constexpr int dq_block(int consumer, int pass) {
    return shared_dq_block(pass) ? 2 : kWide ? 2 * consumer + pass : consumer;
  }
  static constexpr int kBlockFloats = 64 * 64, kBlockBytes = kBlockFloats * 4;
  static constexpr int kStagingBytes = kBlockFloats * 2;  // of a block, rounded

  struct Shared {
    alignas(1024) unsigned char k[kKBytes];  // at the end: dk, on its way out
    alignas(1024) unsigned char v[kVBytes];  // and dv
    alignas(1024) unsigned char q[kQStages][kQBytes];
    alignas(1024) unsigned char d_o[kDoStages][kDoBytes];
    // A row is a key, a panel 64 queries; kWide: two of ds, one of p.
    alignas(1024) unsigned char ds[kWide ? 3 : 2][kDsBytes];
    alignas(1024) float dq[kConsumers][kBlockFloats];
    alignas(16) float lse_log2[kQStages][kQueries];
    alignas(16) float delta[kDoStages][kQueries];
    std::uint64_t q_full[kQStages], q_empty[kQStages], d_o_full[kDoStages], d_o_empty[kDoStages];
    std::uint64_t dq_full[kConsumers], dq_empty[kConsumers];
    KeyTileMask mask;      // of this unit; here because registers are short
    QueryTileRange range;  // of this unit
    std::int32_t unit;
  };
};

}  // namespace assay
