// Random bf16 operands and double-precision results to compare kernels with.
#pragma once
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/simt/simt.h"

namespace simt::test {

using Matrix = std::vector<std::uint16_t>;  // bf16 bits, row-major

inline Matrix random_matrix(std::size_t n, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  Matrix m(n);
  for (auto& x : m) x = f32_to_bf16(normal(generator));
  return m;
}

/// A[M][K] times B, where B is [N][K] if `b_is_nk`, else [K][N].
inline std::vector<double> gemm_reference(const Matrix& a, const Matrix& b, int M, int N, int K, bool b_is_nk) {
  std::vector<double> c(std::size_t(M) * N);
  for (int m = 0; m < M; ++m)
    for (int n = 0; n < N; ++n) {
      double sum = 0;
      for (int k = 0; k < K; ++k)
        sum += double(bf16_to_f32(a[std::size_t(m) * K + k])) *
               bf16_to_f32(b_is_nk ? b[std::size_t(n) * K + k] : b[std::size_t(k) * N + n]);
      c[std::size_t(m) * N + n] = sum;
    }
  return c;
}

/// Empty where every element is within one bf16 rounding plus fp32 accumulation of the reference.
inline std::string gemm_mismatch(const Matrix& c, const std::vector<double>& expected, int N, int K) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double got = bf16_to_f32(c[i]), allowed = std::abs(expected[i]) / 256 + 1e-6 * K;
    if (!(std::abs(got - expected[i]) <= allowed))
      return format("wrong result at (%zu, %zu): %g, expected %g", i / N, i % N, got, expected[i]);
  }
  return {};
}

inline std::string policy_name(Async a) { return a == Async::Eager ? "eager" : a == Async::Lazy ? "lazy" : "random"; }

/// Random also shuffles the order of warps.
inline Options options_for(Async a, const DeviceHeap& heap) {
  Options o;
  o.async = a, o.heap = &heap, o.shuffle_schedule = a == Async::Random, o.seed = 7;
  return o;
}

inline TensorMap tensor_map_2d(std::uint16_t* p, int rows, int columns, std::uint32_t box_columns,
                               std::uint32_t box_rows) {
  const std::uint64_t dim[2] = {std::uint64_t(columns), std::uint64_t(rows)}, stride[1] = {std::uint64_t(columns) * 2};
  const std::uint32_t box[2] = {box_columns, box_rows};
  return encode_tiled(p, 2, 2, dim, stride, box, Swizzle::B128);
}

}  // namespace simt::test
