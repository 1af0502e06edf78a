// 8-bit GEMM on Hopper's tensor cores, with scale factors per tensor or per block; sm_90a.
//
// Algorithm   wgmma.cuh's, with 128 elements of k in a stage.
// Tensor      wgmma accumulates over all of k ("fast accumulation"); the product of the two factors multiplies the
// scaling     result once.  Hopper's accumulator keeps about 14 bits, see tests/kernels/gemm/hopper_fp8_accumulation.h.
// Block       wgmma accumulates 128 of k from zero; then sum += a_scale[row, k / 128] * b_scale[column / 128, k / 128]
// scaling     * partial sum in fp32.  While one warpgroup adds, the other's wgmma keep the tensor cores busy.  The
//             factors of a travel with the operands, a row of them per stage; those of b, one or two per tile and
//             stage, are ordinary loads.
// Tile        128 x 256 (tensor), 128 x 192 (block: two sets of accumulators), or 128 x 128 where tiles are few.
// Output      bf16, or added into fp32.
// Resources   As wgmma.cuh; no spills.
// Shapes      a [m, k] e4m3 or e5m2, b [n, k] e4m3: the hardware multiplies 8-bit operands k-major only.  Rows of a, b
//             and d on 16-byte boundaries.  Copies fill with zeros (0.0 in both formats) what lies outside.
// Source      Written for this project.  Two-level accumulation is DeepSeek-V3's (arXiv 2412.19437, 3.3), as in
//             DeepGEMM (MIT; no code taken).
#pragma once
#include "kernels/gemm/sm90/wgmma.cuh"
#include "kernels/gemm/sm90/wgmma_fp8_params.h"

namespace assay::sm90 {

// ---- what an instance is made of ----------------------------------------------------------------------------------
struct E4m3 {
  static constexpr ptx::WgmmaTypes kTypes = ptx::WgmmaTypes::e4m3;
  static constexpr int kBytes = 1;
  __device__ static std::uint32_t pack(float low, float high) { return ptx::pack_bf16x2(low, high); }
};
struct E5m2 : E4m3 {  // a gradient times weights or activations
  static constexpr ptx::WgmmaTypes kTypes = ptx::WgmmaTypes::e5m2_e4m3;
};

template <class Element, class Tile>
struct Fp8Instance : Instance<Element, Tn, Tile> {
  static constexpr bool kStores16 = true;  // in bf16
};

/// The product of two numbers multiplies the sum.
template <class Element, class Tile>
struct TensorScaling : Unscaled<Fp8Instance<Element, Tile>> {
  using I = Fp8Instance<Element, Tile>;
  float factor;

  __device__ explicit TensorScaling(const WgmmaFp8Sm90Params& p)
      : factor(__ldg(p.a_tensor_scale) * __ldg(p.b_tensor_scale)) {}
  __device__ void finish(float (&d)[I::kN / 2]) const {
#pragma unroll
    for (int i = 0; i < I::kN / 2; ++i) d[i] *= factor;
  }
};

/// An instance whose stages also hold the factors of a's rows.
template <class Element, class Tile>
struct BlockScaledInstance : Fp8Instance<Element, Tile> {
  using Base = Fp8Instance<Element, Tile>;
  struct Stage : Base::Stage {
    float a_scales[Tile::kM];
  };
  using Shared = SharedMemory<Stage, Tile::kStages>;
  static constexpr std::uint32_t kStageBytes = Base::kStageBytes + Tile::kM * sizeof(float);
};

/// The factors of b that a tile meets: column j of the tile lies in block (n + j) / 128 of columns.
template <int kTileN>
struct ScalesOfB {
  static constexpr int kColumns = kTileN % 128 == 0 ? 128 : kTileN % 64 == 0 ? 64 : 32;  // in one block, wherever n is
  static_assert(kTileN <= 128 + kColumns, "a tile meets at most two blocks");
  const float* first;
  const float* second;
  int columns_of_first;  // of the tile

