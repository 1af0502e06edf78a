// GEMM's reference: one element in fp64.
#include "kernels/gemm/gemm.h"

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

}  // namespace

GemmElement gemm_reference(const GemmProblem& problem, const void* a, const void* b, std::int64_t i, std::int64_t j) {
  const auto bytes = static_cast<std::int64_t>(size_bytes(problem.dtype));
  const void* a_row = static_cast<const char*>(a) + problem.a_index(i, 0) * bytes;
  const void* b_column = static_cast<const char*>(b) + problem.b_index(0, j) * bytes;
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
  }
  return {};
}

}  // namespace assay
