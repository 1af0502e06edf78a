// The workloads of this build.  Adding one: a file in this folder and a line here.
#include "harness/workloads/attention.h"
#include "harness/workloads/collectives.h"
#include "harness/workloads/gemm.h"
#include "harness/workloads/grouped_gemm.h"
#include "harness/workloads/layer.h"
#include "harness/workloads/layer_tokens.h"
#include "harness/workloads/overlap.h"
#include "harness/workloads/peak.h"
#include "harness/workloads/train_step.h"
#include "harness/workloads/workload.h"

namespace assay {

const Catalog& catalog() {
  static const WorkloadKind gemm = gemm_workload(gemm_kernels());
  static const WorkloadKind all_reduce = collective_workload(Collective::all_reduce, collective_kernels());
  static const Catalog workloads = {
      gemm,
      grouped_gemm_workload(grouped_gemm_kernels()),
      attention_workload(attention_kernels()),
      all_reduce,
      collective_workload(Collective::all_gather, collective_kernels()),
      collective_workload(Collective::reduce_scatter, collective_kernels()),
      collective_workload(Collective::broadcast, collective_kernels()),
      collective_workload(Collective::all_to_all, collective_kernels()),
      collective_workload(Collective::send_recv, collective_kernels()),
      overlap_workload(gemm, all_reduce),
      rms_norm_workload(rms_norm_kernels()),
      layer_norm_workload(layer_norm_kernels()),
      rope_workload(rope_kernels()),
      swiglu_workload(swiglu_kernels()),
      gelu_workload(gelu_kernels()),
      residual_add_workload(residual_add_kernels()),
      embedding_workload(embedding_kernels()),
      cross_entropy_workload(cross_entropy_kernels()),
      adamw_workload(adamw_kernels()),
      grad_norm_workload(grad_norm_kernels()),
      router_workload(router_kernels()),
      permute_workload(permute_kernels()),
      peak_workload(peak_kernels()),
      train_step_workload(step_kernels()),
  };
  return workloads;
}

}  // namespace assay
