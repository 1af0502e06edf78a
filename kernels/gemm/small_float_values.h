// The values of 8- and 4-bit elements, as a table over their bits.
#pragma once
#include <vector>

#include "kernels/common/dtype.h"

namespace assay {

/// Of e4m3 and e5m2 by byte, of e2m1 by half byte; exact.
const std::vector<float>& small_float_values(DType);

/// Elements `first`, `first + stride`, ... of an array; e2m1 where kHalfBytes.
template <bool kHalfBytes>
struct SmallFloatVector {
  const float* values;
  const std::uint8_t* bytes;
  std::int64_t first, stride;
  float operator[](std::int64_t i) const {
    const std::int64_t index = first + i * stride;
    return kHalfBytes ? values[bytes[index / 2] >> (index % 2 * 4) & 0xf] : values[bytes[index]];
  }
};

}  // namespace assay
