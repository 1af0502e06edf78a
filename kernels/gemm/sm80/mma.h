// The host side of mma.cuh: which problems it takes and how each is launched.  CUDA-free; C++17.
#pragma once
#include <stdexcept>

#include "kernels/common/launch_plan.h"
#include "kernels/gemm/cuda/kernel_params.h"

namespace assay {

/// Shared by the kernel and its launch plan.
struct MmaSm80Shape {
  static constexpr int kTileM = 128, kTileN = 256;
  static constexpr int kTileKBytes = 64;  // 32 elements of 16 bits, 16 of tf32
  static constexpr int kStages = 4;
  static constexpr int kThreads = 256;
  static constexpr int kSharedBytes = kStages * (kTileM + kTileN) * kTileKBytes;  // 96 KiB: fits sm_86 and sm_120 too
};

/// One compiled kernel.  `wide`: both operands allow 16-byte copies.
struct MmaSm80Instance {
  DType dtype;
  GemmLayout layout;
  bool wide;
  const char* kernel;  // demangled name, as in the table of mma.cu
};

inline constexpr MmaSm80Instance kMmaSm80Instances[] = {
    {DType::bf16, GemmLayout::tn, true, "mma_sm80<assay::Bf16, assay::Tn, assay::CopyWide>"},
    {DType::bf16, GemmLayout::nn, true, "mma_sm80<assay::Bf16, assay::Nn, assay::CopyWide>"},
    {DType::bf16, GemmLayout::nt, true, "mma_sm80<assay::Bf16, assay::Nt, assay::CopyWide>"},
    {DType::bf16, GemmLayout::tn, false, "mma_sm80<assay::Bf16, assay::Tn, assay::CopyNarrow>"},
    {DType::bf16, GemmLayout::nn, false, "mma_sm80<assay::Bf16, assay::Nn, assay::CopyNarrow>"},
    {DType::bf16, GemmLayout::nt, false, "mma_sm80<assay::Bf16, assay::Nt, assay::CopyNarrow>"},
    {DType::f16, GemmLayout::tn, true, "mma_sm80<assay::F16, assay::Tn, assay::CopyWide>"},
    {DType::f16, GemmLayout::nn, true, "mma_sm80<assay::F16, assay::Nn, assay::CopyWide>"},
    {DType::f16, GemmLayout::nt, true, "mma_sm80<assay::F16, assay::Nt, assay::CopyWide>"},
    {DType::f16, GemmLayout::tn, false, "mma_sm80<assay::F16, assay::Tn, assay::CopyNarrow>"},
    {DType::f16, GemmLayout::nn, false, "mma_sm80<assay::F16, assay::Nn, assay::CopyNarrow>"},
    {DType::f16, GemmLayout::nt, false, "mma_sm80<assay::F16, assay::Nt, assay::CopyNarrow>"},
    {DType::tf32, GemmLayout::tn, true, "mma_sm80<assay::Tf32, assay::Tn, assay::CopyWide>"},
    {DType::tf32, GemmLayout::nn, true, "mma_sm80<assay::Tf32, assay::Nn, assay::CopyWide>"},
    {DType::tf32, GemmLayout::nt, true, "mma_sm80<assay::Tf32, assay::Nt, assay::CopyWide>"},
    {DType::tf32, GemmLayout::tn, false, "mma_sm80<assay::Tf32, assay::Tn, assay::CopyNarrow>"},
    {DType::tf32, GemmLayout::nn, false, "mma_sm80<assay::Tf32, assay::Nn, assay::CopyNarrow>"},
    {DType::tf32, GemmLayout::nt, false, "mma_sm80<assay::Tf32, assay::Nt, assay::CopyNarrow>"},
};

inline Support supports_mma_sm80(const GemmProblem& problem, const Target& target) {
  if (target.compute_capability < 80)
    return Support::no("needs compute capability 8.0 or later (cp.async, bf16 and tf32 mma)");
  if (problem.accumulate && problem.layout != GemmLayout::nt)
    return Support::no("adds into d in the layout nt alone");
  if (target.shared_bytes_per_block < MmaSm80Shape::kSharedBytes)
    return Support::no("needs " + std::to_string(MmaSm80Shape::kSharedBytes) + " bytes of shared memory per block");
  return {reason_extents_unfit(problem, MmaSm80Shape::kTileM, MmaSm80Shape::kTileN)};
}

inline LaunchPlan<GemmKernelParams> plan_mma_sm80(const GemmProblem& problem, const GemmBuffers& buffers,
                                                  const Target& target) {
  using Shape = MmaSm80Shape;
  const bool wide = rows_are_aligned(buffers.a, leading_dimension_a(problem), problem.dtype, 16) &&
                    rows_are_aligned(buffers.b, leading_dimension_b(problem), problem.dtype, 16);
  LaunchPlan<GemmKernelParams> plan;
  for (const MmaSm80Instance& i : kMmaSm80Instances)
    if (i.dtype == problem.dtype && i.layout == problem.layout && i.wide == wide) plan.kernel = i.kernel;
  if (!plan.kernel) throw std::runtime_error(std::string("mma_sm80 has no kernel for ") + name(problem.dtype));
  // One CTA fills a multiprocessor (registers).
  plan.params = make_gemm_params(problem, buffers, Shape::kTileM, Shape::kTileN, std::max(1, target.multiprocessors));
  plan.grid.x = static_cast<unsigned>(plan.params.tile_rows) * static_cast<unsigned>(plan.params.tile_columns);
  plan.block.x = Shape::kThreads;
  plan.shared_bytes = Shape::kSharedBytes;
  return plan;
}

}  // namespace assay
