// The tiles of tcgen05_forward.cuh, their place in shared and tensor memory, and the list of its compiled
// kernels. C++17, no CUDA.
#pragma once
#include <cstdint>

#include "kernels/attention/cuda/forward_schedule.h"
#include "kernels/common/tcgen05_descriptors.h"

/// ROW(head_dim, value_dim), narrowest first: a problem takes the first that is wide enough, and its missing dimensions
/// are zeros.
#define ASSAY_TCGEN05_SM100_FORWARD_INSTANCES(ROW) ROW(64, 64) ROW(128, 128) ROW(192, 128)

/// The same of 8-bit inputs.  Narrower heads take 128 too: their exponentials take longer than full products, and v,
/// read dimension by dimension, has panels of 128.
#define ASSAY_TCGEN05_SM100_FORWARD_E4M3_INSTANCES(ROW) ROW(128, 128) ROW(192, 128)

/// Plain names: what the launch plan says is what profilers show and what the functional GPU looks up.
#define ASSAY_TCGEN05_SM100_FORWARD_NAME(dtype, head_dim, value_dim) \
  "attention_tcgen05_sm100_" #dtype "_d" #head_dim "_v" #value_dim

namespace assay {

/// Of four pairs of scores in a row, how many take their exponentials from the polynomial.  sm_103's MUFU is twice as
/// fast: none there.
ASSAY_HOST_DEVICE constexpr int sm100_polynomial_pairs(int compute_capability) {
  return compute_capability == 100 ? 1 : 0;
}

/// What a CTA of an instance holds.  kHeadDim and kValueDim are multiples of 64 (8 bits: kValueDim of 128); problems
/// with less are filled up with zeros.
template <int kHeadDim_, int kValueDim_, int kElementBytes_ = 2>
struct Tcgen05Sm100ForwardTile {
  static constexpr int kElementBytes = kElementBytes_;
  static constexpr int kHeadDim = kHeadDim_, kValueDim = kValueDim_;
  static constexpr int kHalves = 2, kRows = 128;  // queries of a half: the lanes of tensor memory, a thread each
  static constexpr int kQueries = kHalves * kRows, kKeys = 128;
  static constexpr int kThreads = 512;  // warpgroups: softmax of each half, correction, and the warps that issue

  // Tiles are panels of 128 bytes per row under the 128-byte swizzle: what one bulk copy can write.
  static constexpr int kPanelElements = 128 / kElementBytes;
  static constexpr int kPanelBytes = 128 * 128;  // of q's half, k or v: all have 128 rows
  static constexpr int kQPanels = (kHeadDim + kPanelElements - 1) / kPanelElements,
                       kVPanels = kValueDim / kPanelElements;
  static constexpr int kOPanels = kValueDim / 64;  // o has 16 bits
  static constexpr int kQBytes = kQPanels * kPanelBytes, kKBytes = kQBytes, kVBytes = kVPanels * kPanelBytes;
  // One ring for k and v by turns; as many stages as 227 KiB hold beside q and o, an even number.
  static constexpr int kStages = (kHeadDim <= 64 ? 8 : kHeadDim <= 128 ? 4 : 2) * 2 / kElementBytes;
  static constexpr int kStageBytes = kKBytes > kVBytes ? kKBytes : kVBytes;
  static constexpr int kOPanelBytes = 32 * 128;  // of a warp's 32 rows

  // Descriptors without address.  k and q are k-major; v is read with its rows, the keys, as k.
  static constexpr std::uint64_t kScoreOperand = tcgen05_tile(true, kRows), kValueOperand = tcgen05_tile(false, kKeys);
  static constexpr std::uint32_t kValueStep = 16 * tcgen05_k_step(false, 8 * kElementBytes);  // bytes
  static constexpr int kStepElements = kTcgen05KBytes / kElementBytes;                        // of k in a product
  static constexpr int kKeySteps = kKeys / kStepElements;                                     // of the second

  // Tensor memory, all 512 columns: the scores of both halves, then their outputs.  Probabilities, two or four to a
  // column, take the place of the scores they were made of.
  static constexpr std::uint32_t kColumns = 512, kOutput = 256, kHalfColumns = 128;
  static_assert(kValueDim <= 128 && kKeys == 128, "tensor memory is full");

  struct Shared {
    alignas(1024) unsigned char q[kHalves][kQBytes];
    alignas(1024) unsigned char ring[kStages][kStageBytes];
    alignas(1024) unsigned char o[4][kOPanels * kOPanelBytes];  // of each correction warp, on its way out
    float message[kHalves][2][kRows];                           // from softmax to correction, two in flight
    std::uint64_t q_full[kHalves], q_empty[kHalves], full[kStages], empty[kStages];
    std::uint64_t scores_full[kHalves];  // a commit
    // The weights of 96 keys are stored (softmax) and the output is rescaled (correction); those of the other 32.
    std::uint64_t product_ready[kHalves], weights_full[kHalves];
    std::uint64_t output_full[kHalves];  // a commit: of a half's last product
    std::uint64_t message_full[kHalves][2];
    std::uint32_t tensor_memory;
  };
};

/// A unit of work as its two halves of 128 queries see it.
struct Tcgen05Sm100ForwardWork {
  AttentionQueryTile half[2];
  AttentionKeyTiles keys[2];  // begin == end: no queries, or none that sees a key
  int begin, end;             // of both halves
  int head;

  ASSAY_HOST_DEVICE constexpr bool has(int h, int tile) const { return keys[h].begin <= tile && tile < keys[h].end; }
  ASSAY_HOST_DEVICE constexpr bool empty(int h) const { return keys[h].begin == keys[h].end; }
};

ASSAY_HOST_DEVICE constexpr AttentionQueryTile half_of(const AttentionQueryTile& tile, int h) {
  AttentionQueryTile half = tile;
  half.lse += h * 128, half.q_row += h * 128, half.position += h * 128;
  half.queries = clamp_to(tile.queries - h * 128, 0, 128);
  return half;
}

ASSAY_HOST_DEVICE constexpr AttentionKeyTiles half_keys(const AttentionQueryTile& half, int keys_per_tile, bool causal,
                                                        int window) {
  return half.queries > 0 ? key_tiles(half, keys_per_tile, causal, window) : AttentionKeyTiles{};
}

ASSAY_HOST_DEVICE constexpr Tcgen05Sm100ForwardWork halves_of(const AttentionWork& work, int keys_per_tile, bool causal,
                                                              int window) {
  Tcgen05Sm100ForwardWork w{};
  w.head = work.head;
  for (int h = 0; h < 2; ++h) {
    w.half[h] = half_of(work.tile, h);
    w.keys[h] = half_keys(w.half[h], keys_per_tile, causal, window);
  }
  // The second half's window begins and ends no earlier, and no later than where the first half's ends.
  w.begin = w.empty(0) ? w.keys[1].begin : w.keys[0].begin;
  w.end = w.empty(1) ? w.keys[0].end : w.keys[1].end;
  return w;
}

}  // namespace assay
