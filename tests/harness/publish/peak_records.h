// Records of the workload peak, made by hand.
#pragma once
#include "tests/harness/record/sample_records.h"

namespace assay {

/// A case of the workload peak: `rate` FLOP/s, or bytes/s for a unit of memory.
inline Record peak_record(const std::string& unit, double rate, DType dtype = DType::bf16) {
  Record record = ok_record(64, "peak_" + unit, 1e-3);
  record.point.workload = "peak";
  record.point.dtype = dtype;
  record.point.axes = {{"unit", unit}, {"size", std::int64_t(4096)}};
  const bool memory = unit == "copy" || unit == "triad" || unit == "read";
  record.work = memory ? Work{0, rate * 1e-3, "bytes", 0} : Work{rate * 1e-3, 0, "flops", 0};
  return record;
}

}  // namespace assay
