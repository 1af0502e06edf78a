// GEMM kernels on the functional GPU, compared with double precision.
#pragma once
#include <gtest/gtest.h>

#include "tests/simt/kernels/reference.h"

namespace simt::test {

struct Shape {
  int M, N, K;
};

struct Gemm {
  const char* ptx;
  const char* kernel;
  bool b_is_nk;
  /// Runs C = A B on the functional GPU.
  Stats (*run)(const ptx::Kernel&, const Options&, Shape, std::uint16_t* a, std::uint16_t* b, std::uint16_t* c);
};

inline unsigned tiles(int size, int tile) { return unsigned((size + tile - 1) / tile); }

class GemmTest : public testing::TestWithParam<std::tuple<Gemm, Async, Shape>> {};

TEST_P(GemmTest, EqualsDoublePrecision) {
  const auto& [gemm, async, s] = GetParam();
  const ptx::Module module(ptx_text(ASSAY_PTX_DIR, gemm.ptx));
  DeviceHeap heap;
  const Matrix A = random_matrix(std::size_t(s.M) * s.K, 1), B = random_matrix(std::size_t(s.K) * s.N, 2);
  auto *a = heap.upload(A), *b = heap.upload(B), *c = heap.poisoned<std::uint16_t>(std::size_t(s.M) * s.N);
  const Stats stats = gemm.run(module.kernel(gemm.kernel), options_for(async, heap), s, a, b, c);
  EXPECT_EQ(gemm_mismatch(heap.download(c, std::size_t(s.M) * s.N), gemm_reference(A, B, s.M, s.N, s.K, gemm.b_is_nk),
                          s.N, s.K),
            "");
  EXPECT_EQ(stats.bank_conflicts, 0u) << "bank conflicts";
}

inline std::string test_name(const testing::TestParamInfo<GemmTest::ParamType>& info) {
  const auto& [gemm, async, s] = info.param;
  return format("%s_%s_%dx%dx%d", gemm.kernel, policy_name(async).c_str(), s.M, s.N, s.K);
}

/// Every asynchrony policy; the second shape has a remainder in every dimension, the fourth is smaller than one tile.
template <std::size_t kCount>
auto all_cases(const Gemm (&gemms)[kCount]) {
  return testing::Combine(
      testing::ValuesIn(gemms), testing::Values(Async::Lazy, Async::Eager, Async::Random),
      testing::Values(Shape{256, 512, 256}, Shape{200, 264, 168}, Shape{264, 520, 456}, Shape{1, 8, 64}));
}

}  // namespace simt::test
