// The CPU GEMM with its choices exposed, for the table and for tests of the paths this CPU would not take.
#pragma once
#include <memory>
#include <vector>

#include "kernels/common/cpu/caches.h"
#include "kernels/common/cpu/pack.h"
#include "kernels/gemm/gemm.h"

namespace assay {

/// `sets`: where the problem is prepacked, all buffers that will be launched on; their b is packed here.
std::unique_ptr<GemmOperation> make_cpu_blocked_gemm(const GemmProblem&, int threads, cpu::PackedTiles,
                                                     const std::vector<GemmBuffers>& sets = {},
                                                     const cpu::Caches& = cpu::caches());

}  // namespace assay
