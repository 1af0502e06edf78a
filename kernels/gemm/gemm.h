// The contract of GEMM in the three forms LLM training uses.  Row-major storage, leading dimensions packed.
//
//   layout  pass     computes       a is stored        b is stored        d
//   tn      forward  D  = A * B     [m, k]             [n, k] (B^T)       [m, n]
//   nn      dgrad    D  = A * B     [m, k]             [k, n]             [m, n]
//   nt      wgrad    D += A * B     [k, m] (A^T)       [k, n]             [m, n] fp32, accumulated into
//
// The two letters are the operands' transposes in BLAS's column-major reading.  `accumulate` makes the other layouts
// add into an fp32 d too (8-bit wgrad is `tn` on transposed copies, because Hopper multiplies 8-bit operands k-major
// only).
//
//   dtype            a, b                     d where it is not accumulated into
//   f32, tf32        the same                 f32
//   bf16, f16        the same                 the same
//   e4m3             e4m3, e4m3               bf16
//   e5m2             e5m2 (a gradient), e4m3  bf16
//   e2m1             e2m1, e2m1               bf16
//
// 8- and 4-bit operands carry scale factors, see GemmScaling and gemm_scaling.h.  Products are accumulated in fp32 (or
// better; 8-bit products on Hopper in about 14 bits, see allowed errors).  FLOP = 2 m n k (a multiply and an add per
// product).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/common/kernel.h"

namespace assay {

enum class GemmLayout : std::uint8_t { tn, nn, nt };

constexpr const char* name(GemmLayout l) { return l == GemmLayout::tn ? "tn" : l == GemmLayout::nn ? "nn" : "nt"; }
/// False where no layout has that name.
bool parse_layout(std::string_view text, GemmLayout& out);

/// What a stored operand element is multiplied by.
enum class GemmScaling : std::uint8_t {
  none,    // 1
  tensor,  // one fp32 per operand
  block,   // fp32: a per 1 x 128 (row, along k), b per 128 x 128 (DeepSeek-V3's training recipe)
  mx,      // a power of two (e8m0) per 32 elements along k (MXFP8)
  nv,      // an e4m3 per 16 elements along k, times one fp32 per operand (NVFP4)
};

constexpr const char* name(GemmScaling s) {
  return s == GemmScaling::none     ? "none"
         : s == GemmScaling::tensor ? "tensor"
         : s == GemmScaling::block  ? "block"
         : s == GemmScaling::mx     ? "mx"
                                    : "nv";
}
bool parse_scaling(std::string_view text, GemmScaling& out);

struct GemmProblem {
  std::int64_t m = 1, n = 1, k = 1;  // each at least 1
  GemmLayout layout = GemmLayout::tn;
  DType dtype = DType::f32;
  GemmScaling scaling = GemmScaling::none;
  bool accumulate = false;  // into an fp32 d, whatever the layout
  bool prepacked = false;   // b is constant: kernels may arrange it beforehand, outside what is timed
  std::string config{};     // a kernel's own name of a tile configuration; empty: the kernel chooses

  DType a_dtype() const { return dtype; }
  DType b_dtype() const { return dtype == DType::e5m2 ? DType::e4m3 : dtype; }
  bool a_is_k_major() const { return layout != GemmLayout::nt; }               // k contiguous: a is [m, k]
  bool b_is_k_major() const { return layout == GemmLayout::tn; }               // k contiguous: b is [n, k]
  bool accumulates() const { return accumulate || layout == GemmLayout::nt; }  // d += a * b
  DType output() const {
    if (accumulates() || dtype == DType::tf32) return DType::f32;
    return info(dtype).bits < 16 ? DType::bf16 : dtype;
  }
  std::int64_t a_index(std::int64_t i, std::int64_t p) const { return a_is_k_major() ? i * k + p : p * m + i; }
  std::int64_t b_index(std::int64_t p, std::int64_t j) const { return b_is_k_major() ? j * k + p : p * n + j; }
};

struct GemmBuffers {
  const void* a = nullptr;
  const void* b = nullptr;
  void* d = nullptr;
  // Scale factors, on the device like a and b; null where the scaling has none of that kind.
  const float* a_tensor_scale = nullptr;  // one number (tensor, nv)
  const float* b_tensor_scale = nullptr;
  const void* a_block_scales = nullptr;  // laid out as gemm_scaling.h says (block, mx, nv)
  const void* b_block_scales = nullptr;
};

using GemmOperation = Operation<GemmBuffers>;
using GemmKernel = Kernel<GemmProblem, GemmBuffers>;

/// Every GEMM kernel of this build, ours first.
const std::vector<GemmKernel>& gemm_kernels();

/// One element of a * b in fp64, and what its error is measured against.
struct GemmElement {
  double value = 0;      // sum over p of a[i,p] * b[p,j], scaled
  double magnitude = 0;  // sum over p of |a[i,p] * b[p,j]|, scaled
};
/// `host` points to host arrays in the problem's types and layouts; its d is not read.
GemmElement gemm_reference(const GemmProblem&, const GemmBuffers& host, std::int64_t i, std::int64_t j);

}  // namespace assay
