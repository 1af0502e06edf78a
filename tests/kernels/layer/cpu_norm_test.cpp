// The norms' CPU kernels against their references: ragged sizes, thread counts, extreme values, NaN, in place,
// streamed.
#include <gtest/gtest.h>

#include <limits>

#include "kernels/layer/cpu/norm.h"
#include "tests/kernels/layer/instruction_sets.h"
#include "tests/kernels/layer/norm_fixture.h"

namespace assay {
namespace {

using test::launch, test::Ln, test::NormFixture, test::Rms;

template <class N>
class CpuNorm : public testing::Test {
 protected:
  using Problem = typename N::Problem;

  static Problem problem(std::int64_t tokens, std::int64_t hidden, DType dtype, bool residual = false) {
    Problem p{tokens, hidden, dtype};
    p.residual = residual;
    return p;
  }
  static std::string text(const Problem& p) {
    return fmt::format("{} x {} {}{}", p.tokens, p.hidden, name(p.dtype), p.residual ? " residual" : "");
  }
  static void check_both(const Problem& p, int threads) {
    NormFixture<N> fixture(p);
    EXPECT_EQ(fixture.forward_fault(threads), "") << text(p) << ", threads: " << threads;
    EXPECT_EQ(fixture.backward_fault(threads), "") << text(p) << ", threads: " << threads;
  }
};

using Norms = testing::Types<Rms, Ln>;
TYPED_TEST_SUITE(CpuNorm, Norms);

// One and both sides of every unit's end; fewer tokens than threads.
TYPED_TEST(CpuNorm, RaggedSizes) {
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const std::int64_t hidden : {1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 65, 127, 300})
      for (const std::int64_t tokens : {1, 2, 3, 5})
        this->check_both(this->problem(tokens, hidden, dtype, (hidden + tokens) % 2 == 0), tokens == 3 ? 2 : 1);
  this->check_both(this->problem(2, 64, DType::f32), 5);
}

TYPED_TEST(CpuNorm, WideRows) {
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const bool residual : {false, true}) this->check_both(this->problem(7, 8192, dtype, residual), 2);
}

TYPED_TEST(CpuNorm, EveryInstructionSetOfThisCpu) {
  test::on_every_instruction_set([this] {
    for (const DType dtype : {DType::f32, DType::bf16})
      for (const std::int64_t hidden : {37, 128}) this->check_both(this->problem(4, hidden, dtype, hidden == 37), 1);
  });
}

TYPED_TEST(CpuNorm, AccumulatesWhereAsked) {
  auto p = this->problem(6, 70, DType::bf16);
  p.accumulate = true;
  this->check_both(p, 2);
}

TYPED_TEST(CpuNorm, HugeTinyAndZeroRows) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    NormFixture<TypeParam> fixture(this->problem(5, 48, dtype));
    for (std::int64_t c = 0; c < 48; ++c) {
      fixture.x.set(c, 0);
      fixture.x.set(48 + c, fixture.x.at(48 + c) * 0x1p57);    // squares up to 2^119
      fixture.x.set(96 + c, fixture.x.at(96 + c) * 0x1p-30);   // epsilon is all there is
      fixture.x.set(144 + c, fixture.x.at(144 + c) * 0x1p-9);  // about as large as epsilon
      fixture.x.set(192 + c, 0x1p-70);                         // squares below what fp32 holds
    }
    EXPECT_EQ(fixture.forward_fault(1), "") << name(dtype);
    EXPECT_EQ(fixture.backward_fault(1), "") << name(dtype);
  }
}

// The difference of two means of squares would have no digit left.
TYPED_TEST(CpuNorm, LargeMeanSmallDeviation) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    NormFixture<TypeParam> fixture(this->problem(3, 2048, dtype));
    fixture.x.fill_normal(5, 1, 512);
    EXPECT_EQ(fixture.forward_fault(1), "") << name(dtype);
    EXPECT_EQ(fixture.backward_fault(1), "") << name(dtype);
  }
}

TYPED_TEST(CpuNorm, NanStaysInItsRow) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const DType dtype : {DType::f32, DType::bf16}) {
    NormFixture<TypeParam> fixture(this->problem(3, 37, dtype));
    fixture.x.set(37 + 36, nan);
    launch(TypeParam::kernel(), fixture.problem, fixture.buffers(), 1);
    for (std::int64_t i = 0; i < 3 * 37; ++i) EXPECT_EQ(std::isnan(fixture.y.at(i)), i / 37 == 1) << i;
    fixture.problem.pass = LayerPass::backward;
    launch(TypeParam::kernel(), fixture.problem, fixture.buffers(), 1);
    for (std::int64_t i = 0; i < 3 * 37; ++i) EXPECT_EQ(std::isnan(fixture.dx.at(i)), i / 37 == 1) << i;
    for (std::int64_t c = 0; c < 37; ++c) EXPECT_TRUE(std::isnan(fixture.dw.at(c))) << c;
  }
}

