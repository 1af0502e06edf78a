// Compiled instances of the norms' forward kernels.
#include "kernels/layer/cuda/norm_forward.cuh"

#include "kernels/layer/cuda/norm_instances.h"

namespace assay {
namespace {
using namespace layer_cuda;

const NamedKernel<NormParams> kInstances[] = {
#define ROW(E, V, T, M, R) {ASSAY_NORM_FORWARD_NAME(E, V, T, M, R), norm_forward<E, V, T, M, R>},
    ASSAY_NORM_FORWARD_INSTANCES(ROW)
#undef ROW
        ASSAY_NORM_ANY_INSTANCES(norm_forward_any)};

}  // namespace

void append_norm_forward_kernels(std::vector<NamedKernel<NormParams>>& instances) {
  instances.insert(instances.end(), std::begin(kInstances), std::end(kInstances));
}

}  // namespace assay
