// Finding the kernel that a launch plan names.  Host code of .cu files; C++17.
#pragma once
#include <cstring>
#include <stdexcept>
#include <string>

#include "kernels/attention/cuda_params.h"
#include "kernels/common/cuda_launch.h"

namespace assay {

struct AttentionInstantiation {
  const char* name;
  void (*kernel)(AttentionKernelParams);
};

/// The kernel that the plan names, from a table of instantiations.
template <std::size_t Count>
auto find_attention_kernel(const LaunchPlan<AttentionKernelParams>& plan,
                           const AttentionInstantiation (&table)[Count]) {
  for (const AttentionInstantiation& row : table)
    if (std::strcmp(row.name, plan.kernel) == 0) return row.kernel;
  throw std::runtime_error(std::string("attention kernel ") + plan.kernel + " is not in this build");
}

}  // namespace assay
