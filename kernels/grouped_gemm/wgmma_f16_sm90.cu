// Instances of kernels/gemm/sm90/wgmma.cuh for grouped f16.
#include "kernels/common/cuda_launch.h"
#include "kernels/gemm/sm90/wgmma.cuh"
#include "kernels/grouped_gemm/wgmma_kernel_tables.h"
#include "kernels/grouped_gemm/wgmma_sm90_kernels.h"

namespace assay {
namespace {

#define ASSAY_ROW(dtype, Element, pass, Layout, n, stages, Schedule) \
  {ASSAY_GROUPED_WGMMA_NAME(Element, Layout, n, stages, Schedule),   \
   sm90::wgmma_sm90<sm90::Element, sm90::Layout, sm90::Tile<128, n, stages>, Schedule>},
const NamedKernel<WgmmaSm90Params<MGroupedSchedule>> kMGrouped[] = {ASSAY_GROUPED_WGMMA_M(ASSAY_ROW, f16, F16)};
const NamedKernel<WgmmaSm90Params<KGroupedSchedule>> kKGrouped[] = {ASSAY_GROUPED_WGMMA_K(ASSAY_ROW, f16, F16)};
#undef ASSAY_ROW

}  // namespace

GroupedWgmmaFunction<MGroupedSchedule> find_wgmma_f16_grouped(const MGroupedPlan& plan) {
  return find_kernel(kMGrouped, plan);
}
GroupedWgmmaFunction<KGroupedSchedule> find_wgmma_f16_grouped(const KGroupedPlan& plan) {
  return find_kernel(kKGrouped, plan);
}

}  // namespace assay
