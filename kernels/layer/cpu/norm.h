// Some rows of RMSNorm and LayerNorm, on one thread.
#pragma once
#include <cstdint>

#include "kernels/layer/layer.h"

namespace assay::cpu {

inline constexpr std::int64_t kMaxUnit = 32;  // elements of a unit of the widest vectors

/// What both norms and passes need; pointers at the part's first token.
struct NormPart {
  DType dtype = DType::f32;
  bool centred = false;  // LayerNorm: the mean is taken off
  bool stream = false;   // outputs go past the caches: every row of theirs begins on kVectorBytes
  std::int64_t tokens = 0, hidden = 0;
  float epsilon = 0;
  const void* x = nullptr;
  const void* weight = nullptr;
  float* mean = nullptr;  // with `centred`
  float* rstd = nullptr;
  // forward
  const void* residual = nullptr;  // null: none
  const void* bias = nullptr;      // with `centred`
  void* sum = nullptr;             // with residual
  void* y = nullptr;
  void* kept = nullptr;          // with residual: two rows of sums that stay in caches,
  std::int64_t kept_stride = 0;  // so many elements apart
  // backward
  const void* dy = nullptr;
  const void* d_sum = nullptr;  // null: none
  void* dx = nullptr;
  float* dw = nullptr;  // this part's sums: hidden rounded up to kMaxUnit, in the units' order
  float* db = nullptr;  // with `centred`
};

void norm_forward(const NormPart&);
void norm_backward(const NormPart&);  // adds to dw and db

/// Column `begin` .. `end` - 1 of a gradient: the parts' sums, in the order of the parts, `stride` apart, into or onto
/// `out`.
struct NormSums {
  DType dtype = DType::f32;  // of the data, which decides the units' order
  const float* sums = nullptr;
  std::int64_t stride = 0;
  int parts = 0;
  bool accumulate = false;
  float* out = nullptr;
};
void norm_sums(const NormSums&, std::int64_t begin, std::int64_t end);

}  // namespace assay::cpu
