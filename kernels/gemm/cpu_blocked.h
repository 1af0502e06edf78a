// The CPU GEMM with its choices exposed, for the table and for tests of the paths this CPU would not take.
#pragma once
#include <memory>

#include "kernels/common/cpu/pack.h"
#include "kernels/gemm/gemm.h"

namespace assay {

std::unique_ptr<GemmOperation> make_cpu_blocked_gemm(const GemmProblem&, int threads, cpu::PackedTiles);

}  // namespace assay
