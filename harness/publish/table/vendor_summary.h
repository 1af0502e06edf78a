// What all the percentages of the vendor come to: one line for each of our kernels and each way it was used.
#pragma once
#include <string>
#include <vector>

#include "harness/publish/table/table.h"

namespace assay {

/// "gemm/cpu_blocked cpu f32: 1.01x the fastest library in the geometric mean of 12 cases (tn 1.01x, nn 1.02x, nt
/// 0.99x); least 0.95x at layout=nt m=2048 n=2048 k=2048; up to 91 % of peak", in the order in which kernels appear.
/// Cases are kept apart by workload, kernel, device, dtype, mode, cache, and by the axes that change what is computed
/// with: scaling and weights. A geometric mean, because ratios are averaged (Fleming and Wallace, "How not to lie with
/// statistics", CACM 1986). Nothing for a single case, whose row says it all.
std::vector<std::string> vendor_summary(const std::vector<TableRow>&);

}  // namespace assay
