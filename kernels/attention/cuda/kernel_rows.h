// What the CUDA rows of the attention table are made of: one function per kernel and pass, each defined beside it.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/attention/attention.h"

namespace assay {

/// One pass of a row.
struct AttentionPassKernel {
  std::function<Support(const AttentionProblem&, const Target&)> supports;
  std::function<AttentionKernel::Prepare> prepare;
  std::function<std::string(const AttentionProblem&, const Target&)> explain{};  // null where there is no choice
};

/// A pass that is one function and keeps nothing; `prepare` comes once before its first launch.
inline AttentionPassKernel stateless_pass(Support (*supports)(const AttentionProblem&, const Target&),
                                          void (*prepare)(const AttentionProblem&),
                                          void (*launch)(const AttentionProblem&, const AttentionBuffers&,
                                                         const Target&, Stream)) {
  return {supports, [prepare, launch](const AttentionProblem& problem, const Target& target,
                                      const std::vector<AttentionBuffers>&, Stream) {
            prepare(problem);
            return std::make_unique<FunctionOperation<AttentionProblem, AttentionBuffers>>(launch, problem, target);
          }};
}

AttentionPassKernel attention_simt_f32_forward();
AttentionPassKernel attention_simt_f32_backward();
AttentionPassKernel attention_mma_sm80_forward();
AttentionPassKernel attention_mma_sm80_backward();
AttentionPassKernel attention_wgmma_sm90_forward();  // these two where the build has sm_90a
AttentionPassKernel attention_wgmma_sm90_backward();
AttentionPassKernel attention_tcgen05_sm100_forward();  // where the build has sm_100a or sm_103a

AttentionKernel cudnn_attention();  // both passes; where the build has cuDNN

}  // namespace assay
