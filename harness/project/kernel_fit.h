// The GEMM model's rates, fitted to what was measured, with the error it has on shapes it has not seen.
#pragma once
#include "harness/project/hardware.h"

namespace assay {

/// Sets gemm_flops of every precision that has measured GEMMs, the launch's share of time, peak_flops where no
/// datasheet has one, spread, and kernel_model_error: mean absolute error of times predicted by a fit without the
/// shape.
void fit_kernel_model(Hardware&);

}  // namespace assay
