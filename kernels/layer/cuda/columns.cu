// Compiled instances of the copies of columns, and their row in the table.
#include "kernels/layer/cuda/columns.cuh"

#include "kernels/layer/cuda/kernel_row.h"
#include "kernels/layer/cuda/kernels.h"

namespace assay {
namespace {
using namespace layer_cuda;

const NamedKernel<ColumnsParams> kInstances[] = {
    {"columns<assay::layer_cuda::SixteenBytes, true>", columns<SixteenBytes, true>},
    {"columns<assay::layer_cuda::SixteenBytes, false>", columns<SixteenBytes, false>},
    {"columns<assay::layer_cuda::FourBytes, true>", columns<FourBytes, true>},
    {"columns<assay::layer_cuda::FourBytes, false>", columns<FourBytes, false>},
    {"columns<assay::layer_cuda::TwoBytes, true>", columns<TwoBytes, true>},
    {"columns<assay::layer_cuda::TwoBytes, false>", columns<TwoBytes, false>},
};

}  // namespace

ColumnsKernel columns_cuda() {
  CudaLayerKernel<ColumnsProblem, ColumnsBuffers, ColumnsParams> kernel;
  kernel.plans = [](const ColumnsProblem& problem, const ColumnsBuffers& buffers, void*, const Target&) {
    return columns_plans(problem, buffers);
  };
  kernel.instances = {std::begin(kInstances), std::end(kInstances)};
  return cuda_layer_row<ColumnsProblem, ColumnsBuffers, ColumnsParams>(
      kernel, [](const ColumnsProblem& problem, const Target&) { return supports_columns_cuda(problem); });
}

}  // namespace assay
