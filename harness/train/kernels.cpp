#include "harness/train/kernels.h"

namespace assay {
namespace {

// Each is a way to compute the whole step.  A build lacks some of their parts.
const StepKernels kAll[] = {
    {"step_cpu", Device::cpu, false, "cpu_blocked", "cpu_flash", "shm_ring"},
    {"onednn_step_cpu", Device::cpu, true, "onednn", "cpu_flash", "openmpi"},
};

}  // namespace

const std::vector<StepKernels>& step_kernels() {
  static const std::vector<StepKernels> present = [] {
    std::vector<StepKernels> out;
    for (const StepKernels& one : kAll)
      if (find_kernel_row(gemm_kernels(), one.gemm) && find_kernel_row(attention_kernels(), one.attention))
        out.push_back(one);
    return out;
  }();
  return present;
}

const StepKernels* find_step_kernels(const std::string& name) { return find_kernel_row(step_kernels(), name); }

}  // namespace assay
