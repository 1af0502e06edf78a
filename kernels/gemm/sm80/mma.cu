// Compiled instances of mma.cuh, and their row in the table of kernels.
#include "kernels/gemm/sm80/mma.cuh"

#include "kernels/common/cuda_launch.h"
#include "kernels/gemm/cuda/kernel_rows.h"

namespace assay {
namespace {

// The names are those of kMmaSm80Instances.
const NamedKernel<GemmKernelParams> kKernels[] = {
    {"mma_sm80<assay::Bf16, assay::Tn, assay::CopyWide>", mma_sm80<Bf16, Tn, CopyWide>},
    {"mma_sm80<assay::Bf16, assay::Nn, assay::CopyWide>", mma_sm80<Bf16, Nn, CopyWide>},
    {"mma_sm80<assay::Bf16, assay::Nt, assay::CopyWide>", mma_sm80<Bf16, Nt, CopyWide>},
    {"mma_sm80<assay::Bf16, assay::Tn, assay::CopyNarrow>", mma_sm80<Bf16, Tn, CopyNarrow>},
    {"mma_sm80<assay::Bf16, assay::Nn, assay::CopyNarrow>", mma_sm80<Bf16, Nn, CopyNarrow>},
    {"mma_sm80<assay::Bf16, assay::Nt, assay::CopyNarrow>", mma_sm80<Bf16, Nt, CopyNarrow>},
    {"mma_sm80<assay::F16, assay::Tn, assay::CopyWide>", mma_sm80<F16, Tn, CopyWide>},
    {"mma_sm80<assay::F16, assay::Nn, assay::CopyWide>", mma_sm80<F16, Nn, CopyWide>},
    {"mma_sm80<assay::F16, assay::Nt, assay::CopyWide>", mma_sm80<F16, Nt, CopyWide>},
    {"mma_sm80<assay::F16, assay::Tn, assay::CopyNarrow>", mma_sm80<F16, Tn, CopyNarrow>},
    {"mma_sm80<assay::F16, assay::Nn, assay::CopyNarrow>", mma_sm80<F16, Nn, CopyNarrow>},
    {"mma_sm80<assay::F16, assay::Nt, assay::CopyNarrow>", mma_sm80<F16, Nt, CopyNarrow>},
    {"mma_sm80<assay::Tf32, assay::Tn, assay::CopyWide>", mma_sm80<Tf32, Tn, CopyWide>},
    {"mma_sm80<assay::Tf32, assay::Nn, assay::CopyWide>", mma_sm80<Tf32, Nn, CopyWide>},
    {"mma_sm80<assay::Tf32, assay::Nt, assay::CopyWide>", mma_sm80<Tf32, Nt, CopyWide>},
    {"mma_sm80<assay::Tf32, assay::Tn, assay::CopyNarrow>", mma_sm80<Tf32, Tn, CopyNarrow>},
    {"mma_sm80<assay::Tf32, assay::Nn, assay::CopyNarrow>", mma_sm80<Tf32, Nn, CopyNarrow>},
    {"mma_sm80<assay::Tf32, assay::Nt, assay::CopyNarrow>", mma_sm80<Tf32, Nt, CopyNarrow>},
};

void launch(const GemmProblem& problem, const GemmBuffers& buffers, const Target& target, Stream stream) {
  const auto plan = plan_mma_sm80(problem, buffers, target);
  launch_kernel(find_kernel(kKernels, plan), plan, stream);
}

std::unique_ptr<GemmOperation> prepare(const GemmProblem& problem, const Target& target,
                                       const std::vector<GemmBuffers>& sets, Stream) {
  for (const GemmBuffers& buffers : sets) {  // alignment, and with it the instance, may differ between sets
    const auto plan = plan_mma_sm80(problem, buffers, target);
    allow_shared_bytes(reinterpret_cast<const void*>(find_kernel(kKernels, plan)), plan.shared_bytes);
  }
  return std::make_unique<FunctionOperation<GemmProblem, GemmBuffers>>(launch, problem, target);
}

}  // namespace

GemmKernel mma_sm80_row() {
  GemmKernel row;
  row.name = "mma_sm80";
  row.device = Device::gpu;
  row.dtypes = {DType::tf32, DType::bf16, DType::f16};
  row.supports = supports_mma_sm80;
  row.prepare = prepare;
  return row;
}

}  // namespace assay
