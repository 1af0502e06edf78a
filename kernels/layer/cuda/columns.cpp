#include "kernels/layer/cuda/columns.h"

#include <algorithm>

namespace assay {
namespace {

/// By pass, then by word: 16 bytes, an element of 4, of 2.
constexpr const char* kKernels[2][3] = {
    {"columns<assay::layer_cuda::SixteenBytes, true>", "columns<assay::layer_cuda::FourBytes, true>",
     "columns<assay::layer_cuda::TwoBytes, true>"},
    {"columns<assay::layer_cuda::SixteenBytes, false>", "columns<assay::layer_cuda::FourBytes, false>",
     "columns<assay::layer_cuda::TwoBytes, false>"}};

/// Rows of every part begin on 16 bytes.
bool in_vectors(const ColumnsProblem& p, const ColumnsBuffers& b) {
  for (const std::int64_t width : p.widths)
    if (storage_bytes(p.dtype, width) % kVectorBytes != 0) return false;
  return aligned_vectors({b.joint, b.parts[0], b.parts[1], b.parts[2]});
}

}  // namespace

std::vector<LaunchPlan<ColumnsParams>> columns_plans(const ColumnsProblem& p, const ColumnsBuffers& b) {
  if (p.elements() == 0) return {};
  const bool vectors = in_vectors(p, b);
  const std::int64_t element = std::int64_t(size_bytes(p.dtype)), elements = vectors ? kVectorBytes / element : 1;
  LaunchPlan<ColumnsParams> plan;
  ColumnsParams& params = plan.params;
  params.joint = b.joint;
  params.words_of_row = FastDivide(std::uint32_t(p.width() / elements));
  params.words = std::uint32_t(p.elements() / elements);
  std::uint32_t begin = 0;
  for (std::size_t i = 0; i < std::size_t(kMostColumnParts); ++i) {
    params.begin[i] = begin;
    if (i >= p.widths.size()) continue;
    params.part[i] = b.parts[i], params.width[i] = std::uint32_t(p.widths[i] / elements);
    begin += params.width[i];
  }
  plan.kernel = kKernels[p.pass == ColumnsPass::merge][vectors ? 0 : element == 4 ? 1 : 2];
  plan.block.x = kColumnsThreads;
  plan.grid.x = unsigned(ceil_div(params.words, kColumnsThreads * kColumnsUnroll));
  return {plan};
}

Support supports_columns_cuda(const ColumnsProblem& p) {
  if (p.widths.empty() || p.widths.size() > std::size_t(kMostColumnParts))
    return Support::no("takes one to three parts");
  // Were they not in vectors, words would be elements; offsets within an array are computed in 64 bits.
  if (p.elements() >= std::int64_t(1) << 31) return Support::no("2^31 elements or more");
  return Support::yes();
}

}  // namespace assay
