// What the CPU kernels of embedding, loss, optimizer and router share outside their vector loops.
#pragma once
#include <cstdint>

#include "kernels/common/dtype.h"
#include "kernels/layer/cpu/parts.h"

namespace assay::cpu {

inline float to_float(float x) { return x; }
inline float to_float(std::uint16_t bf16) { return bf16_to_float(bf16); }

/// Calls function(float*) or function(uint16_t*), the elements of an array of f32 or bf16.
template <class Function>
auto with_elements(DType dtype, const void* array, Function function) {
  return dtype == DType::bf16 ? function(static_cast<const std::uint16_t*>(array))
                              : function(static_cast<const float*>(array));
}
template <class Function>
auto with_elements(DType dtype, void* array, Function function) {
  return dtype == DType::bf16 ? function(static_cast<std::uint16_t*>(array)) : function(static_cast<float*>(array));
}

}  // namespace assay::cpu
