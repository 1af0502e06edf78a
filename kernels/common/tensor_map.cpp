#include "kernels/common/tensor_map.h"

#include <cuda_runtime_api.h>

#include <stdexcept>
#include <string>

#include "kernels/common/cuda_check.h"

namespace assay {

TensorMapEncoder driver_tensor_map_encoder() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
#if CUDART_VERSION >= 12050
  ASSAY_CHECK_CUDA(
      cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault, &found));
#else
  ASSAY_CHECK_CUDA(cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &function, cudaEnableDefault, &found));
#endif
  if (!function || found != cudaDriverEntryPointSuccess)
    throw std::runtime_error("the driver has no cuTensorMapEncodeTiled (it came with CUDA 12.0)");
  return reinterpret_cast<TensorMapEncoder>(function);
}

CUtensorMap make_tensor_map(TensorMapEncoder encode, CUtensorMapDataType type, const void* base,
                            std::initializer_list<TensorMapDimension> dimensions, CUtensorMapSwizzle swizzle) {
  cuuint64_t extents[5] = {}, strides[5] = {};
  cuuint32_t boxes[5] = {}, element_strides[5] = {1, 1, 1, 1, 1};
  cuuint32_t rank = 0;
  std::string text;
  for (const TensorMapDimension& d : dimensions) {
    if (rank == 5) throw std::runtime_error("a tensor map has at most five dimensions");
    extents[rank] = static_cast<cuuint64_t>(d.extent);
    boxes[rank] = static_cast<cuuint32_t>(d.box);
    if (rank > 0) strides[rank - 1] = static_cast<cuuint64_t>(d.stride_bytes);
    text += (rank ? " x " : "") + std::to_string(d.extent) + " (box " + std::to_string(d.box) + ")";
    ++rank;
  }
  CUtensorMap map;
  const CUresult result = encode(&map, type, rank, const_cast<void*>(base), extents, strides, boxes, element_strides,
                                 CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                                 CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS)
    throw std::runtime_error("cuTensorMapEncodeTiled refuses " + text + ": error " + std::to_string(result));
  return map;
}

CUtensorMapDataType tensor_map_type(DType t) {
  switch (t) {
    case DType::f32:
    case DType::tf32:
      return CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
    case DType::bf16:
      return CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
    case DType::f16:
      return CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
    case DType::e4m3:
    case DType::e5m2:
      return CU_TENSOR_MAP_DATA_TYPE_UINT8;
    case DType::e2m1:
      break;
  }
  throw std::runtime_error(std::string("tensor maps have no type for ") + name(t));
}

}  // namespace assay
