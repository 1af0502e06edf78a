#include "kernels/layer/cuda/embedding.h"

#include <algorithm>

namespace assay {
namespace {

constexpr std::int64_t kWord = sizeof(std::int32_t);

std::int64_t most_rows(const EmbeddingProblem& p) { return std::min(p.tokens, p.vocab); }

/// Where the arrays of backward's workspace lie; the largest elements come first.
void place_workspace(const EmbeddingProblem& p, void* workspace, EmbeddingParams& params) {
  auto* words = static_cast<std::int32_t*>(workspace);
  const auto take = [&words](std::int64_t count) {
    std::int32_t* array = words;
    words += count;
    return array;
  };
  params.counters = reinterpret_cast<EmbeddingCounters*>(take(4));
  params.rows = reinterpret_cast<EmbeddingRow*>(take(3 * most_rows(p)));
  params.count = take(p.vocab), params.first = take(p.vocab);
  params.arrival = take(p.tokens), params.list = take(p.tokens);
  params.hot = take(p.tokens / kEmbeddingFew + 1);
}

using Plans = std::vector<LaunchPlan<EmbeddingParams>>;

Plans forward_plans(const EmbeddingProblem& p, EmbeddingParams params) {
  const std::int64_t element = std::int64_t(size_bytes(p.dtype)), row_bytes = p.dim * element;
  const bool vectors = row_bytes % kVectorBytes == 0 && aligned_vectors({params.w, params.y});
  const std::int64_t words = vectors ? row_bytes / kVectorBytes : p.dim;
  params.words = FastDivide(std::uint32_t(words)), params.items = p.tokens * words;
  const char* kernel = vectors        ? "embedding_gather<uint4>"
                       : element == 4 ? "embedding_gather<unsigned int>"
                                      : "embedding_gather<unsigned short>";
  const auto blocks = unsigned(ceil_div(params.items, kEmbeddingThreads * kEmbeddingUnroll));
  return {{kernel, {blocks}, {kEmbeddingThreads}, {}, 0, params}};
}

Plans backward_plans(const EmbeddingProblem& p, EmbeddingParams params, const Target& target) {
  const bool bf16 = p.dtype == DType::bf16, vectors = p.dim % 4 == 0 && aligned_vectors({params.dy, params.dw});
  const int width = vectors ? 4 : 1;
  const auto token_blocks = unsigned(ceil_div(p.tokens, kEmbeddingThreads));
  params.token_blocks = int(token_blocks), params.tiles = int(ceil_div(p.dim, 32 * width));
  Plans plans;
  for (const char* kernel : {"embedding_reset", "embedding_count", "embedding_rows"})
    plans.push_back({kernel, {token_blocks}, {kEmbeddingThreads}, {}, 0, params});
  const auto hot_blocks = unsigned(std::min<std::int64_t>(std::max(1, target.multiprocessors) * std::int64_t(4),
                                                          ceil_div(p.tokens / kEmbeddingFew + 1, 8)));
  plans.push_back({"embedding_order", {token_blocks + hot_blocks}, {kEmbeddingThreads}, {}, 0, params});
  const char* add =
      vectors ? (bf16 ? "embedding_add<assay::layer_cuda::Bf16, 4>" : "embedding_add<assay::layer_cuda::F32, 4>")
              : (bf16 ? "embedding_add<assay::layer_cuda::Bf16, 1>" : "embedding_add<assay::layer_cuda::F32, 1>");
  const auto blocks = unsigned(ceil_div(most_rows(p) * params.tiles, kEmbeddingThreads / 32));
  plans.push_back({add, {blocks}, {kEmbeddingThreads}, {}, 0, params});
  return plans;
}

}  // namespace

std::int64_t embedding_workspace_bytes(const EmbeddingProblem& p) {
  if (p.pass == LayerPass::forward) return 0;
  return kWord * (4 + 3 * most_rows(p) + 2 * p.vocab + 2 * p.tokens + p.tokens / kEmbeddingFew + 1);
}

Plans embedding_plans(const EmbeddingProblem& p, const EmbeddingBuffers& b, void* workspace, const Target& target) {
  if (p.tokens == 0) return {};
  EmbeddingParams params;
  params.ids = b.ids, params.w = b.w, params.y = b.y, params.dy = b.dy, params.dw = b.dw;
  params.tokens = p.tokens, params.vocab = p.vocab, params.dim = std::int32_t(p.dim);
  if (p.pass == LayerPass::forward) return forward_plans(p, params);
  place_workspace(p, workspace, params);
  return backward_plans(p, params, target);
}

Support supports_embedding_cuda(const EmbeddingProblem& p) {
  const std::int64_t words = p.tokens * p.dim;  // if the rows must go element by element
  if (words >= std::int64_t(1) << 31 && p.dim % 8 != 0) return Support::no("2^31 elements or more in unaligned rows");
  if (words / 4 >= std::int64_t(1) << 31) return Support::no("2^33 elements or more");
  return Support::yes();
}

}  // namespace assay
