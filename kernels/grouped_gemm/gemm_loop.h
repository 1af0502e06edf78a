// Grouped GEMM as frameworks did it before there were grouped kernels: one GEMM after the other, each by a kernel of
// the GEMM table.  The yardstick every grouped kernel has to beat.
#pragma once
#include <string>

#include "kernels/grouped_gemm/grouped_gemm.h"

namespace assay {

/// The GEMM kernel `name` of this build; null where it has none.
const GemmKernel* gemm_kernel_named(const std::string& name);

/// Empty, or why some group's GEMM is not one for `kernel`.
Support supports_every_group(const GemmKernel& kernel, const GroupedGemmProblem&, const Target&);

/// A row named `name` that loops over `kernel`.  On a CPU each GEMM has all threads; on a GPU all lie in one stream.
/// `kernel` is of the table, and outlives the row.
GroupedGemmKernel gemm_loop_row(std::string name, const GemmKernel& kernel);

}  // namespace assay
