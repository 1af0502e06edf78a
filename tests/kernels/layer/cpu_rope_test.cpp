// The CPU kernel of RoPE against its reference: ragged sizes, positions given, NaN, in place, streamed.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/layer/cpu/rotate.h"
#include "kernels/layer/rope.h"
#include "tests/kernels/layer/instruction_sets.h"
#include "tests/kernels/layer/layer_check.h"

namespace assay {
namespace {

using test::GuardedArray, test::launch, test::row_fault;

struct RopeFixture {
  explicit RopeFixture(const RopeProblem& p)
      : problem(p),
        x(p.dtype, p.elements()),
        y(p.dtype, p.elements()),
        cos(DType::f32, p.table_elements()),
        sin(DType::f32, p.table_elements()) {
    x.fill_normal(1);
    fill_rope_tables(p, 10000, static_cast<float*>(cos.data()), static_cast<float*>(sin.data()));
  }
  RopeBuffers buffers() {
    RopeBuffers b;
    b.x = b.dy = x.data(), b.y = b.dx = y.data(), b.position_ids = ids.empty() ? nullptr : ids.data();
    b.cos = static_cast<const float*>(cos.data()), b.sin = static_cast<const float*>(sin.data());
    return b;
  }
  std::string fault(LayerPass pass, int threads) {
    problem.pass = pass;
    y.poison();
    launch(rope_kernels().front(), problem, buffers(), threads);
    for (std::int64_t t = 0; t < problem.tokens; ++t)
      for (std::int64_t h = 0; h < problem.heads; ++h) {
        const std::int64_t first = (t * problem.heads + h) * problem.head_dim;
        if (std::string f = row_fault("y", y, first, rope_reference(problem, buffers(), t, h)); !f.empty()) return f;
      }
    return {};
  }
  RopeProblem problem;
  GuardedArray x, y, cos, sin;
  std::vector<std::int32_t> ids;
};

TEST(CpuRope, RaggedSizesOnEveryInstructionSet) {
  test::on_every_instruction_set([] {
    for (const DType dtype : {DType::f32, DType::bf16})
      for (const std::int64_t head_dim : {2, 6, 32, 64, 66, 128, 130})
        for (const LayerPass pass : {LayerPass::forward, LayerPass::backward})
          EXPECT_EQ(RopeFixture({7, 3, head_dim, 4, dtype}).fault(pass, 2), "") << name(dtype) << " " << head_dim;
  });
}

TEST(CpuRope, PositionsGiven) {
  RopeFixture fixture({5, 2, 64, 9, DType::bf16});
  fixture.ids = {8, 0, 3, 3, 1};
  EXPECT_EQ(fixture.fault(LayerPass::forward, 2), "");
  EXPECT_EQ(fixture.fault(LayerPass::backward, 1), "");
}

// Angles that are no numbers: with a payload that rounding must not carry into the sign.
TEST(CpuRope, NanOfATableStaysWhereItIs) {
  test::on_every_instruction_set([] {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      RopeFixture fixture({1, 2, 128, 1, dtype});
      const std::uint32_t bits = 0x7fffffff;
      std::memcpy(static_cast<float*>(fixture.cos.data()) + 40, &bits, sizeof bits);
      launch(rope_kernels().front(), fixture.problem, fixture.buffers(), 1);
      for (std::int64_t i = 0; i < 256; ++i) EXPECT_EQ(std::isnan(fixture.y.at(i)), i % 64 == 40) << i;
    }
  });
}

// A half of more columns than are rotated at once.
TEST(CpuRope, LongHeads) {
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const LayerPass pass : {LayerPass::forward, LayerPass::backward})
      EXPECT_EQ(RopeFixture({3, 2, 1046, 4, dtype}).fault(pass, 2), "") << name(dtype);
}

TEST(CpuRope, InPlaceAndNan) {
  RopeFixture fixture({4, 2, 66, 4, DType::f32});
  EXPECT_EQ(fixture.fault(LayerPass::forward, 1), "");
  RopeBuffers b = fixture.buffers();
  b.y = fixture.x.data();
  launch(rope_kernels().front(), fixture.problem, b, 1);
  EXPECT_EQ(fixture.x.bytes(), fixture.y.bytes());
  fixture.x.set(2, std::numeric_limits<double>::quiet_NaN());
  fixture.fault(LayerPass::forward, 1);
  for (std::int64_t i = 0; i < 4 * 2 * 66; ++i) EXPECT_EQ(std::isnan(fixture.y.at(i)), i == 2 || i == 35) << i;
}

// What a large problem writes past the caches.
TEST(CpuRope, StreamedAsStored) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    RopeFixture fixture({3, 2, 128, 3, dtype});
    EXPECT_EQ(fixture.fault(LayerPass::forward, 1), "");
    const auto stored = fixture.y.bytes();
    fixture.y.poison();
    cpu::rotate(fixture.problem, fixture.buffers(), true, 0, 3);
    EXPECT_EQ(fixture.y.bytes(), stored);
  }
}

}  // namespace
}  // namespace assay
