// Grouped wgmma_sm90 in the table of kernels.
#include <map>
#include <memory>

#include "kernels/common/cuda_launch.h"
#include "kernels/grouped_gemm/cuda_kernel_rows.h"
#include "kernels/grouped_gemm/wgmma_kernel_tables.h"

namespace assay {
namespace {

template <class Schedule>
using Plan = LaunchPlan<WgmmaSm90Params<Schedule>>;

/// Tensor maps hold addresses: one plan for each buffer set, made outside what is timed.
template <class Schedule>
class GroupedWgmma final : public GroupedGemmOperation {
 public:
  using Planner = Plan<Schedule> (*)(const GroupedGemmProblem&, const GroupedGemmBuffers&, const Target&,
                                     TensorMapEncoder);

  GroupedWgmma(Planner planner, const GroupedGemmProblem& problem, const Target& target,
               const std::vector<GroupedGemmBuffers>& sets)
      : description_(explain_wgmma_grouped(problem, target)) {
    if (problem.total_rows() == 0) return;  // nothing to launch
    const TensorMapEncoder encode = driver_tensor_map_encoder();
    for (const GroupedGemmBuffers& set : sets) plans_.emplace(set.d, planner(problem, set, target, encode));
    const Plan<Schedule>& plan = plans_.begin()->second;
    kernel_ = problem.dtype == DType::bf16 ? find_wgmma_bf16_grouped(plan) : find_wgmma_f16_grouped(plan);
    allow_shared_bytes(reinterpret_cast<const void*>(kernel_), plan.shared_bytes);
  }

  void launch(const GroupedGemmBuffers& buffers, Stream stream) override {
    if (kernel_) launch_kernel(kernel_, plans_.at(buffers.d), stream);
  }
  std::string description() const override { return description_; }

 private:
  std::string description_;
  std::map<const void*, Plan<Schedule>> plans_;  // by d
  GroupedWgmmaFunction<Schedule> kernel_ = nullptr;
};

std::unique_ptr<GroupedGemmOperation> prepare(const GroupedGemmProblem& problem, const Target& target,
                                              const std::vector<GroupedGemmBuffers>& sets, Stream) {
  if (problem.pass == GroupedPass::wgrad)
    return std::make_unique<GroupedWgmma<KGroupedSchedule>>(plan_wgmma_k_grouped, problem, target, sets);
  return std::make_unique<GroupedWgmma<MGroupedSchedule>>(plan_wgmma_m_grouped, problem, target, sets);
}

}  // namespace

GroupedGemmKernel wgmma_sm90_grouped_row() {
  GroupedGemmKernel row;
  row.name = "wgmma_sm90";
  row.device = Device::gpu;
  row.dtypes = {DType::bf16, DType::f16};
  row.supports = supports_wgmma_grouped;
  row.explain = explain_wgmma_grouped;
  row.prepare = prepare;
  return row;
}

}  // namespace assay
