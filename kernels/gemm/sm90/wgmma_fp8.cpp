#include "kernels/gemm/sm90/wgmma_fp8.h"

#include <stdexcept>

#include "kernels/gemm/cuda/kernel_params.h"
#include "kernels/gemm/gemm_scaling.h"
#include "kernels/gemm/sm90/wgmma_fp8_instances.h"

namespace assay {
namespace {

constexpr int kScaleBlock = 128;       // of columns of b
constexpr int kScalesPerStage = 1024;  // bytes: a factor per row of the tile, and what aligns the next stage

void set_scales(WgmmaFp8Sm90Params& params, const GemmProblem& p, const GemmBuffers& buffers, int tile_m,
                TensorMapEncoder encode) {
  params.a_tensor_scale = buffers.a_tensor_scale;
  params.b_tensor_scale = buffers.b_tensor_scale;
  if (p.scaling != GemmScaling::block) return;
  if (!is_aligned(buffers.a_block_scales, 16))
    throw std::runtime_error("wgmma_fp8_sm90 needs a's scale factors aligned to 16 bytes");
  // Rows past m, of the last tile, become zero; so do their elements.
  params.map_a_scales = make_tensor_map(
      encode, CU_TENSOR_MAP_DATA_TYPE_FLOAT32, buffers.a_block_scales,
      {{p.m, 4, tile_m}, {scale_blocks(p.scaling, p.k), a_scale_index(p, 0, 1) * 4, 1}}, CU_TENSOR_MAP_SWIZZLE_NONE);
  params.b_scales = static_cast<const float*>(buffers.b_block_scales);
  params.b_scale_rows = static_cast<int>((p.n + kScaleBlock - 1) / kScaleBlock);
  params.b_scale_pitch = static_cast<int>(b_scale_index(p, kScaleBlock, 0));
}

}  // namespace

#define ASSAY_ROW(dtype, Element, scaling, Scaling, n, stages) \
  {DType::dtype, GemmScaling::scaling, n, ASSAY_WGMMA_FP8_SM90_NAME(Element, Scaling, n, stages)},
const WgmmaFp8Sm90Instance kWgmmaFp8Sm90Instances[] = {ASSAY_WGMMA_FP8_SM90_INSTANCES(ASSAY_ROW)};
#undef ASSAY_ROW
const int kWgmmaFp8Sm90InstanceCount = sizeof kWgmmaFp8Sm90Instances / sizeof kWgmmaFp8Sm90Instances[0];

Support supports_wgmma_fp8_sm90(const GemmProblem& p, const Target& target) {
  if (p.scaling != GemmScaling::tensor && p.scaling != GemmScaling::block)
    return Support::no(std::string("takes scaling tensor or block, not ") + name(p.scaling));
  if (p.layout != GemmLayout::tn)
    return Support::no(
        "Hopper multiplies 8-bit operands with contiguous k alone: layout tn, of transposed copies for "
        "dgrad and wgrad");
  return fits_wgmma_sm90(p, target);
}

Accumulation accumulation_of_wgmma_fp8_sm90(const GemmProblem& p, const Target&) {
  return hopper_8_bit_accumulation(p.scaling == GemmScaling::block ? scale_block_k(p.scaling) : 0);
}

LaunchPlan<WgmmaFp8Sm90Params> plan_wgmma_fp8_sm90(const GemmProblem& p, const GemmBuffers& buffers,
                                                   const Target& target, const WgmmaSm90Workspace& workspace,
                                                   TensorMapEncoder encode) {
  const WgmmaSm90Choice choice = choose_wgmma_sm90(p, target);
  const bool block = p.scaling == GemmScaling::block;
  const auto common = launch_wgmma_sm90(p, buffers, choice, workspace, encode, block ? kScalesPerStage : 0);
  LaunchPlan<WgmmaFp8Sm90Params> plan;
  plan.grid = common.grid, plan.block = common.block, plan.cluster = common.cluster;
  plan.shared_bytes = common.shared_bytes;
  static_cast<WgmmaSm90Params<DenseSchedule>&>(plan.params) = common.params;
  set_scales(plan.params, p, buffers, choice.config.tile.m, encode);
  for (const WgmmaFp8Sm90Instance& i : kWgmmaFp8Sm90Instances)
    if (i.dtype == p.dtype && i.scaling == p.scaling && i.tile_n == choice.config.tile.n) plan.kernel = i.kernel;
  if (!plan.kernel) throw std::runtime_error(std::string("wgmma_fp8_sm90 has no kernel for ") + name(p.dtype));
  return plan;
}

}  // namespace assay
