// Ordinary CUDA kernels against the host.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/simt/simt.h"

namespace simt::test {
namespace {

class OrdinaryTest : public testing::Test {
 protected:
  OrdinaryTest() : module_(ptx_text(ASSAY_PTX_DIR, "ordinary")) { options_.heap = &heap_; }
  template <class... A>
  Stats run(const char* kernel, unsigned blocks, unsigned threads, A... arguments) {
    return launch(module_.kernel(kernel), {{blocks, 1, 1}, {threads, 1, 1}, 0, {}}, options_, arguments...);
  }
  std::vector<std::uint16_t> random_bf16(std::size_t n, unsigned seed) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal;
    std::vector<std::uint16_t> v(n);
    for (auto& x : v) x = f32_to_bf16(normal(generator));
    return v;
  }
  const ptx::Module module_;
  DeviceHeap heap_;
  Options options_;
};

TEST_F(OrdinaryTest, Softmax) {
  const int rows = 5, columns = 777;
  const auto in = random_bf16(std::size_t(rows * columns), 3);
  auto* out = heap_.poisoned<std::uint16_t>(in.size());
  run("softmax_rows", rows, 256, heap_.upload(in), out, columns);
  for (int r = 0; r < rows; ++r) {
    double sum = 0;
    for (int c = 0; c < columns; ++c) sum += std::exp(bf16_to_f32(in[std::size_t(r * columns + c)]));
    for (int c = 0; c < columns; ++c) {
      const double expected = std::exp(bf16_to_f32(in[std::size_t(r * columns + c)])) / sum;
      ASSERT_LE(std::abs(bf16_to_f32(out[r * columns + c]) - expected), expected / 200 + 1e-9);
    }
  }
}

int collatz_and_more(int in, int index) {
  auto v = unsigned(in);
  int steps = 0, histogram[4] = {};
  while (v != 1) {
    ++histogram[v & 3];
    v = v & 1 ? 3 * v + 1 : v >> 1;
    if (++steps > 500) break;
  }
  switch (in % 7) {
    case 0:
      return steps;
    case 1:
      return -steps;
    case 2:
      return histogram[in & 3];
    case 3:
      return __builtin_popcount(unsigned(in));
    case 4:
      return __builtin_clz(unsigned(in));
    case 5:
      return in / (index + 1);
    default:
      return in % (index + 3);
  }
}

TEST_F(OrdinaryTest, DivergentLoopsSwitchAndLocalArray) {
  const int n = 1000;
  std::mt19937 generator(1);
  std::vector<int> in(n);
  for (auto& x : in) x = int(1 + generator() % 100000);
  int* out = heap_.poisoned<int>(n);
  run("divergent", 8, 128, heap_.upload(in), out, n);
  for (int i = 0; i < n; ++i) ASSERT_EQ(out[i], collatz_and_more(in[std::size_t(i)], i)) << i;
}

TEST_F(OrdinaryTest, AtomicsInSharedAndGlobalMemory) {
  std::mt19937 generator(2);
  std::vector<std::uint32_t> in(5000);
  std::vector<unsigned> expected(64);
  for (auto& x : in) x = generator(), ++expected[x & 63];
  unsigned* bins = heap_.upload(std::vector<unsigned>(64));
  float* sum = heap_.upload(std::vector<float>(1));
  options_.cta_order = CtaOrder::Random, options_.global_races = true;
  run("histogram", 4, 256, heap_.upload(in), bins, sum, 5000);
  EXPECT_EQ(heap_.download(bins, 64), expected);
  EXPECT_EQ(*sum, 1024);
}

TEST_F(OrdinaryTest, PackedBf16) {
  const int n = 300;
  const auto a = random_bf16(2 * n, 5), b = random_bf16(2 * n, 6);
  auto* out = heap_.poisoned<std::uint16_t>(2 * n);
  run("bf16_fma2", 3, 128, heap_.upload(a), heap_.upload(b), out, n);
  for (std::size_t i = 0; i < 2 * n; ++i) {
    const double x = bf16_to_f32(a[i]), y = bf16_to_f32(b[i]);
    ASSERT_EQ(out[i], f64_to_bf16(x * y + std::max(x, y))) << i;
  }
}

TEST_F(OrdinaryTest, VectorsAndApproximateFunctions) {
  const int n = 200;
  std::mt19937 generator(4);
  std::vector<float> in(4 * n);
  for (auto& x : in) x = float(generator() % 1000) / 100 - 5;
  float *out = heap_.poisoned<float>(4 * n), *more = heap_.poisoned<float>(n);
  run("vec4", 2, 64, heap_.upload(in), out, more, n);
  const auto expect_near = [](double got, double want) {
    EXPECT_LE(std::abs(got - want), 1e-4 * (1 + std::abs(want)));
  };
  for (int i = 0; i < n; ++i) {
    const float *v = &in[std::size_t(4 * i)], *o = out + 4 * i;
    expect_near(o[0], std::sqrt(std::abs(v[0])));
    expect_near(o[1], 1 / std::sqrt(1 + v[1] * v[1]));
    expect_near(o[2], v[2] / (1 + std::abs(v[3])));
    expect_near(o[3], std::tanh(v[3]));
    expect_near(more[i], std::exp(v[0]) + std::log(1 + std::abs(v[1])) + std::floor(v[2]) + int(v[3]) + std::sin(v[0]));
  }
}

TEST_F(OrdinaryTest, NamedBarriersHandOver) {
  int* out = heap_.poisoned<int>(160);
  run("handoff", 1, 64, out, 5);
  for (int i = 0; i < 160; ++i) EXPECT_EQ(out[i], i / 32 * 100 + 31 - i % 32);
  EXPECT_THROW(run("handoff_racy", 1, 64, out, 5), Error);
}

TEST_F(OrdinaryTest, SyncwarpOrdersAWarp) {
  int* out = heap_.poisoned<int>(1024);
  EXPECT_EQ(run("transpose_syncwarp", 1, 32, out).bank_conflicts, 0u);
  for (int i = 0; i < 1024; ++i) EXPECT_EQ(out[i], i % 32 * 32 + i / 32);
  EXPECT_THROW(run("transpose_nosync", 1, 32, out), Error);
}

TEST_F(OrdinaryTest, HalfWarpShuffles) {
  int* out = heap_.poisoned<int>(32);
  run("half_warp_shuffle", 1, 32, out);
  for (int l = 0; l < 32; ++l) EXPECT_EQ(out[l], l < 16 ? 120 : 31);
}

TEST_F(OrdinaryTest, BankConflictsAreCounted) {
  EXPECT_EQ(run("bank_conflict", 1, 32, heap_.poisoned<int>(256)).bank_conflicts, 62u);  // 32-way, once each way
}

TEST_F(OrdinaryTest, CopiesOfEverySizeFillWithZeros) {
  std::vector<std::uint8_t> in(512);
  for (std::size_t i = 0; i < 512; ++i) in[i] = std::uint8_t(1 + i % 255);
  auto* out = heap_.poisoned<std::uint8_t>(1536);
  run("copy_sizes", 1, 32, heap_.upload(in), out);
  for (int size = 0; size < 3; ++size)
    for (int lane = 0; lane < 32; ++lane)
      for (int b = 0; b < 4 << size; ++b)
        EXPECT_EQ(out[(size * 32 + lane) * 16 + b], b < lane % ((4 << size) + 1) ? in[std::size_t(lane * 16 + b)] : 0);
}

TEST_F(OrdinaryTest, WarpReductions) {
  std::vector<int> in(32);
  int sum = 0, largest = in[0];
  unsigned positive = 0;
  for (int l = 0; l < 32; ++l) {
    in[std::size_t(l)] = (l * 37) % 23 - 11;
    sum += in[std::size_t(l)], largest = std::max(largest, in[std::size_t(l)]);
    positive |= unsigned(in[std::size_t(l)] > 0) << l;
  }
  int* out = heap_.poisoned<int>(128);
  run("warp_reductions", 1, 32, heap_.upload(in), out);
  for (int l = 0; l < 32; ++l) {
    unsigned same = 0;
    for (int k = 0; k < 32; ++k) same |= unsigned((in[std::size_t(k)] & 3) == (in[std::size_t(l)] & 3)) << k;
    EXPECT_EQ(out[l], sum);
    EXPECT_EQ(out[32 + l], largest);
    EXPECT_EQ(unsigned(out[64 + l]), same);
    EXPECT_EQ(unsigned(out[96 + l]), positive);
  }
}

}  // namespace
}  // namespace simt::test
