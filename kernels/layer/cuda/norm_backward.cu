// Compiled instances of the norms' backward kernels.
#include "kernels/layer/cuda/norm_backward.cuh"

#include "kernels/layer/cuda/norm_instances.h"

namespace assay {
namespace {
using namespace layer_cuda;

const NamedKernel<NormParams> kInstances[] = {
#define ROW(E, V, T, M, R) {ASSAY_NORM_BACKWARD_NAME(E, V, T, M), norm_backward<E, V, T, M>},
    ASSAY_NORM_BACKWARD_INSTANCES(ROW)
#undef ROW
        ASSAY_NORM_ANY_INSTANCES(norm_backward_any)
            ASSAY_NORM_ANY_INSTANCES(norm_backward_partials_any){"norm_backward_sum", norm_backward_sum},
};

}  // namespace

void append_norm_backward_kernels(std::vector<NamedKernel<NormParams>>& instances) {
  instances.insert(instances.end(), std::begin(kInstances), std::end(kInstances));
}

}  // namespace assay
