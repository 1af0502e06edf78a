// wgmma_fp8_sm90 in the table of kernels.
#include "kernels/gemm/cuda/kernel_rows.h"
#include "kernels/gemm/sm90/wgmma_fp8.h"
#include "kernels/gemm/sm90/wgmma_fp8_kernels.h"
#include "kernels/gemm/sm90/wgmma_operation.h"

namespace assay {
namespace {

WgmmaFp8Sm90Kernel find(const GemmProblem&, const LaunchPlan<WgmmaFp8Sm90Params>& plan) {
  return find_wgmma_fp8_sm90(plan);
}

std::unique_ptr<GemmOperation> prepare(const GemmProblem& problem, const Target& target,
                                       const std::vector<GemmBuffers>& sets, Stream stream) {
  return std::make_unique<WgmmaSm90Operation<WgmmaFp8Sm90Params>>(plan_wgmma_fp8_sm90, find, problem, target, sets,
                                                                  stream);
}

}  // namespace

GemmKernel wgmma_fp8_sm90_row() {
  GemmKernel row;
  row.name = "wgmma_fp8_sm90";
  row.device = Device::gpu;
  row.dtypes = {DType::e4m3, DType::e5m2};
  row.supports = supports_wgmma_fp8_sm90;
  row.explain = explain_wgmma_sm90;
  row.accumulation = accumulation_of_wgmma_fp8_sm90;
  row.prepare = prepare;
  return row;
}

}  // namespace assay
