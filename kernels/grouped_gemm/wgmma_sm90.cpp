#include "kernels/grouped_gemm/wgmma_sm90.h"

#include <stdexcept>

#include "kernels/gemm/cuda/kernel_params.h"
#include "kernels/grouped_gemm/wgmma_sm90_kernels.h"

namespace assay {
namespace {

constexpr int kConsumers = 2, kThreads = 128 * (1 + kConsumers);
constexpr int kTileM = static_cast<int>(kGroupAlignment), kTileK = 64;
constexpr int kBoxRows = 64, kBoxBytes = 128;  // of d

int divide_up(std::int64_t a, std::int64_t b) { return static_cast<int>((a + b - 1) / b); }

/// Stages, staging buffers of d, barriers and what is left to 128 bytes: sm90::Instance::Shared.
unsigned shared_bytes(const GroupedWgmmaConfig& c) {
  const int bytes = c.stages * (kTileM + c.tile_n) * 128 + kConsumers * 2 * kBoxRows * kBoxBytes + c.stages * 16 + 8;
  return static_cast<unsigned>((bytes + 1023) / 1024 * 1024);
}

/// [rows, columns], packed, of which copies move 128 bytes by `box_rows`.
CUtensorMap matrix_map(TensorMapEncoder encode, DType dtype, const void* base, std::int64_t rows, std::int64_t columns,
                       int box_rows) {
  const auto bytes = static_cast<std::int64_t>(size_bytes(dtype));
  return make_tensor_map(encode, tensor_map_type(dtype), base,
                         {{columns, bytes, static_cast<int>(128 / bytes)}, {rows, columns * bytes, box_rows}});
}

const char* kernel_name(const GroupedGemmProblem& p, const GroupedWgmmaConfig& config) {
  for (int i = 0; i < kGroupedWgmmaInstanceCount; ++i) {
    const GroupedWgmmaInstance& instance = kGroupedWgmmaInstances[i];
    if (instance.dtype == p.dtype && instance.pass == p.pass && instance.tile_n == config.tile_n)
      return instance.kernel;
  }
  throw std::runtime_error("grouped wgmma_sm90 has no kernel for " + std::string(name(p.dtype)));
}

/// All of a plan but the schedule's own part.
template <class Schedule>
LaunchPlan<WgmmaSm90Params<Schedule>> plan(const GroupedGemmProblem& p, const GroupedGemmBuffers& buffers,
                                           const Target& target, TensorMapEncoder encode) {
  if (!is_aligned(buffers.a, 16) || !is_aligned(buffers.b, 16) || !is_aligned(buffers.d, 16))
    throw std::runtime_error("wgmma_sm90 needs buffers aligned to 16 bytes");
  const GroupedWgmmaChoice choice = choose_wgmma_grouped(p, target);
  const GroupedWgmmaConfig& config = choice.config;
  const bool forward = p.pass == GroupedPass::forward, wgrad = p.pass == GroupedPass::wgrad;
  const std::int64_t tokens = p.first_rows().back(), weight_rows = p.groups() * p.n;
  const std::int64_t d_rows = wgrad ? weight_rows : tokens, d_columns = forward ? p.n : p.k;

  LaunchPlan<WgmmaSm90Params<Schedule>> out;
  out.kernel = kernel_name(p, config);
  auto& params = out.params;
  // Boxes are what one copy loads: of k-major operands all the tile's rows, of others a panel's 64 rows of k.  The CTAs
  // of a cluster load a part of a each.
  params.map_a =
      matrix_map(encode, p.dtype, buffers.a, tokens, forward ? p.k : p.n, (wgrad ? kTileK : kTileM) / config.cluster_n);
  params.map_b =
      matrix_map(encode, p.dtype, buffers.b, wgrad ? tokens : weight_rows, p.k, forward ? config.tile_n : kTileK);
  params.map_d = matrix_map(encode, p.output(), buffers.d, d_rows, d_columns, kBoxRows);
  GroupedTiles& tiles = params.schedule.tiles;
  tiles.rows = buffers.rows;
  tiles.groups = p.groups();
  tiles.tile_columns = divide_up(d_columns, std::int64_t(config.tile_n) * config.cluster_n);
  tiles.raster = raster_group(kTileM, config.tile_n * config.cluster_n, choice.clusters);
  params.cluster_m = 1;
  params.cluster_n = config.cluster_n;
  params.output = wgrad ? WgmmaOutput::add_f32 : WgmmaOutput::store_16;
  params.d = static_cast<const float*>(buffers.d);
  params.m = static_cast<int>(d_rows);
  params.n = static_cast<int>(d_columns);
  out.grid.x = static_cast<unsigned>(choice.clusters * config.cluster_n);
  out.block.x = kThreads;
  out.cluster.x = static_cast<unsigned>(config.cluster_n);
  out.shared_bytes = shared_bytes(config);
  return out;
}

}  // namespace

#define ASSAY_ROW(dtype, Element, pass, Layout, n, stages, Schedule) \
  {DType::dtype, GroupedPass::pass, n, ASSAY_GROUPED_WGMMA_NAME(Element, Layout, n, stages, Schedule)},
const GroupedWgmmaInstance kGroupedWgmmaInstances[] = {
    ASSAY_GROUPED_WGMMA_M(ASSAY_ROW, bf16, Bf16)  //
    ASSAY_GROUPED_WGMMA_K(ASSAY_ROW, bf16, Bf16)  //
    ASSAY_GROUPED_WGMMA_M(ASSAY_ROW, f16, F16)    //
    ASSAY_GROUPED_WGMMA_K(ASSAY_ROW, f16, F16)    //
};
#undef ASSAY_ROW
const int kGroupedWgmmaInstanceCount = sizeof kGroupedWgmmaInstances / sizeof kGroupedWgmmaInstances[0];

MGroupedPlan plan_wgmma_m_grouped(const GroupedGemmProblem& p, const GroupedGemmBuffers& buffers, const Target& target,
                                  TensorMapEncoder encode) {
  MGroupedPlan out = plan<MGroupedSchedule>(p, buffers, target, encode);
  MGroupedSchedule& schedule = out.params.schedule;
  const bool forward = p.pass == GroupedPass::forward;
  schedule.k_tiles = divide_up(forward ? p.k : p.n, kTileK);
  schedule.b_mn_step = forward ? static_cast<int>(p.n) : 0;
  schedule.b_k_step = forward ? 0 : static_cast<int>(p.n);
  return out;
}

KGroupedPlan plan_wgmma_k_grouped(const GroupedGemmProblem& p, const GroupedGemmBuffers& buffers, const Target& target,
                                  TensorMapEncoder encode) {
  KGroupedPlan out = plan<KGroupedSchedule>(p, buffers, target, encode);
  out.params.schedule.tile_rows = divide_up(p.n, kTileM);
  out.params.schedule.d_step = static_cast<int>(p.n);
  return out;
}

}  // namespace assay
