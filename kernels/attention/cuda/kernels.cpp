// The attention kernels for NVIDIA GPUs as rows of the table.
#include "kernels/attention/cuda/kernels.h"

#include <string>

#include "assay/build_config.h"
#include "kernels/attention/cuda/kernel_rows.h"

namespace assay {
namespace {

/// A row of one or both passes.
AttentionKernel cuda_row(const char* name, std::vector<DType> dtypes, const AttentionPassKernel& forward,
                         const AttentionPassKernel& backward = {}) {
  AttentionKernel row;
  row.name = name;
  row.device = Device::gpu;
  row.dtypes = std::move(dtypes);
  const auto pass_of = [forward, backward](const AttentionProblem& problem) -> const AttentionPassKernel& {
    return problem.pass == AttentionPass::forward ? forward : backward;
  };
  row.supports = [pass_of](const AttentionProblem& problem, const Target& target) {
    const AttentionPassKernel& pass = pass_of(problem);
    if (!pass.supports) return Support::no(std::string("has no ") + assay::name(problem.pass) + " pass");
    return pass.supports(problem, target);
  };
  row.explain = [pass_of](const AttentionProblem& problem, const Target& target) {
    const AttentionPassKernel& pass = pass_of(problem);
    return pass.explain ? pass.explain(problem, target) : std::string();
  };
  row.prepare = [pass_of](const AttentionProblem& problem, const Target& target,
                          const std::vector<AttentionBuffers>& sets,
                          Stream stream) { return pass_of(problem).prepare(problem, target, sets, stream); };
  return row;
}

}  // namespace

void append_cuda_attention_kernels(std::vector<AttentionKernel>& kernels) {
#if ASSAY_HAS_SM100
  kernels.push_back(
      cuda_row("tcgen05_sm100", {DType::bf16, DType::f16, DType::e4m3}, attention_tcgen05_sm100_forward()));
#endif
#if ASSAY_HAS_SM90
  kernels.push_back(cuda_row("wgmma_sm90", {DType::bf16, DType::f16, DType::e4m3}, attention_wgmma_sm90_forward(),
                             attention_wgmma_sm90_backward()));
  kernels.back().accumulation = [](const AttentionProblem& problem, const Target&) {
    return problem.scaled() ? hopper_8_bit_accumulation(0) : Accumulation{};  // over all keys
  };
#endif
  kernels.push_back(
      cuda_row("mma_sm80", {DType::bf16, DType::f16}, attention_mma_sm80_forward(), attention_mma_sm80_backward()));
  kernels.push_back(cuda_row("simt_f32", {DType::f32}, attention_simt_f32_forward(), attention_simt_f32_backward()));
#if ASSAY_HAS_CUDNN
  kernels.push_back(cudnn_attention());
#endif
}

}  // namespace assay
