// Tensor maps: the descriptors of bulk tensor copies (kernels/common/ptx/tma.cuh).  Host code; C++17.
//
// They are encoded by the driver, which is looked up at run time: nothing links to libcuda.  Launch plans take the
// encoder as an argument, so that tests without a driver bring their own.
#pragma once
#include <cuda.h>

#include <cstdint>
#include <initializer_list>

#include "kernels/common/dtype.h"

namespace assay {

/// The signature of cuTensorMapEncodeTiled.
using TensorMapEncoder = CUresult (*)(CUtensorMap*, CUtensorMapDataType, cuuint32_t rank, void* base,
                                      const cuuint64_t* extents, const cuuint64_t* strides, const cuuint32_t* box,
                                      const cuuint32_t* element_strides, CUtensorMapInterleave, CUtensorMapSwizzle,
                                      CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

/// This machine's driver's.  Throws std::runtime_error where there is no driver, or one before CUDA 12.0.
TensorMapEncoder driver_tensor_map_encoder();

/// One dimension of a tensor and of the box that a copy moves.
struct TensorMapDimension {
  std::int64_t extent;        // elements
  std::int64_t stride_bytes;  // between neighbours; a multiple of 16, not read for the first dimension
  int box;                    // elements, 1..256
};

/// `dimensions` begin with the contiguous one, whose box must fit `swizzle`'s width; `base` is 16-byte aligned.  Throws
/// std::runtime_error naming the extents where the encoder refuses.
CUtensorMap make_tensor_map(TensorMapEncoder, CUtensorMapDataType, const void* base,
                            std::initializer_list<TensorMapDimension> dimensions,
                            CUtensorMapSwizzle swizzle = CU_TENSOR_MAP_SWIZZLE_128B);

/// How tensor maps call `t`; 8-bit elements travel as bytes, tf32 as fp32 (copies change no bits).  Throws for e2m1,
/// of which two share a byte.
CUtensorMapDataType tensor_map_type(DType t);

}  // namespace assay
