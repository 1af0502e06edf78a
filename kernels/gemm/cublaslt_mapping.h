// A row-major GEMM in the column-major words of BLAS.  CUDA-free.
#pragma once
#include <cstdint>

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

}  // namespace assay
