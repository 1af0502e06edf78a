// A row-major GEMM in the column-major words of BLAS.  CUDA-free.
#pragma once
#include <cstdint>
#include <string>

#include "kernels/gemm/gemm.h"

namespace assay {

/// How cuBLASLt, which thinks in columns, is told a row-major problem: it computes the transpose of d,
/// d^T [n, m] = b^T [n, k] * a^T [k, m], so its first operand is our b.
struct CublasLtMapping {
  struct Matrix {
    std::int64_t rows, columns, leading_dimension;  // as stored, read by columns
    bool transposed;
  };
  Matrix first, second, result;
};

inline CublasLtMapping cublaslt_mapping(const GemmProblem& p) {
  const auto stored = [](std::int64_t rows, std::int64_t columns, bool transposed) {
    return CublasLtMapping::Matrix{rows, columns, rows, transposed};  // packed
  };
  CublasLtMapping mapping;
  mapping.first = p.b_is_k_major() ? stored(p.k, p.n, true) : stored(p.n, p.k, false);
  mapping.second = p.a_is_k_major() ? stored(p.k, p.m, false) : stored(p.m, p.k, true);
  mapping.result = stored(p.n, p.m, false);
  return mapping;
}

/// How cuBLASLt is told what an operand's factors are (its cublasLtMatmulMatrixScale_t).
enum class CublasLtScale : std::uint8_t {
  none,
  scalar_f32,
  vector_128_f32,
  block_128x128_f32,
  vector_32_e8m0,
  vector_16_e4m3
};

/// Of its first operand, our b, and of its second, our a.
struct CublasLtScales {
  CublasLtScale first = CublasLtScale::none, second = CublasLtScale::none;
  const void* first_factors = nullptr;
  const void* second_factors = nullptr;
  /// NVFP4's two factors of whole operands have no place of their own: their product goes into alpha.
  bool tensor_scales_in_alpha = false;
};

inline CublasLtScales cublaslt_scales(GemmScaling scaling, const GemmBuffers& buffers) {
  switch (scaling) {
    case GemmScaling::none:
      return {};
    case GemmScaling::tensor:
      return {CublasLtScale::scalar_f32, CublasLtScale::scalar_f32, buffers.b_tensor_scale, buffers.a_tensor_scale};
    case GemmScaling::block:
      return {CublasLtScale::block_128x128_f32, CublasLtScale::vector_128_f32, buffers.b_block_scales,
              buffers.a_block_scales};
    case GemmScaling::mx:
      return {CublasLtScale::vector_32_e8m0, CublasLtScale::vector_32_e8m0, buffers.b_block_scales,
              buffers.a_block_scales};
    case GemmScaling::nv:
      return {CublasLtScale::vector_16_e4m3, CublasLtScale::vector_16_e4m3, buffers.b_block_scales,
              buffers.a_block_scales, true};
  }
  return {};
}

/// Empty where the library's documentation (cublasLtMatmul(), "Narrow Precision Data Types Usage") admits operands of
/// fewer than 16 bits in this layout and with these factors.  Whether extents are aligned it says itself when asked.
inline std::string reason_cublaslt_unfit(const GemmProblem& p, int compute_capability) {
  const int bits = info(p.dtype).bits;
  const bool any_layout = bits == 8 && compute_capability >= 100 && compute_capability < 120;
  if (bits < 16 && !any_layout && p.layout != GemmLayout::tn)
    return "cuBLASLt multiplies " + std::to_string(bits) + "-bit operands in layout tn alone on this GPU";
  if (p.scaling != GemmScaling::block) return {};
  if (compute_capability != 90) return "cuBLASLt has scaling block on compute capability 9.0 alone";
  if (p.m % 4 != 0 || p.n % 4 != 0) return "cuBLASLt's scaling block needs m and n to be multiples of 4";
  return {};
}

}  // namespace assay
