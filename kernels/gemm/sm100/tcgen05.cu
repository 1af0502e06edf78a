// Compiled instances of tcgen05.cuh for bf16, f16, e4m3 and e5m2, and the kernel's row in the table.
#include "kernels/gemm/sm100/tcgen05.cuh"

#include "kernels/common/cuda_launch.h"
#include "kernels/gemm/cuda/kernel_rows.h"
#include "kernels/gemm/sm100/tcgen05.h"
#include "kernels/gemm/sm100/tcgen05_kernels.h"

namespace assay {
namespace {

#define ASSAY_TCGEN05_ROW(kind, tile, output) \
  {ASSAY_TCGEN05_NAME(kind, tile, output), tcgen05_sm100<kind, tile, output>},
const NamedKernel<Tcgen05Sm100Params> kKernels[] = {ASSAY_TCGEN05_DENSE(ASSAY_TCGEN05_ROW)};
#undef ASSAY_TCGEN05_ROW

Tcgen05Function function_of(const GemmProblem& problem, const LaunchPlan<Tcgen05Sm100Params>& plan) {
  return has_block_scales(problem.scaling) ? tcgen05_scaled_kernel(plan) : find_kernel(kKernels, plan);
}

/// Tensor maps name addresses: there is one plan per set of buffers, made before anything is timed.
class Tcgen05Operation final : public GemmOperation {
 public:
  Tcgen05Operation(const GemmProblem& problem, const Target& target, const std::vector<GemmBuffers>& sets)
      : description_(choose_tcgen05_sm100(problem, target).name()) {
    const TensorMapEncoder encode = driver_tensor_map_encoder();
    for (const GemmBuffers& buffers : sets)
      plans_.push_back({buffers, plan_tcgen05_sm100(problem, buffers, target, encode)});
    function_ = function_of(problem, plans_.front().plan);
    allow_shared_bytes(reinterpret_cast<const void*>(function_), plans_.front().plan.shared_bytes);
  }
  void launch(const GemmBuffers& buffers, Stream stream) override {
    for (const Prepared& prepared : plans_)
      if (prepared.buffers.a == buffers.a && prepared.buffers.b == buffers.b && prepared.buffers.d == buffers.d)
        return launch_kernel(function_, prepared.plan, stream);
    throw std::runtime_error("tcgen05_sm100 was not prepared for these buffers");
  }
  std::string description() const override { return description_; }

 private:
  struct Prepared {
    GemmBuffers buffers;
    LaunchPlan<Tcgen05Sm100Params> plan;
  };
  std::string description_;
  std::vector<Prepared> plans_;
  Tcgen05Function function_ = nullptr;
};

std::unique_ptr<GemmOperation> prepare(const GemmProblem& problem, const Target& target,
                                       const std::vector<GemmBuffers>& sets, Stream) {
  return std::make_unique<Tcgen05Operation>(problem, target, sets);
}

}  // namespace

GemmKernel tcgen05_sm100_row() {
  GemmKernel row;
  row.name = "tcgen05_sm100";
  row.device = Device::gpu;
  row.dtypes = {DType::bf16, DType::f16, DType::e4m3, DType::e5m2, DType::e2m1};
  row.supports = supports_tcgen05_sm100;
  row.explain = explain_tcgen05_sm100;
  row.prepare = prepare;
  return row;
}

}  // namespace assay
