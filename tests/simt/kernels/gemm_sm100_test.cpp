// The two Blackwell GEMMs: one CTA to a tile, and a pair of CTAs.
#include "tests/simt/kernels/gemm_test.h"

namespace simt::test {
namespace {

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

const Gemm kGemms[] = {{"gemm_sm100", "gemm_sm100", true, run_sm100<1>},
                       {"gemm_sm100", "gemm_sm100_pair", true, run_sm100<2>}};

INSTANTIATE_TEST_SUITE_P(Kernels, GemmTest, all_cases(kGemms), test_name);

}  // namespace
}  // namespace simt::test
