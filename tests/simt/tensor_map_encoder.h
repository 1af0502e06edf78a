// The driver's tensor-map encoder, for hosts without a driver: same signature, writes the emulator's map into the
// opaque 128 bytes, so the host code that prepares a launch is tested as it is.
#pragma once
#include <cuda.h>
#include "tests/simt/machine/tensor_map.h"
static_assert(sizeof(simt::TensorMap) <= sizeof(CUtensorMap));
inline CUresult encode_tensor_map(CUtensorMap* map, CUtensorMapDataType type, cuuint32_t rank, void* base,
                                  const cuuint64_t* dim, const cuuint64_t* stride, const cuuint32_t* box,
                                  const cuuint32_t* element_stride, CUtensorMapInterleave interleave,
                                  CUtensorMapSwizzle swizzle, CUtensorMapL2promotion, CUtensorMapFloatOOBfill fill) {
  static const uint32_t bytes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2};  // uint8 .. bfloat16, in the enum's order
  if (uint32_t(type) >= 10 || interleave != CU_TENSOR_MAP_INTERLEAVE_NONE ||
      fill != CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE || uintptr_t(map) % 64)
    return CUDA_ERROR_INVALID_VALUE;
  const simt::MapFormat format = type == CU_TENSOR_MAP_DATA_TYPE_FLOAT32    ? simt::MapFormat::F32
                                 : type == CU_TENSOR_MAP_DATA_TYPE_FLOAT16  ? simt::MapFormat::F16
                                 : type == CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 ? simt::MapFormat::Bf16
                                                                            : simt::MapFormat::Bits;
  for (uint32_t i = 0; i < rank; ++i)
    if (element_stride[i] != 1) return CUDA_ERROR_INVALID_VALUE;
  try {
    uint64_t d[5], s[5];
    uint32_t b[5];
    for (uint32_t i = 0; i < rank; ++i) d[i] = dim[i], b[i] = box[i], s[i] = i + 1 < rank ? stride[i] : 0;
    simt::TensorMap m = simt::encode_tiled(base, rank, bytes[type], d, s, b, simt::Swizzle(swizzle), format);
    std::memset((void*)map, 0, sizeof *map), std::memcpy((void*)map, &m, sizeof m);
    return CUDA_SUCCESS;
  } catch (const simt::Error&) {
    return CUDA_ERROR_INVALID_VALUE;
  }
}
