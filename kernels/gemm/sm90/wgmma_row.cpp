// wgmma_sm90 in the table of kernels.
#include "kernels/gemm/cuda/kernel_rows.h"
#include "kernels/gemm/sm90/wgmma.h"
#include "kernels/gemm/sm90/wgmma_kernels.h"
#include "kernels/gemm/sm90/wgmma_operation.h"

namespace assay {
namespace {

WgmmaSm90Kernel find(const GemmProblem& problem, const WgmmaSm90Plan& plan) {
  if (problem.dtype == DType::bf16) return find_wgmma_bf16_sm90(plan);
  if (problem.dtype == DType::f16) return find_wgmma_f16_sm90(plan);
  return find_wgmma_tf32_sm90(plan);
}

std::unique_ptr<GemmOperation> prepare(const GemmProblem& problem, const Target& target,
                                       const std::vector<GemmBuffers>& sets, Stream stream) {
  return std::make_unique<WgmmaSm90Operation<WgmmaSm90Params<DenseSchedule>>>(plan_wgmma_sm90, find, problem, target,
                                                                              sets, stream);
}

}  // namespace

GemmKernel wgmma_sm90_row() {
  GemmKernel row;
  row.name = "wgmma_sm90";
  row.device = Device::gpu;
  row.dtypes = {DType::tf32, DType::bf16, DType::f16};
  row.supports = supports_wgmma_sm90;
  row.explain = explain_wgmma_sm90;
  row.prepare = prepare;
  return row;
}

}  // namespace assay
