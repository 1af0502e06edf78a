// Our kernels with one launch plan for all of a type's widths, as tests run them.
#pragma once
#include "kernels/attention/cuda/simt_f32.h"
#include "kernels/attention/sm80/mma.h"
#include "tests/simt/attention/attention_on_simt.h"

namespace assay {

/// simt_f32 for f32, mma_sm80 else; `edit` may change the launch plan.
inline SimtForward forward_of(DType dtype, void (*edit)(LaunchPlan<AttentionKernelParams>&)) {
  return dtype == DType::f32 ? simt_forward("attention_simt_f32", attention_simt_f32_plan, edit)
                             : simt_forward("attention_mma_sm80", attention_mma_sm80_plan, edit);
}
inline SimtForward forward_of(DType dtype) {
  return forward_of(dtype, [](LaunchPlan<AttentionKernelParams>&) {});
}

}  // namespace assay
