// The CPU GEMM with its choices exposed, for the table and for tests of the paths this CPU would not take.
#pragma once
#include <memory>

#include "kernels/common/cpu/pack.h"
#include "kernels/common/cpu/tile.h"
#include "kernels/gemm/gemm.h"

namespace assay {

/// Micro-kernels and the packed form that feeds them.
struct CpuGemmTiles {
  const cpu::TileSet* tiles = nullptr;
  cpu::PackFormat format = cpu::PackFormat::f32;
};

/// The best of this CPU: bf16 falls back to fp32 micro-kernels on operands widened while they are packed.
CpuGemmTiles best_cpu_gemm_tiles(DType);

std::unique_ptr<GemmOperation> make_cpu_blocked_gemm(const GemmProblem&, int threads, CpuGemmTiles);

}  // namespace assay