// What the memory of a statistic nobody wrote holds: a NaN whose bits rounding must not turn into a number.
TYPED_TEST(CpuNorm, NanOfAllOnesStaysOne) {
  NormFixture<TypeParam> fixture(this->problem(1, 64, DType::bf16));
  fixture.problem.pass = LayerPass::backward;  // rstd is poisoned
  launch(TypeParam::kernel(), fixture.problem, fixture.buffers(), 1);
  for (std::int64_t i = 0; i < 64; ++i) EXPECT_TRUE(std::isnan(fixture.dx.at(i))) << i;
}

TYPED_TEST(CpuNorm, InPlace) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    NormFixture<TypeParam> apart(this->problem(5, 100, dtype, true)), in_place(apart.problem);
    EXPECT_EQ(apart.forward_fault(2), "");
    EXPECT_EQ(apart.backward_fault(2), "");
    auto buffers = in_place.buffers();
    buffers.sum = in_place.residual.data(), buffers.y = in_place.x.data();
    launch(TypeParam::kernel(), in_place.problem, buffers, 2);
    EXPECT_EQ(in_place.residual.bytes(), apart.sum.bytes());
    EXPECT_EQ(in_place.x.bytes(), apart.y.bytes());
    in_place.problem.pass = LayerPass::backward;
    in_place.x.fill_normal(1);  // as the fixture's
    buffers.dx = in_place.dy.data();
    launch(TypeParam::kernel(), in_place.problem, buffers, 2);
    EXPECT_EQ(in_place.dy.bytes(), apart.dx.bytes());
    EXPECT_EQ(in_place.dw.bytes(), apart.dw.bytes());
  }
}

TYPED_TEST(CpuNorm, SameBitsEveryTime) {
  NormFixture<TypeParam> fixture(this->problem(33, 200, DType::f32));
  EXPECT_EQ(fixture.forward_fault(3), "");
  EXPECT_EQ(fixture.backward_fault(3), "");
  const auto dw = fixture.dw.bytes(), y = fixture.y.bytes();
  fixture.dw.poison(), fixture.y.poison();
  EXPECT_EQ(fixture.forward_fault(3), "");
  EXPECT_EQ(fixture.backward_fault(3), "");
  EXPECT_EQ(fixture.dw.bytes(), dw);
  EXPECT_EQ(fixture.y.bytes(), y);
}

// Large problems write past the caches: other instructions, the same bits.
TYPED_TEST(CpuNorm, StreamedAsStored) {
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const bool residual : {false, true}) {
      NormFixture<TypeParam> fixture(this->problem(5, 256, dtype, residual));
      EXPECT_EQ(fixture.forward_fault(1), "");
      EXPECT_EQ(fixture.backward_fault(1), "");
      const auto y = fixture.y.bytes(), sum = fixture.sum.bytes(), dx = fixture.dx.bytes();
      fixture.y.poison(), fixture.sum.poison(), fixture.dx.poison();
      std::vector<float> sums(2 * 256), kept(256);
      cpu::NormPart part;
      part.dtype = dtype, part.centred = TypeParam::kCentred, part.stream = true;
      part.tokens = 5, part.hidden = 256, part.epsilon = fixture.problem.epsilon;
      part.x = fixture.x.data(), part.weight = fixture.weight.data(), part.bias = fixture.bias.data();
      part.mean = static_cast<float*>(fixture.mean.data()), part.rstd = static_cast<float*>(fixture.rstd.data());
      if (residual) part.residual = fixture.residual.data(), part.sum = fixture.sum.data(), part.kept = kept.data();
      part.y = fixture.y.data(), part.dy = fixture.dy.data(), part.dx = fixture.dx.data();
      if (residual) part.d_sum = fixture.d_sum.data();
      part.dw = sums.data(), part.db = sums.data() + 256;
      cpu::norm_forward(part);
      cpu::norm_backward(part);
      EXPECT_EQ(fixture.y.bytes(), y);
      EXPECT_EQ(fixture.dx.bytes(), dx);
      if (residual) {
        EXPECT_EQ(fixture.sum.bytes(), sum);
      }
    }
}

}  // namespace
}  // namespace assay
