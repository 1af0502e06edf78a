// Copies of columns on the functional GPU, by the launch plans of the real launcher: every element's bits, and what
// lies around them.
#include "kernels/layer/cuda/columns.h"
#include "tests/simt/layer/layer_on_simt.h"

namespace assay {
namespace {

const simt::ptx::Module& module() {
  static const simt::ptx::Module module(simt::ptx_text(ASSAY_PTX_DIR, "layer_columns_cuda"));
  return module;
}

/// `shift` elements from the arrays' aligned beginnings.
struct Case {
  std::int64_t rows;
  std::vector<std::int64_t> widths;
  DType dtype;
  int shift;
};

std::string describe(const Case& c, ColumnsPass pass) {
  std::string text = std::string(name(pass)) + " " + name(c.dtype) + " " + std::to_string(c.rows) + " rows of";
  for (const std::int64_t width : c.widths) text.append(" ").append(std::to_string(width));
  return text + " shift " + std::to_string(c.shift);
}

// One element; grouped queries, several tiles with a ragged end; two parts and one; widths that are no vectors; arrays
// that begin off one.
const Case kCases[] = {
    {1, {1, 1, 1}, DType::bf16, 0},     {150, {256, 64, 64}, DType::bf16, 0},
    {33, {128, 32, 32}, DType::f32, 0}, {7, {24, 8}, DType::bf16, 0},
    {5, {48}, DType::f32, 0},           {9, {20, 7, 12}, DType::bf16, 0},
    {6, {5, 3, 1}, DType::f32, 0},      {4, {16, 8, 8}, DType::bf16, 1},
};

void* shifted(const Case& c, void* array) {
  return static_cast<char*>(array) + std::size_t(c.shift) * size_bytes(c.dtype);
}

/// The bits of element `column` of row `row` of the joint matrix, where it lies in a part.
const void* in_part(const ColumnsProblem& p, const ColumnsBuffers& b, std::int64_t row, std::int64_t column) {
  std::size_t part = 0;
  while (column >= p.widths[part]) column -= p.widths[part++];
  const auto size = std::int64_t(size_bytes(p.dtype));
  return static_cast<const char*>(b.parts[part]) + (row * p.widths[part] + column) * size;
}

class ColumnsOnSimt : public testing::TestWithParam<ColumnsPass> {};

TEST_P(ColumnsOnSimt, EveryBitGoesWhereItBelongs) {
  for (const Case& c : kCases) {
    LayerOnSimt gpu(simt::Async::Lazy, true);
    const ColumnsProblem p{GetParam(), c.rows, c.widths, c.dtype};
    const auto size = size_bytes(c.dtype);
    const auto array = [&](bool input, std::int64_t count) {
      return shifted(c, input ? gpu.random(c.dtype, count + c.shift) : gpu.poisoned(c.dtype, count + c.shift));
    };
    ColumnsBuffers b;
    b.joint = array(p.pass == ColumnsPass::split, p.elements());
    for (std::size_t i = 0; i < c.widths.size(); ++i)
      b.parts[i] = array(p.pass == ColumnsPass::merge, p.rows * c.widths[i]);
    gpu.run(module(), columns_plans(p, b));
    std::int64_t wrong = 0;
    for (std::int64_t row = 0; row < p.rows; ++row)
      for (std::int64_t column = 0; column < p.width(); ++column) {
        const char* joint = static_cast<const char*>(b.joint) + std::size_t(row * p.width() + column) * size;
        wrong += std::memcmp(joint, in_part(p, b, row, column), size) != 0;
      }
    EXPECT_EQ(wrong, 0) << "wrong result: " << describe(c, p.pass);
  }
}

INSTANTIATE_TEST_SUITE_P(Passes, ColumnsOnSimt, testing::Values(ColumnsPass::split, ColumnsPass::merge),
                         [](const auto& info) { return name(info.param); });

TEST(ColumnsPlans, AreInVectorsWhereEverythingIs) {
  alignas(16) char memory[64];
  ColumnsBuffers b{memory, {memory, memory, memory}};
  const auto kernel = [&](std::vector<std::int64_t> widths) {
    return std::string(columns_plans({ColumnsPass::split, 10, std::move(widths), DType::bf16}, b)[0].kernel);
  };
  EXPECT_EQ(kernel({64, 8, 8}), "columns<assay::layer_cuda::SixteenBytes, true>");
  EXPECT_EQ(kernel({64, 8, 4}), "columns<assay::layer_cuda::TwoBytes, true>");
  b.parts[1] = memory + 2;
  EXPECT_EQ(kernel({64, 8, 8}), "columns<assay::layer_cuda::TwoBytes, true>");
}

TEST(ColumnsPlans, RefuseWhatTheyCannotCount) {
  EXPECT_TRUE(supports_columns_cuda({ColumnsPass::split, 1 << 20, {1024, 512, 511}, DType::bf16}).ok());
  EXPECT_FALSE(supports_columns_cuda({ColumnsPass::split, 1 << 20, {1024, 512, 512}, DType::bf16}).ok());
  EXPECT_FALSE(supports_columns_cuda({ColumnsPass::split, 1, {1, 1, 1, 1}, DType::bf16}).ok());
  EXPECT_TRUE(columns_plans({ColumnsPass::split, 0, {8, 8, 8}, DType::bf16}, {}).empty());
}

}  // namespace
}  // namespace assay
