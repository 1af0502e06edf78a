// Three GEMMs: Ampere, Hopper, a Hopper cluster of two.
#include "tests/simt/kernels/gemm_test.h"

namespace simt::test {
namespace {

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

const Gemm kGemms[] = {{"gemm_sm80", "gemm_sm80", false, run_sm80},
                       {"gemm_sm90", "gemm_sm90", true, run_sm90<1>},
                       {"gemm_sm90_cluster", "gemm_sm90_cluster", true, run_sm90<2>}};

INSTANTIATE_TEST_SUITE_P(Kernels, GemmTest, all_cases(kGemms), test_name);

}  // namespace
}  // namespace simt::test
