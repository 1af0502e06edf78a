// The host side of simt_f32.cuh: which problems it takes and how each is launched.  CUDA-free; C++17.
#pragma once
#include <stdexcept>

#include "kernels/common/launch_plan.h"
#include "kernels/gemm/cuda/kernel_params.h"

namespace assay {

/// Shared by the kernel and its launch plan.
struct SimtF32Shape {
  static constexpr int kTileM = 128, kTileN = 128, kTileK = 16;
  static constexpr int kThreads = 128;
};

/// One compiled kernel.  `vectors`: rows of a and b start on 16-byte boundaries.
struct SimtF32Instance {
  GemmLayout layout;
  bool vectors;
  const char* kernel;  // demangled name, as in the table of simt_f32.cu
};

inline constexpr SimtF32Instance kSimtF32Instances[] = {
    {GemmLayout::tn, true, "simt_f32<true, true, false, true>"},
    {GemmLayout::nn, true, "simt_f32<true, false, false, true>"},
    {GemmLayout::nt, true, "simt_f32<false, false, true, true>"},
    {GemmLayout::tn, false, "simt_f32<true, true, false, false>"},
    {GemmLayout::nn, false, "simt_f32<true, false, false, false>"},
    {GemmLayout::nt, false, "simt_f32<false, false, true, false>"},
};

inline Support supports_simt_f32(const GemmProblem& problem, const Target&) {
  if (problem.accumulate && problem.layout != GemmLayout::nt)
    return Support::no("adds into d in the layout nt alone");
  return {reason_extents_unfit(problem, SimtF32Shape::kTileM, SimtF32Shape::kTileN)};
}

inline LaunchPlan<GemmKernelParams> plan_simt_f32(const GemmProblem& problem, const GemmBuffers& buffers,
                                                  const Target& target) {
  using Shape = SimtF32Shape;
  const bool vectors = rows_are_aligned(buffers.a, leading_dimension_a(problem), DType::f32, 16) &&
                       rows_are_aligned(buffers.b, leading_dimension_b(problem), DType::f32, 16);
  LaunchPlan<GemmKernelParams> plan;
  for (const SimtF32Instance& i : kSimtF32Instances)
    if (problem.dtype == DType::f32 && i.layout == problem.layout && i.vectors == vectors) plan.kernel = i.kernel;
  if (!plan.kernel) throw std::runtime_error(std::string("simt_f32 has no kernel for ") + name(problem.dtype));
  // Two CTAs share a multiprocessor.
  plan.params =
      make_gemm_params(problem, buffers, Shape::kTileM, Shape::kTileN, std::max(1, 2 * target.multiprocessors));
  plan.grid.x = static_cast<unsigned>(plan.params.tile_rows) * static_cast<unsigned>(plan.params.tile_columns);
  plan.block.x = Shape::kThreads;
  return plan;
}

}  // namespace assay
