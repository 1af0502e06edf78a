// What the layer's CPU kernels share outside their vector loops.
#pragma once
#include <algorithm>
#include <cstdint>

#include "kernels/common/dtype.h"
#include "kernels/common/kernel.h"

namespace assay::cpu {

inline float to_float(float x) { return x; }
inline float to_float(std::uint16_t bf16) { return bf16_to_float(bf16); }

/// Outputs of a launch that leave the caches before anyone reads them are stored past them: half of a core complex's
/// last level (32 MiB on EPYC).
inline constexpr double kStreamedBytes = 16 << 20;

/// Part `thread` of `threads` of `count` things, in whole units but for the end.
struct Part {
  std::int64_t begin, end;
};
inline Part part_of(std::int64_t count, std::int64_t unit, int threads, int thread) {
  const std::int64_t units = (count + unit - 1) / unit;
  return {std::min(units * thread / threads * unit, count), std::min(units * (thread + 1) / threads * unit, count)};
}

inline int threads_of(const Target& target) { return std::max(target.threads, 1); }

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
