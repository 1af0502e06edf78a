// What simt_f32's backward kernels and the host code that launches them share.  C++17, no CUDA and no contract header.
#pragma once
#include <cstdint>

#include "kernels/attention/cuda/params.h"

namespace assay {

/// The only parameter of each of the backward kernels.
struct AttentionSimtF32BackwardParams {
  AttentionKernelParams forward;  // as forward's; o and lse are only read
  const void* d_o = nullptr;
  void* dq = nullptr;
  void* dk = nullptr;
  void* dv = nullptr;
  float* delta = nullptr;      // a workspace: attention.h's, laid out as lse
  std::int32_t key_tiles = 1;  // per kv head, of the longest sequence
  float scale = 1;             // of the scores
};

/// A block owns 64 queries, or 64 keys, and walks over the others 64 at a time.
template <int HeadDim>
struct SimtF32BackwardTile {
  static constexpr int kThreads = 256;                   // 16 x 16, four rows each: see simt_f32_products.cuh
  static constexpr int kBlocks = HeadDim == 64 ? 2 : 1;  // an SM of Hopper: at 64 no more than 128 registers,
  static constexpr int kUnroll = HeadDim == 64 ? 1 : 2;  // which ptxas keeps to without spills only by one step at once
  static constexpr int kQueries = 64, kKeys = 64;
  static constexpr int kRow = HeadDim + 4, kWeightRow = 64 + 4;  // padded by 16 bytes
  struct Shared {
    alignas(16) float q[kQueries][kRow];
    alignas(16) float d_o[kQueries][kRow];
    alignas(16) float k[kKeys][kRow];
    alignas(16) float v[kKeys][kRow];
    alignas(16) float weights[64][kWeightRow];  // of owned rows and walked columns: p, then ds
  };
};

}  // namespace assay
