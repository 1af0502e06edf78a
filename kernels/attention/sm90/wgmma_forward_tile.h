// The tiles of wgmma_forward.cuh, and the list of its compiled kernels.  C++17, no CUDA.
#pragma once
#include <cstdint>

#include "kernels/attention/cuda/forward_schedule.h"

/// ROW(head_dim, value_dim), narrowest first: a problem takes the first that is wide enough, and its missing dimensions
/// are zeros.
#define ASSAY_WGMMA_SM90_FORWARD_INSTANCES(ROW) ROW(64, 64) ROW(128, 128) ROW(192, 128) ROW(256, 256)

/// The same of 8-bit inputs.
#define ASSAY_WGMMA_SM90_FORWARD_E4M3_INSTANCES(ROW) ROW(64, 64) ROW(128, 128) ROW(256, 256)

/// Plain names: what the launch plan says is what profilers show and what the functional GPU looks up.
#define ASSAY_WGMMA_SM90_FORWARD_NAME(dtype, head_dim, value_dim) \
  "attention_wgmma_sm90_" #dtype "_d" #head_dim "_v" #value_dim

namespace assay {

/// What a CTA of an instance holds.  kHeadDim and kValueDim are multiples of 64; problems with less are filled up with
/// zeros.
template <int kHeadDim_, int kValueDim_>
struct WgmmaSm90ForwardTile {
  static constexpr int kElementBytes = 2, kPanelElements = 64;
  static constexpr int kHeadDim = kHeadDim_, kValueDim = kValueDim_;
  static constexpr int kQueries = AttentionSchedule::kQueries;
  static constexpr int kConsumers = kQueries / 64;  // warpgroups: a wgmma has 64 rows
  static constexpr int kThreads = 128 * (1 + kConsumers);
  static constexpr int kProducerRegisters = 24, kConsumerRegisters = 240;
  // Accumulators of a thread: kKeys / 2 scores, kKeys / 4 packed probabilities, kValueDim / 2 of o; with 256 of o, 64
  // keys are what 240 registers hold and what 227 KiB hold twice.
  static constexpr int kKeys = kValueDim <= 128 ? 128 : 64;
  // Key and value tiles in flight.  Two do; those of 64 dimensions are used up twice as fast, and where 227 KiB hold
  // another tile of values, which are asked for later than keys, it covers more of L2's latency.
  static constexpr int kKStages = kHeadDim <= 64 ? 4 : 2;
  static constexpr int kVStages = kHeadDim <= 64 ? 4 : kHeadDim <= 128 ? 3 : 2;
  // A second buffer lets the next queries come while o leaves through the first; above 128 there is no room.
  static constexpr int kQBuffers = kHeadDim <= 128 ? 2 : 1;

  static constexpr int kWeightExponent = 0;  // probabilities are multiplied by 2 to this power

  // Tiles are panels of 64 elements, 128 bytes, per row, under the 128-byte swizzle: what one bulk copy can write.
  static constexpr int kQPanelBytes = kQueries * 128, kKeyPanelBytes = kKeys * 128;
  static constexpr int kQPanels = kHeadDim / 64, kVPanels = kValueDim / 64;
  static constexpr int kQBytes = kQPanels * kQPanelBytes, kKBytes = kQPanels * kKeyPanelBytes,
                       kVBytes = kVPanels * kKeyPanelBytes;
  static_assert(kVPanels <= kQPanels, "o leaves through q's buffer");

  struct Shared {
    alignas(1024) unsigned char q[kQBuffers][kQBytes];  // at the end of a tile: o, on its way out
    alignas(1024) unsigned char k[kKStages][kKBytes];
    alignas(1024) unsigned char v[kVStages][kVBytes];
    std::uint64_t q_full[kQBuffers], q_empty[kQBuffers];
    std::uint64_t k_full[kKStages], k_empty[kKStages], v_full[kVStages], v_empty[kVStages];
  };
};

/// The same of 8-bit inputs.  Panels have 128 elements, so that one of 64 dimensions is half empty.  A stage of v is
/// 128 rows of 128 bytes, which are transposed in their place: 128 keys, or 64 keys of two panels, one below the other.
template <int kHeadDim_, int kValueDim_>
struct WgmmaSm90ForwardE4m3Tile {
  static constexpr int kElementBytes = 1, kPanelElements = 128;
  static constexpr int kHeadDim = kHeadDim_, kValueDim = kValueDim_;
  static constexpr int kQueries = AttentionSchedule::kQueries;
  static constexpr int kConsumers = kQueries / 64;
  static constexpr int kThreads = 128 * (1 + kConsumers);
  static constexpr int kProducerRegisters = 56, kConsumerRegisters = 224;  // the producer's transpose
  static constexpr int kTransposers = 3;                                   // warps of the producer's warpgroup
  static constexpr int kKeys = kValueDim <= 128 ? 128 : 64;  // above, 64 scores and 128 of o would serialise wgmma
  static constexpr int kKStages = 4, kVStages = 4;           // what 227 KiB hold at 256
  static constexpr int kQBuffers = kHeadDim <= 128 ? 2 : 1;
  static constexpr int kWeightExponent = 8;  // kE4m3WeightExponent in attention.h

  static constexpr int kQPanelBytes = kQueries * 128, kKeyPanelBytes = kKeys * 128;
  static constexpr int kQPanels = (kHeadDim + 127) / 128, kVPanels = (kValueDim + 127) / 128;
  static constexpr int kQBytes = kQPanels * kQPanelBytes, kKBytes = kQPanels * kKeyPanelBytes,
                       kVBytes = kVPanels * kKeyPanelBytes;
  static_assert(kVBytes == 128 * 128, "what is transposed is a square");
  static constexpr int kOutputBytes = kQueries * kValueDim * 2;  // bf16: does not fit q's buffer

  struct Shared {
    alignas(1024) unsigned char q[kQBuffers][kQBytes];
    alignas(1024) unsigned char k[kKStages][kKBytes];
    alignas(1024) unsigned char v[kVStages][kVBytes];
    alignas(1024) unsigned char o[kOutputBytes];  // on its way out
    std::uint64_t q_full[kQBuffers], q_empty[kQBuffers];
    std::uint64_t k_full[kKStages], k_empty[kKStages];
    std::uint64_t v_full[kVStages], v_ready[kVStages], v_empty[kVStages];  // come, transposed, used up
  };
};

}  // namespace assay