  __device__ ScalesOfB(const WgmmaFp8Sm90Params& p, int n)
      : first(row(p, n / 128)), second(row(p, n / 128 + 1)), columns_of_first(128 - n % 128) {}

 private:
  /// A tile's end, or in a cluster all of it, may lie outside b: any factor will do.
  __device__ static const float* row(const WgmmaFp8Sm90Params& p, int block) {
    return p.b_scales + std::int64_t(min(block, p.b_scale_rows - 1)) * p.b_scale_pitch;
  }
};

template <class Element, class Tile>
struct BlockScaling : Unscaled<BlockScaledInstance<Element, Tile>> {
  using I = BlockScaledInstance<Element, Tile>;
  using Accumulators = float[I::kN / 2];
  const WgmmaFp8Sm90Params& p;

  __device__ explicit BlockScaling(const WgmmaFp8Sm90Params& params) : p(params) {}

  __device__ void load(typename I::Stage& stage, std::uint32_t full, const WgmmaWork& work, int k) const {
    ptx::tma_load(ptx::shared_address(stage.a_scales), p.map_a_scales, full, work.a_mn, k / I::kTileK);
  }

  __device__ void multiply(Accumulators& sum, typename I::Shared& shared, PipelineState<I::kStages>& ring,
                           const WgmmaWork& work, int consumer, int cluster_size) const {
    const int row = consumer * 64 + threadIdx.x % 128 / 32 * 16 + threadIdx.x % 32 / 4;
    const ScalesOfB<I::kN> b_scales(p, work.b_mn);
    Accumulators partial;
#pragma unroll
    for (int i = 0; i < I::kN / 2; ++i) sum[i] = 0;
    const int first_block = work.k / I::kTileK;
    for (int block = first_block; block < first_block + work.k_tiles; ++block, ring.advance()) {
      const float b_first = __ldg(b_scales.first + block), b_second = __ldg(b_scales.second + block);
      typename I::Stage& stage = shared.stage[ring.stage];
      ptx::mbarrier_wait(ptx::shared_address(&shared.full[ring.stage]), ring.parity);
      const float a_scale[2] = {stage.a_scales[row], stage.a_scales[row + 8]};
      multiply_stage<I>(partial, stage, consumer, false);
      ptx::wgmma_wait<0>();
      ptx::wgmma_registers_fence(partial);
      ptx::fence_proxy_async();  // ordinary loads read the factors; the next bulk copy must not overtake them
      __syncwarp();              // nor those of the warp's other lanes
      release_stage(ptx::shared_address(&shared.empty[ring.stage]), cluster_size);
      add_scaled(sum, partial, a_scale, b_first, b_second, b_scales.columns_of_first);
    }
  }

 private:
  /// sum += a_scale * b_scale * partial.
  __device__ static void add_scaled(Accumulators& sum, const Accumulators& partial, const float (&a_scale)[2],
                                    float b_first, float b_second, int columns_of_first) {
    constexpr int kColumns = ScalesOfB<I::kN>::kColumns;
#pragma unroll
    for (int column = 0; column < I::kN; column += kColumns) {
      const float b_scale = I::kN == kColumns || column < columns_of_first ? b_first : b_second;
      const float upper = a_scale[0] * b_scale, lower = a_scale[1] * b_scale;  // rows l / 4 and l / 4 + 8
#pragma unroll
      for (int i = column / 2; i < (column + kColumns) / 2; i += 4) {
        sum[i] += upper * partial[i];
        sum[i + 1] += upper * partial[i + 1];
        sum[i + 2] += lower * partial[i + 2];
        sum[i + 3] += lower * partial[i + 3];
      }
    }
  }
};

// ---- the kernel ---------------------------------------------------------------------------------------------------
template <template <class, class> class Scaling, class Element, class Tile>
__global__ void __launch_bounds__(kThreads, 1) wgmma_fp8_sm90(const __grid_constant__ WgmmaFp8Sm90Params p) {
  using S = Scaling<Element, Tile>;
  run<typename S::I>(p, S(p));
}

}  // namespace assay::sm90
