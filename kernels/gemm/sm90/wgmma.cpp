#include "kernels/gemm/sm90/wgmma.h"

#include <stdexcept>

#include "kernels/gemm/cuda/kernel_params.h"
#include "kernels/gemm/sm90/wgmma_instances.h"

namespace assay {
namespace {

constexpr int kConsumers = 2, kThreads = 128 * (1 + kConsumers);
constexpr int kBoxRows = 64, kBoxBytes = 128;  // of d

/// Stages, staging buffers of d, barriers and what is left to 128 bytes: sm90::Instance::Shared.
unsigned shared_bytes(const WgmmaSm90Tile& tile, int more_stage_bytes) {
  const int bytes = tile.stages * ((tile.m + tile.n) * 128 + more_stage_bytes) + kConsumers * 2 * kBoxRows * kBoxBytes +
                    tile.stages * 16 + 8;
  return static_cast<unsigned>((bytes + 1023) / 1024 * 1024);
}

/// The map of an operand whose tile spans `tile_mn` of m or n; `parts` CTAs load a part of it each.
CUtensorMap operand_map(TensorMapEncoder encode, DType dtype, const void* base, bool k_major, std::int64_t mn,
                        std::int64_t k, int tile_mn, int parts) {
  const auto bytes = static_cast<std::int64_t>(size_bytes(dtype));
  const int row = wgmma_sm90_tile_k(dtype);  // elements in 128 bytes
  if (k_major)
    return make_tensor_map(encode, tensor_map_type(dtype), base, {{k, bytes, row}, {mn, k * bytes, tile_mn / parts}});
  return make_tensor_map(encode, tensor_map_type(dtype), base, {{mn, bytes, row}, {k, mn * bytes, row / parts}});
}

CUtensorMap output_map(TensorMapEncoder encode, const GemmProblem& p, const void* d) {
  const auto bytes = static_cast<std::int64_t>(size_bytes(p.output()));
  return make_tensor_map(encode, tensor_map_type(p.output()), d,
                         {{p.n, bytes, kBoxBytes / static_cast<int>(bytes)}, {p.m, p.n * bytes, kBoxRows}});
}

WgmmaOutput output_of(const GemmProblem& p) {
  if (p.accumulates()) return WgmmaOutput::add_f32;
  return p.output() == DType::f32 ? WgmmaOutput::store_f32 : WgmmaOutput::store_16;
}

}  // namespace

#define ASSAY_ROW(dtype, Element, layout, Layout, m, n, stages) \
  {DType::dtype, GemmLayout::layout, m, n, ASSAY_WGMMA_SM90_NAME(Element, Layout, m, n, stages)},
const WgmmaSm90Instance kWgmmaSm90Instances[] = {
    ASSAY_WGMMA_SM90_LAYOUTS(ASSAY_ROW, bf16, Bf16)        //
    ASSAY_WGMMA_SM90_LAYOUTS(ASSAY_ROW, f16, F16)          //
    ASSAY_WGMMA_SM90_TILES(ASSAY_ROW, tf32, Tf32, tn, Tn)  // the only layout in which wgmma reads tf32
};
#undef ASSAY_ROW
const int kWgmmaSm90InstanceCount = sizeof kWgmmaSm90Instances / sizeof kWgmmaSm90Instances[0];

WgmmaSm90WorkspaceBytes workspace_of(const WgmmaSm90Choice& choice) {
  const WgmmaSm90Tile& tile = choice.config.tile;
  const auto tiles = static_cast<std::size_t>(choice.schedule.sliced_tiles) * choice.config.cluster_size();
  return {tiles * choice.schedule.slices * tile.m * tile.n * sizeof(float), tiles * kConsumers * sizeof(unsigned)};
}

LaunchPlan<WgmmaSm90Params<DenseSchedule>> launch_wgmma_sm90(const GemmProblem& p, const GemmBuffers& buffers,
                                                             const WgmmaSm90Choice& choice,
                                                             const WgmmaSm90Workspace& workspace,
                                                             TensorMapEncoder encode, int more_stage_bytes) {
  if (!is_aligned(buffers.a, 16) || !is_aligned(buffers.b, 16) || !is_aligned(buffers.d, 16))
    throw std::runtime_error("wgmma_sm90 needs buffers aligned to 16 bytes");
  const WgmmaSm90Config& config = choice.config;
  LaunchPlan<WgmmaSm90Params<DenseSchedule>> plan;
  auto& params = plan.params;
  params.map_a = operand_map(encode, p.dtype, buffers.a, p.a_is_k_major(), p.m, p.k, config.tile.m, config.cluster_n);
  params.map_b = operand_map(encode, p.dtype, buffers.b, p.b_is_k_major(), p.n, p.k, config.tile.n, config.cluster_m);
  params.map_d = output_map(encode, p, buffers.d);
  params.schedule = choice.schedule;
  params.cluster_m = config.cluster_m;
  params.cluster_n = config.cluster_n;
  params.output = output_of(p);
  params.d = static_cast<const float*>(buffers.d);
  params.m = static_cast<int>(p.m);
  params.n = static_cast<int>(p.n);
  params.partial_sums = workspace.partial_sums;
  params.arrived = workspace.arrived;
  plan.grid.x = static_cast<unsigned>(choice.clusters * config.cluster_size());
  plan.block.x = kThreads;
  plan.cluster.x = static_cast<unsigned>(config.cluster_size());
  plan.shared_bytes = shared_bytes(config.tile, more_stage_bytes);
  return plan;
}

LaunchPlan<WgmmaSm90Params<DenseSchedule>> plan_wgmma_sm90(const GemmProblem& p, const GemmBuffers& buffers,
                                                           const Target& target, const WgmmaSm90Workspace& workspace,
                                                           TensorMapEncoder encode) {
  const WgmmaSm90Choice choice = choose_wgmma_sm90(p, target);
  const WgmmaSm90Tile& tile = choice.config.tile;
  auto plan = launch_wgmma_sm90(p, buffers, choice, workspace, encode);
  for (const WgmmaSm90Instance& i : kWgmmaSm90Instances)
    if (i.dtype == p.dtype && i.layout == p.layout && i.tile_m == tile.m && i.tile_n == tile.n) plan.kernel = i.kernel;
  if (!plan.kernel) throw std::runtime_error("wgmma_sm90 has no kernel for " + std::string(name(p.dtype)));
  return plan;
}

}  // namespace assay
