// configs/accelerators: what datasheets promise, each figure with its source.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/common/dtype.h"

namespace assay {

struct SourcedPeak {
  DType dtype = DType::bf16;
  double flops_per_second = 0;  // dense
  std::string source;           // document and date
  bool disputed = false;        // sources disagree: every figure is kept, the first is used
};

struct Accelerator {
  std::string name;                       // "h200"
  std::string full_name;                  // "NVIDIA H200 SXM"
  std::vector<std::string> device_names;  // as the driver reports them: "NVIDIA H200"
  int compute_capability = 0;             // 90; 0 where it has none
  std::vector<SourcedPeak> peaks;
  double memory_bytes_per_second = 0;
  double memory_bytes = 0;
  bool table_only = false;  // published numbers only; nothing of ours runs there

  std::optional<double> peak(DType) const;
};

/// The shipped ones; parsed and validated once.
const std::vector<Accelerator>& accelerators();
/// By the name the driver reports; null where unknown.
const Accelerator* find_accelerator(std::string_view device_name);

}  // namespace assay
