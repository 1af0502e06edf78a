// Finding the compiled kernels of grouped wgmma_sm90, which wgmma_*_sm90.cu hold.
#pragma once
#include "kernels/grouped_gemm/wgmma_sm90.h"

namespace assay {

/// These throw std::runtime_error where the file has no kernel of the plan's name.
template <class Schedule>
using GroupedWgmmaFunction = void (*)(WgmmaSm90Params<Schedule>);

GroupedWgmmaFunction<MGroupedSchedule> find_wgmma_bf16_grouped(const MGroupedPlan&);
GroupedWgmmaFunction<KGroupedSchedule> find_wgmma_bf16_grouped(const KGroupedPlan&);
GroupedWgmmaFunction<MGroupedSchedule> find_wgmma_f16_grouped(const MGroupedPlan&);
GroupedWgmmaFunction<KGroupedSchedule> find_wgmma_f16_grouped(const KGroupedPlan&);

}  // namespace assay
