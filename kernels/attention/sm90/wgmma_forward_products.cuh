// The two products of wgmma_forward.cuh, and what differs between its element types.  C++17.
//
// Scores of 16- and 8-bit inputs differ in nothing but the instruction: a step is 32 bytes of a row of q and of k.  v
// is k x n of the second product.  16-bit operands may be read dimension by dimension from rows that are keys; 8-bit
// ones must lie key by key, so that v comes transposed (wgmma_forward_transpose.cuh), and the probabilities of 16
// keys in the order in which the accumulators of the scores have them: byte 4 t + e, of lane t of a quad, is key 2 t +
// e of the first eight for e < 2, key 2 t + e - 2 of the second eight else.
#pragma once
#include <cuda_runtime.h>

#include "kernels/attention/sm90/wgmma_forward_tile.h"
#include "kernels/common/ptx/convert.cuh"
#include "kernels/common/ptx/wgmma.cuh"
#include "kernels/common/ptx/wgmma_registers.cuh"

namespace assay::sm90_attention {

struct Bf16 {
  template <int kHeadDim, int kValueDim>
  using Tile = WgmmaSm90ForwardTile<kHeadDim, kValueDim>;
  static constexpr ptx::WgmmaTypes kTypes = ptx::WgmmaTypes::bf16;
  __device__ static std::uint32_t pack(float low, float high) { return ptx::pack_bf16x2(low, high); }
};
struct F16 {
  template <int kHeadDim, int kValueDim>
  using Tile = WgmmaSm90ForwardTile<kHeadDim, kValueDim>;
  static constexpr ptx::WgmmaTypes kTypes = ptx::WgmmaTypes::f16;
  __device__ static std::uint32_t pack(float low, float high) { return ptx::pack_f16x2(low, high); }
};
struct E4m3 {
  template <int kHeadDim, int kValueDim>
  using Tile = WgmmaSm90ForwardE4m3Tile<kHeadDim, kValueDim>;
  static constexpr ptx::WgmmaTypes kTypes = ptx::WgmmaTypes::e4m3;
  __device__ static std::uint32_t pack(float low, float high) { return ptx::pack_bf16x2(low, high); }  // of o
};

template <class Element_, int kHeadDim, int kValueDim>
struct ForwardInstance : Element_::template Tile<kHeadDim, kValueDim> {
  using Element = Element_;
  using Tile = typename Element::template Tile<kHeadDim, kValueDim>;
  static constexpr bool kEightBits = Tile::kElementBytes == 1;
  static constexpr int kStepElements = 32 / Tile::kElementBytes;  // of k in a wgmma
  static constexpr int kKeySteps = Tile::kKeys / kStepElements;   // of the second product
};

/// Starts s = q k^T of the 64 rows at `q`, as one group of wgmma.
template <class I>
__device__ __forceinline__ void start_scores(float (&s)[I::kKeys / 2], std::uint32_t q, std::uint32_t k) {
  const std::uint64_t q_rows = ptx::wgmma_descriptor(q, 16, 1024), k_rows = ptx::wgmma_descriptor(k, 16, 1024);
  ptx::wgmma_fence();
#pragma unroll
  for (int step = 0; step < I::kHeadDim / I::kStepElements; ++step) {  // of 32 bytes, four to a panel
    const std::uint64_t a = ptx::advance(q_rows, step / 4 * I::kQPanelBytes + step % 4 * 32);
    const std::uint64_t b = ptx::advance(k_rows, step / 4 * I::kKeyPanelBytes + step % 4 * 32);
    ptx::wgmma<I::Element::kTypes, I::kKeys>(s, a, b, step > 0);
  }
  ptx::wgmma_commit();
}

/// Starts o (+)= p v, as one group of wgmma.
template <class I>
__device__ __forceinline__ void start_output(float (&o)[I::kValueDim / 2], const std::uint32_t (&p)[I::kKeySteps][4],
                                             std::uint32_t v, bool accumulate) {
  ptx::wgmma_fence();
  if constexpr (I::kEightBits) {  // rows that are dimensions
    // Of 256 dimensions the second 128 are 64 keys, half a row, to the right of the first.
    constexpr int kHalves = I::kValueDim <= 128 ? 1 : 2, kWidth = I::kValueDim / kHalves;
    const std::uint64_t v_rows = ptx::wgmma_descriptor(v, 16, 1024);
#pragma unroll
    for (int step = 0; step < I::kKeySteps; ++step)
#pragma unroll
      for (int half = 0; half < kHalves; ++half)
        ptx::wgmma_registers<I::Element::kTypes, kWidth, ptx::Major::k>(
            reinterpret_cast<float(&)[kWidth / 2]>(o[half * kWidth / 2]), p[step],
            ptx::advance(v_rows, half * 64 + step * 32), accumulate || step > 0);
  } else {  // rows that are keys
    const std::uint64_t v_rows = ptx::wgmma_descriptor(v, I::kKeyPanelBytes, 1024);
#pragma unroll
    for (int step = 0; step < I::kKeySteps; ++step)  // 16 keys: 16 rows of 128 bytes
      ptx::wgmma_registers<I::Element::kTypes, I::kValueDim, ptx::Major::mn>(
          o, p[step], ptx::advance(v_rows, step * 2048), accumulate || step > 0);
  }
  ptx::wgmma_commit();
}

/// Rounds probabilities to the operand of the second product.
template <class I>
__device__ __forceinline__ void round_probabilities(std::uint32_t (&p)[I::kKeySteps][4],
                                                    const float (&s)[I::kKeys / 2]) {
  if constexpr (I::kEightBits) {
#pragma unroll
    for (int i = 0; i < I::kKeys / 8; ++i) {  // 16 keys, a row: s has the first eight and 4 registers on the second
      const float* x = &s[i / 2 * 8 + i % 2 * 2];
      p[i / 4][i % 4] = ptx::pack_e4m3x4(x[0], x[1], x[4], x[5]);
    }
  } else {
#pragma unroll
    for (int i = 0; i < I::kKeys / 4; ++i) p[i / 4][i % 4] = I::Element::pack(s[2 * i], s[2 * i + 1]);
  }
}

}  // namespace assay::sm90_attention
