// Environment variables that move the numbers.  A name that is not here is never recorded.
#include <algorithm>
#include <string_view>

#include "harness/core/glob.h"
#include "harness/record/provenance.h"

namespace assay {
namespace {

// A pattern may only end in '*', and only for a library's own prefix.  Of NCCL_* all that is known to hold names of
// hosts and files is spelled out of it below.
constexpr std::string_view kAllowed[] = {
    "OMP_*",
    "GOMP_*",
    "KMP_*",
    "OPENBLAS_*",
    "DNNL_*",
    "ONEDNN_*",
    "NCCL_*",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUBLASLT_WORKSPACE_SIZE",
    "NVIDIA_TF32_OVERRIDE",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "CUDA_DEVICE_MAX_CONNECTIONS",
    "CUDA_MODULE_LOADING",
    "CUDA_LAUNCH_BLOCKING",
    "CUDA_CACHE_DISABLE",
    "CUDA_FORCE_PTX_JIT",
    "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE",
    "NVIDIA_VISIBLE_DEVICES",
    "OMPI_MCA_btl",
    "OMPI_MCA_pml",
    "OMPI_COMM_WORLD_SIZE",
    "OMPI_COMM_WORLD_LOCAL_SIZE",
    "SLURM_CPUS_PER_TASK",
    "SLURM_CPU_BIND",
    "SLURM_GPUS_ON_NODE",
    "MALLOC_ARENA_MAX",
    "GLIBC_TUNABLES",
};

constexpr std::string_view kNever[] = {"NCCL_CONF_FILE", "NCCL_COMM_ID", "NCCL_HOSTID", "*TOKEN*",
                                       "*SECRET*",       "*PASSWORD*",   "*KEY*"};

bool any_matches(const auto& patterns, std::string_view name) {
  return std::any_of(std::begin(patterns), std::end(patterns), [&](auto p) { return glob_match(p, name); });
}

}  // namespace

nlohmann::ordered_json environment_provenance(const char* const* environment) {
  auto out = nlohmann::ordered_json::object();
  for (; environment && *environment; ++environment) {
    const std::string_view entry = *environment;
    const auto equals = entry.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = entry.substr(0, equals);
    if (any_matches(kAllowed, name) && !any_matches(kNever, name))
      out[std::string(name)] = std::string(entry.substr(equals + 1));
  }
  return out;
}

}  // namespace assay
