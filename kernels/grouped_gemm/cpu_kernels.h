// The CPU rows of the grouped GEMM table.
#pragma once
#include <vector>

#include "kernels/grouped_gemm/grouped_gemm.h"

namespace assay {

GroupedGemmKernel cpu_blocked_grouped_gemm();
/// One row for each library whose GEMM this build has: openblas_loop, onednn_loop.
void append_cpu_gemm_loops(std::vector<GroupedGemmKernel>&);

}  // namespace assay
