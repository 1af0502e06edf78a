// The CPU rows of the attention table.
#pragma once
#include <memory>

#include "kernels/attention/attention.h"
#include "kernels/common/cpu/pack.h"

namespace assay {

AttentionKernel cpu_flash_attention();
AttentionKernel cpu_dequantized_attention();
AttentionKernel openblas_unfused_attention();  // defined where the build has OpenBLAS

/// The same with its micro-kernels given, for tests of those this CPU would not choose.
std::unique_ptr<AttentionOperation> make_cpu_flash(const AttentionProblem&, int threads, cpu::PackedTiles);

}  // namespace assay
