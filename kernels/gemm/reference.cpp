// GEMM's reference: one element in fp64.
#include <algorithm>
#include <cmath>

#include "kernels/gemm/gemm.h"
#include "kernels/gemm/gemm_scaling.h"
#include "kernels/gemm/small_float_values.h"

namespace assay {
namespace {

struct F32 {
  using Element = float;
  static double value(Element e) { return e; }
};
struct Bf16 {
  using Element = std::uint16_t;
  static double value(Element e) { return bf16_to_float(e); }
};
struct F16 {
  using Element = std::uint16_t;
  static double value(Element e) { return f16_to_float(e); }
};

/// The dot product of two vectors of `k` elements with the given strides.  A product of two numbers of at most 24 bits
/// is exact in fp64, and summing k of them errs by at most k * 2^-53 * magnitude: far below any kernel's fp32.
/// Four sums, so that one addition need not wait for the one before it.
template <class T>
GemmElement dot(const void* a, std::int64_t a_stride, const void* b, std::int64_t b_stride, std::int64_t k) {
  const auto* x = static_cast<const typename T::Element*>(a);
  const auto* y = static_cast<const typename T::Element*>(b);
  constexpr int kSums = 4;
  double value[kSums] = {}, magnitude[kSums] = {};
  const auto add = [&](std::int64_t p, int s) {
    const double product = T::value(x[p * a_stride]) * T::value(y[p * b_stride]);
    value[s] += product;
    magnitude[s] += std::abs(product);
  };
  std::int64_t p = 0;
  for (; p + kSums <= k; p += kSums)
    for (int s = 0; s < kSums; ++s) add(p + s, s);
  for (; p < k; ++p) add(p, 0);
  return {value[0] + value[1] + (value[2] + value[3]), magnitude[0] + magnitude[1] + (magnitude[2] + magnitude[3])};
}

/// Operands of 8 and 4 bits.  Their products are multiples of 2^-25 (the smallest e5m2 times the smallest e4m3) and
/// below 2^25, so that what shares a factor sums exactly in fp64 for 8 products and nearly so for more: each step errs
/// by at most 2^-53 of the sum.  Factors of at most 24 bits each round the product once more.
template <bool kHalfBytes>
GemmElement scaled_dot(const GemmProblem& problem, const GemmBuffers& host, std::int64_t i, std::int64_t j) {
  const SmallFloatVector<kHalfBytes> a{small_float_values(problem.a_dtype()).data(),
                                       static_cast<const std::uint8_t*>(host.a), problem.a_index(i, 0),
                                       problem.a_is_k_major() ? 1 : problem.m};
  const SmallFloatVector<kHalfBytes> b{small_float_values(problem.b_dtype()).data(),
                                       static_cast<const std::uint8_t*>(host.b), problem.b_index(0, j),
                                       problem.b_is_k_major() ? 1 : problem.n};
  const std::int64_t block = has_block_scales(problem.scaling) ? scale_block_k(problem.scaling) : problem.k;
  GemmElement sum;
  for (std::int64_t first = 0; first < problem.k; first += block) {
    double value = 0, magnitude = 0;
    for (std::int64_t p = first; p < std::min(first + block, problem.k); ++p) {
      const double product = double(a[p]) * b[p];
      value += product;
      magnitude += std::abs(product);
    }
    const double factor = a_scale(problem, host, i, first) * b_scale(problem, host, first, j);
    sum.value += factor * value;
    sum.magnitude += std::abs(factor) * magnitude;
  }
  return sum;
}

double block_factor(GemmScaling scaling, const void* factors, std::int64_t index) {
  switch (scaling) {
    case GemmScaling::block:
      return load_element(DType::f32, factors, index);
    case GemmScaling::mx:
      return e8m0_to_double(static_cast<const std::uint8_t*>(factors)[index]);
    case GemmScaling::nv:
      return load_element(DType::e4m3, factors, index);
    case GemmScaling::none:
    case GemmScaling::tensor:
      break;
  }
  return 1;
}

}  // namespace

double a_scale(const GemmProblem& problem, const GemmBuffers& host, std::int64_t row, std::int64_t p) {
  const double tensor = has_tensor_scale(problem.scaling) ? *host.a_tensor_scale : 1;
  if (!has_block_scales(problem.scaling)) return tensor;
  const std::int64_t index = a_scale_index(problem, row, p / scale_block_k(problem.scaling));
  return tensor * block_factor(problem.scaling, host.a_block_scales, index);
}

double b_scale(const GemmProblem& problem, const GemmBuffers& host, std::int64_t p, std::int64_t column) {
  const double tensor = has_tensor_scale(problem.scaling) ? *host.b_tensor_scale : 1;
  if (!has_block_scales(problem.scaling)) return tensor;
  const std::int64_t index = b_scale_index(problem, column, p / scale_block_k(problem.scaling));
  return tensor * block_factor(problem.scaling, host.b_block_scales, index);
}

GemmElement gemm_reference(const GemmProblem& problem, const GemmBuffers& host, std::int64_t i, std::int64_t j) {
  if (problem.dtype == DType::e2m1) return scaled_dot<true>(problem, host, i, j);
  if (info(problem.dtype).bits < 16) return scaled_dot<false>(problem, host, i, j);
  const auto bytes = static_cast<std::int64_t>(size_bytes(problem.dtype));
  const void* a_row = static_cast<const char*>(host.a) + problem.a_index(i, 0) * bytes;
  const void* b_column = static_cast<const char*>(host.b) + problem.b_index(0, j) * bytes;
  const std::int64_t a_stride = problem.a_is_k_major() ? 1 : problem.m;
  const std::int64_t b_stride = problem.b_is_k_major() ? 1 : problem.n;
  switch (problem.dtype) {
    case DType::f32:
    case DType::tf32:
      return dot<F32>(a_row, a_stride, b_column, b_stride, problem.k);
    case DType::bf16:
      return dot<Bf16>(a_row, a_stride, b_column, b_stride, problem.k);
    case DType::f16:
      return dot<F16>(a_row, a_stride, b_column, b_stride, problem.k);
    case DType::e4m3:
    case DType::e5m2:
    case DType::e2m1:
      break;
  }
  return {};
}

}  // namespace assay
