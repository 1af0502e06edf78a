// configs/accelerators: what datasheets promise, each figure with its source.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/common/dtype.h"
#include "kernels/common/kernel.h"

namespace assay {

struct SourcedPeak {
  DType dtype = DType::bf16;
  double flops_per_second = 0;  // dense
  double clock_hz = 0;          // at which it holds; 0 where that is not known
  std::string source;           // document and date
  bool disputed = false;        // sources disagree: every figure is kept, the first is used
};

/// What joins the GPUs of a node.
struct Interconnect {
  int links = 0;                     // of one GPU
  double link_bytes_per_second = 0;  // payload, one direction
  double nvls_efficiency = 0;        // share of it that reductions in the switch reach; 0: switches do not reduce
  double bytes_per_second() const { return links * link_bytes_per_second; }
};

struct Accelerator {
  std::string name;                       // "h200"
  std::string full_name;                  // "NVIDIA H200 SXM"
  std::vector<std::string> device_names;  // as the driver reports them: "NVIDIA H200"
  int compute_capability = 0;             // 90; 0 where it has none
  int multiprocessors = 0;                // this and the next two: 0 for what is in tables only
  double l2_bytes = 0;
  double shared_bytes_per_block = 0;  // of dynamic shared memory, opted into
  std::vector<SourcedPeak> peaks;
  double memory_bytes_per_second = 0;
  double memory_bytes = 0;
  std::optional<Interconnect> interconnect;  // none where GPUs meet over PCIe
  bool table_only = false;                   // published numbers only; nothing of ours runs there

  std::optional<double> peak(DType) const;
  /// What the peak becomes at another clock; nothing where the datasheet's own is not known.
  std::optional<double> peak_at(DType, double clock_hz) const;
};

/// The shipped ones; parsed and validated once.
const std::vector<Accelerator>& accelerators();
/// By the name the driver reports; null where unknown.
const Accelerator* find_accelerator(std::string_view device_name);
/// By its own name ("h200"); InputError naming those there are.
const Accelerator& accelerator_named(std::string_view name);
/// By name, or from a file of one's own (names_file).
Accelerator load_accelerator(const std::string& name);
/// What a kernel asks about the place it shall run on.  InputError where nothing of ours runs there.
Target target_of(const Accelerator&);

}  // namespace assay
