// The workloads between a transformer layer's products: RMSNorm, LayerNorm, RoPE, SwiGLU, GELU, the skip connection's
// addition.
#pragma once
#include "harness/workloads/workload.h"
#include "kernels/layer/gelu.h"
#include "kernels/layer/layer_norm.h"
#include "kernels/layer/residual_add.h"
#include "kernels/layer/rms_norm.h"
#include "kernels/layer/rope.h"
#include "kernels/layer/swiglu.h"

namespace assay {

// Kernels must outlive what is returned.
WorkloadKind rms_norm_workload(const std::vector<RmsNormKernel>&);
WorkloadKind layer_norm_workload(const std::vector<LayerNormKernel>&);
WorkloadKind rope_workload(const std::vector<RopeKernel>&);
WorkloadKind swiglu_workload(const std::vector<SwigluKernel>&);
WorkloadKind gelu_workload(const std::vector<GeluKernel>&);
WorkloadKind residual_add_workload(const std::vector<ResidualAddKernel>&);

}  // namespace assay
