// Rows of a tensor in the problem's type from rows of fp32, and their dot products, vectorised by Highway.
#pragma once
#include <cstdint>

#include "kernels/common/dtype.h"

namespace assay::cpu {

/// to[r][c] = from[r][c] * factor, rounded once.
struct StoreRows {
  std::int64_t rows = 0, columns = 0;
  const float* from = nullptr;  // [rows][from_stride]
  std::int64_t from_stride = 0;
  const float* factors = nullptr;  // [rows]; null: `factor` for all
  float factor = 1;
  DType dtype = DType::f32;  // f32 or bf16
  void* to = nullptr;        // [rows][to_stride]
  std::int64_t to_stride = 0;
};
void store_rows(const StoreRows&);

/// dots[r] = sum_c x[r][c] y[r][c] in fp32, of rows `stride` elements apart.
struct DotRows {
  std::int64_t rows = 0, columns = 0;
  DType dtype = DType::f32;  // f32 or bf16
  const void* x = nullptr;
  const void* y = nullptr;
  std::int64_t stride = 0;
  float* dots = nullptr;
};
void dot_rows(const DotRows&);

}  // namespace assay::cpu
