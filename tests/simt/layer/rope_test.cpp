// Rotary position embedding on the functional GPU, by the launch plans of the real launcher, against the fp64
// reference.
#include "kernels/layer/cuda/rope.h"
#include "tests/simt/layer/layer_on_simt.h"

namespace assay {
namespace {

const simt::ptx::Module& module() {
  static const simt::ptx::Module module(simt::ptx_text(ASSAY_PTX_DIR, "layer_rope_cuda"));
  return module;
}

struct Case {
  std::int64_t tokens, heads, head_dim, positions;
  DType dtype;
  bool ids;
};

// Full groups of heads, a group with idle places, one head; positions that return; halves that are no vectors.
const Case kCases[] = {{5, 8, 128, 3, DType::bf16, false}, {7, 6, 64, 9, DType::bf16, true},
                       {3, 1, 64, 3, DType::bf16, false},  {4, 5, 16, 2, DType::f32, false},
                       {6, 3, 24, 6, DType::bf16, true},   {2, 2, 2, 1, DType::f32, false},
                       {9, 4, 256, 4, DType::f32, true}};

std::string describe(const Case& c, LayerPass pass) {
  return std::to_string(c.tokens) + "x" + std::to_string(c.heads) + "x" + std::to_string(c.head_dim) + " " +
         name(c.dtype) + " " + name(pass) + (c.ids ? " ids" : "");
}

RopeBuffers buffers_of(LayerOnSimt& gpu, const RopeProblem& p, bool ids) {
  RopeBuffers b;
  b.x = gpu.random(p.dtype, p.elements()), b.dy = gpu.random(p.dtype, p.elements());
  b.y = gpu.poisoned(p.dtype, p.elements()), b.dx = gpu.poisoned(p.dtype, p.elements());
  auto *cos = gpu.poisoned<float>(p.table_elements()), *sin = gpu.poisoned<float>(p.table_elements());
  fill_rope_tables(p, 10000, cos, sin);
  b.cos = cos, b.sin = sin;
  if (ids) {
    std::vector<std::int32_t> positions;
    for (std::int64_t t = 0; t < p.tokens; ++t) positions.push_back(std::int32_t((t * 5 + 1) % p.positions));
    b.position_ids = gpu.upload(positions);
  }
  return b;
}

void check(const Case& c, LayerPass pass, simt::Async async) {
  LayerOnSimt gpu(async, true);
  const RopeProblem p{c.tokens, c.heads, c.head_dim, c.positions, c.dtype, pass};
  const RopeBuffers b = buffers_of(gpu, p, c.ids);
  gpu.run(module(), rope_plans(p, b));
  LayerComparison compare("rope " + describe(c, pass));
  const void* result = pass == LayerPass::forward ? b.y : b.dx;
  for (std::int64_t t = 0; t < p.tokens; ++t)
    for (std::int64_t h = 0; h < p.heads; ++h)
      compare.row(rope_reference(p, b, t, h), p.dtype, result, "y or dx", t * p.heads + h);
  RopeBuffers in_place = b;
  in_place.x = in_place.y = gpu.copy(p.dtype, b.x, p.elements());
  in_place.dy = in_place.dx = gpu.copy(p.dtype, b.dy, p.elements());
  gpu.run(module(), rope_plans(p, in_place));
  compare.same_bits(result, pass == LayerPass::forward ? in_place.y : in_place.dx, storage_bytes(p.dtype, p.elements()),
                    "in place");
}

TEST(RopeOnSimt, EqualsReferenceInPlaceToo) {
  for (const Case& c : kCases)
    for (const auto pass : {LayerPass::forward, LayerPass::backward}) check(c, pass, simt::Async::Lazy);
}

TEST(RopeOnSimt, InAnySchedule) {
  for (const auto async : {simt::Async::Eager, simt::Async::Random}) check(kCases[1], LayerPass::forward, async);
}

TEST(RopeOnSimt, UnalignedArrays) {
  LayerOnSimt gpu;
  const RopeProblem p{3, 2, 64, 3, DType::bf16, LayerPass::forward};
  RopeBuffers b = buffers_of(gpu, p, false);
  auto* y = static_cast<char*>(gpu.poisoned(p.dtype, p.elements() + 1));
  b.y = y + 2;
  gpu.run(module(), rope_plans(p, b));
  LayerComparison compare("unaligned rope");
  for (std::int64_t t = 0; t < p.tokens * p.heads; ++t)
    compare.row(rope_reference(p, b, t / p.heads, t % p.heads), p.dtype, b.y, "y", t);
}

TEST(RopePlans, NothingToDo) { EXPECT_TRUE(rope_plans({0, 8, 128, 1, DType::bf16, LayerPass::forward}, {}).empty()); }

}  // namespace
}  // namespace assay
