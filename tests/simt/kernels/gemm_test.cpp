// Four GEMMs (Ampere, Hopper, a Hopper cluster of two, Blackwell) under every asynchrony policy, edge tiles included.
#include <gtest/gtest.h>

#include "tests/simt/kernels/reference.h"

namespace simt::test {
namespace {

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

unsigned tiles(int size, int tile) { return unsigned((size + tile - 1) / tile); }

Stats run_sm80(const ptx::Kernel& kernel, const Options& o, Shape s, std::uint16_t* a, std::uint16_t* b,
               std::uint16_t* c) {
  return launch(kernel, {{tiles(s.N, 128), tiles(s.M, 128), 1}, {128, 1, 1}, 3 * 16384, {}}, o, a, b, c, s.M, s.N, s.K);
}

template <unsigned kCluster>
Stats run_sm90(const ptx::Kernel& kernel, const Options& o, Shape s, std::uint16_t* a, std::uint16_t* b,
               std::uint16_t* c) {
  const auto map_a = tensor_map_2d(a, s.M, s.K, 64, 128), map_b = tensor_map_2d(b, s.N, s.K, 64, 256 / kCluster),
             map_c = tensor_map_2d(c, s.M, s.N, 64, 64);
  const unsigned work = tiles(s.M, 128 * kCluster) * tiles(s.N, 256);
  const unsigned clusters = std::min(3u, work);  // fewer than tiles: the persistent loop goes round
  return launch(kernel, {{kCluster * clusters, 1, 1}, {384, 1, 1}, 229376 + 64, {kCluster, 1, 1}}, o, map_a, map_b,
                map_c, s.M, s.N, s.K);
}

template <unsigned kCtas>
Stats run_sm100(const ptx::Kernel& kernel, const Options& o, Shape s, std::uint16_t* a, std::uint16_t* b,
                std::uint16_t* c) {
  const auto map_a = tensor_map_2d(a, s.M, s.K, 64, 128), map_b = tensor_map_2d(b, s.N, s.K, 64, 256 / kCtas),
             map_c = tensor_map_2d(c, s.M, s.N, 64, 32);
  const unsigned clusters = std::min(2u, tiles(s.M, 128 * kCtas) * tiles(s.N, 256));
  const unsigned stage = (128 + 256 / kCtas) * 64 * 2;
  return launch(kernel, {{kCtas * clusters, 1, 1}, {192, 1, 1}, 3 * stage + 4 * 2 * 4096 + 96, {kCtas, 1, 1}}, o, map_a,
                map_b, map_c, s.M, s.N, s.K);
}

const Gemm kGemms[] = {{"gemm_sm80", "gemm_sm80", false, run_sm80},
                       {"gemm_sm90", "gemm_sm90", true, run_sm90<1>},
                       {"gemm_sm90_cluster", "gemm_sm90_cluster", true, run_sm90<2>},
                       {"gemm_sm100", "gemm_sm100", true, run_sm100<1>},
                       {"gemm_sm100", "gemm_sm100_pair", true, run_sm100<2>}};

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

std::string test_name(const testing::TestParamInfo<GemmTest::ParamType>& info) {
  const auto& [gemm, async, s] = info.param;
  return format("%s_%s_%dx%dx%d", gemm.kernel, policy_name(async).c_str(), s.M, s.N, s.K);
}

// The second shape has a remainder in every dimension; the fourth is smaller than one tile.
INSTANTIATE_TEST_SUITE_P(Kernels, GemmTest,
                         testing::Combine(testing::ValuesIn(kGemms),
                                          testing::Values(Async::Lazy, Async::Eager, Async::Random),
                                          testing::Values(Shape{256, 512, 256}, Shape{200, 264, 168},
                                                          Shape{264, 520, 456}, Shape{1, 8, 64})),
                         test_name);

}  // namespace
}  // namespace simt::test
