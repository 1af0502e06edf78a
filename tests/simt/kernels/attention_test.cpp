// Two Hopper attention kernels under every asynchrony policy; sequences that fill no tile, causal and not.
#include <gtest/gtest.h>

#include "tests/simt/kernels/reference.h"

namespace simt::test {
namespace {

constexpr int kHeadDim = 128;

struct Shape {
  int heads, queries, keys;
  bool causal;
};

// q, k, v, result: [heads][sequence][kHeadDim]
std::vector<double> attention_reference(const Matrix& q, const Matrix& k, const Matrix& v, Shape s) {
  std::vector<double> o(std::size_t(s.heads) * s.queries * kHeadDim), p(s.keys);
  for (int h = 0; h < s.heads; ++h)
    for (int i = 0; i < s.queries; ++i) {
      const int n = s.causal ? std::min(s.keys, i + 1 + s.keys - s.queries) : s.keys;
      const std::size_t row = (std::size_t(h) * s.queries + i) * kHeadDim, first_key = std::size_t(h) * s.keys;
      double largest = -1e300, sum = 0;
      for (int j = 0; j < n; ++j) {
        p[j] = 0;
        for (int d = 0; d < kHeadDim; ++d)
          p[j] += double(bf16_to_f32(q[row + d])) * bf16_to_f32(k[(first_key + j) * kHeadDim + d]);
        p[j] /= std::sqrt(double(kHeadDim)), largest = std::max(largest, p[j]);
      }
      for (int j = 0; j < n; ++j) sum += p[j] = std::exp(p[j] - largest);
      for (int j = 0; j < n; ++j)
        for (int d = 0; d < kHeadDim; ++d) o[row + d] += p[j] / sum * bf16_to_f32(v[(first_key + j) * kHeadDim + d]);
    }
  return o;
}

TensorMap map_3d(std::uint16_t* p, int heads, int rows) {
  const std::uint64_t dim[3] = {kHeadDim, std::uint64_t(rows), std::uint64_t(heads)},
                      stride[2] = {kHeadDim * 2, std::uint64_t(rows) * kHeadDim * 2};
  const std::uint32_t box[3] = {64, 128, 1};  // 64 bf16 = the 128-byte swizzle span
  return encode_tiled(p, 3, 2, dim, stride, box, Swizzle::B128);
}

class AttentionTest : public testing::TestWithParam<std::tuple<const char*, Async, Shape>> {};

TEST_P(AttentionTest, EqualsDoublePrecision) {
  const auto& [kernel, async, s] = GetParam();
  const ptx::Module module(ptx_text(ASSAY_PTX_DIR, kernel));
  DeviceHeap heap;
  const std::size_t q_size = std::size_t(s.heads) * s.queries * kHeadDim,
                    k_size = std::size_t(s.heads) * s.keys * kHeadDim;
  const Matrix Q = random_matrix(q_size, 1), K = random_matrix(k_size, 2), V = random_matrix(k_size, 3);
  auto* o = heap.poisoned<std::uint16_t>(q_size);
  const float scale_log2 = float(1.4426950408889634 / std::sqrt(double(kHeadDim)));  // exp(x) = 2^(x log2 e)
  const Stats stats = launch(
      module.kernel(kernel),
      {{unsigned((s.queries + 127) / 128), unsigned(s.heads), 1}, {384, 1, 1}, 32768 + 4 * 32768 + 64, {}},
      options_for(async, heap), map_3d(heap.upload(Q), s.heads, s.queries), map_3d(heap.upload(K), s.heads, s.keys),
      map_3d(heap.upload(V), s.heads, s.keys), o, s.queries, s.keys, scale_log2, s.causal);
  EXPECT_EQ(stats.bank_conflicts, 0u) << "bank conflicts";
  const auto expected = attention_reference(Q, K, V, s);
  for (std::size_t i = 0; i < q_size; ++i)  // P is rounded to bf16 before the second product
    ASSERT_LE(std::abs(bf16_to_f32(o[i]) - expected[i]), 0.02 * std::abs(expected[i]) + 0.01)
        << "wrong result at " << i;
}

std::string test_name(const testing::TestParamInfo<AttentionTest::ParamType>& info) {
  const auto& [kernel, async, s] = info.param;
  return format("%s_%s_%dx%dx%d%s", kernel, policy_name(async).c_str(), s.heads, s.queries, s.keys,
                s.causal ? "_causal" : "");
}

INSTANTIATE_TEST_SUITE_P(Kernels, AttentionTest,
                         testing::Combine(testing::Values("attention_sm90", "attention_sm90_overlap"),
                                          testing::Values(Async::Lazy, Async::Eager, Async::Random),
                                          testing::Values(Shape{1, 128, 128, false}, Shape{2, 200, 333, false},
                                                          Shape{2, 200, 333, true}, Shape{1, 256, 512, true})),
                         test_name);

}  // namespace
}  // namespace simt::test
