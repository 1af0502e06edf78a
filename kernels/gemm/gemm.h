// The contract of GEMM in the three forms LLM training uses.  Row-major storage, leading dimensions packed.
//
//   layout  pass     computes       a is stored        b is stored        d
//   tn      forward  D  = A * B     [m, k]             [n, k] (B^T)       [m, n] in the input's type
//   nn      dgrad    D  = A * B     [m, k]             [k, n]             [m, n] in the input's type
//   nt      wgrad    D += A * B     [k, m] (A^T)       [k, n]             [m, n] fp32, accumulated into
//
// The two letters are the operands' transposes in BLAS's column-major reading.  tf32 inputs give fp32 outputs.
// Products are accumulated in fp32 (or better).  FLOP = 2 m n k (one multiply and one add per product).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/common/kernel.h"

namespace assay {

enum class GemmLayout : std::uint8_t { tn, nn, nt };

constexpr const char* name(GemmLayout l) {
  return l == GemmLayout::tn ? "tn" : l == GemmLayout::nn ? "nn" : "nt";
}
/// False where no layout has that name.
bool parse_layout(std::string_view text, GemmLayout& out);

struct GemmProblem {
  std::int64_t m = 1, n = 1, k = 1;  // each at least 1
  GemmLayout layout = GemmLayout::tn;
  DType dtype = DType::f32;          // of a and b

  bool a_is_k_major() const { return layout != GemmLayout::nt; }  // k contiguous: a is [m, k]
  bool b_is_k_major() const { return layout == GemmLayout::tn; }  // k contiguous: b is [n, k]
  bool accumulates() const { return layout == GemmLayout::nt; }   // d += a * b
  DType output() const {
    return accumulates() || dtype == DType::tf32 ? DType::f32 : dtype;
  }
  std::int64_t a_index(std::int64_t i, std::int64_t p) const { return a_is_k_major() ? i * k + p : p * m + i; }
  std::int64_t b_index(std::int64_t p, std::int64_t j) const { return b_is_k_major() ? j * k + p : p * n + j; }
};

struct GemmBuffers {
  const void* a = nullptr;
  const void* b = nullptr;
  void* d = nullptr;
};

using GemmOperation = Operation<GemmBuffers>;
using GemmKernel = Kernel<GemmProblem, GemmBuffers>;

/// Every GEMM kernel of this build, ours first.
const std::vector<GemmKernel>& gemm_kernels();

/// One element of a * b in fp64, and what its error is measured against.
struct GemmElement {
  double value = 0;      // sum over p of a[i,p] * b[p,j]
  double magnitude = 0;  // sum over p of |a[i,p] * b[p,j]|
};
/// `a` and `b` are host arrays in the problem's type and layout.
GemmElement gemm_reference(const GemmProblem&, const void* a, const void* b, std::int64_t i, std::int64_t j);

}  // namespace assay
