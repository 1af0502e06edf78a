// The CPU rows of the grouped GEMM table.
#pragma once
#include <vector>

#include "kernels/grouped_gemm/grouped_gemm.h"

namespace assay {

GroupedGemmKernel cpu_blocked_grouped_gemm();
/// The same over another GEMM, which must outlive the row: for tests of micro-kernels this CPU would not choose.
GroupedGemmKernel cpu_blocked_grouped_gemm(const GemmKernel&);
/// One row for each library whose GEMM this build has: openblas_loop, onednn_loop.
void append_cpu_gemm_loops(std::vector<GroupedGemmKernel>&);

}  // namespace assay
