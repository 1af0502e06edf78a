// The CPU rows of the layer's kernel tables, each where it is implemented.
#pragma once
#include "kernels/layer/gelu.h"
#include "kernels/layer/layer_norm.h"
#include "kernels/layer/residual_add.h"
#include "kernels/layer/rms_norm.h"
#include "kernels/layer/rope.h"
#include "kernels/layer/swiglu.h"

namespace assay {

RmsNormKernel cpu_vector_rms_norm();
LayerNormKernel cpu_vector_layer_norm();
RopeKernel cpu_vector_rope();
SwigluKernel cpu_vector_swiglu();
GeluKernel cpu_vector_gelu();
ResidualAddKernel cpu_vector_residual_add();

}  // namespace assay
