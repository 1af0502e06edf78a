// Host side of the token embedding on a GPU (cuda/embedding.cuh).  C++17, no CUDA.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/common/launch_plan.h"
#include "kernels/layer/cuda/plan.h"
#include "kernels/layer/embedding.h"

namespace assay {

/// A row of dw that some token names: its tokens are list[first] .. list[first + count - 1].
struct EmbeddingRow {
  std::int32_t id, first, count;
};

/// What backward finds out about the ids, in the workspace.
struct EmbeddingCounters {
  std::int32_t rows, listed, hot;  // distinct ids; places of `list` given away; ids with many tokens
};

inline constexpr int kEmbeddingFew = 32;  // tokens of an id that one warp brings into order as it adds them

struct EmbeddingParams {
  const std::int32_t* ids = nullptr;  // [tokens]
  const void* w = nullptr;            // [vocab, dim]
  void* y = nullptr;                  // [tokens, dim]
  const void* dy = nullptr;           // [tokens, dim]
  float* dw = nullptr;                // [vocab, dim]
  std::int64_t tokens = 0, vocab = 0;
  std::int32_t dim = 0;
  FastDivide words;  // forward: words of a row
  std::int64_t items = 0;
  // Backward's workspace:
  std::int32_t* count = nullptr;    // [vocab], of those ids that occur
  std::int32_t* first = nullptr;    // [vocab], likewise: into `list`
  std::int32_t* arrival = nullptr;  // [tokens]: how many of the same id came before, in no order; -1: no such id
  std::int32_t* list = nullptr;     // [tokens]
  EmbeddingRow* rows = nullptr;     // [min(tokens, vocab)]
  std::int32_t* hot = nullptr;      // [tokens / kEmbeddingFew]: rows with more than kEmbeddingFew tokens
  EmbeddingCounters* counters = nullptr;
  std::int32_t token_blocks = 0, tiles = 0;
};

inline constexpr int kEmbeddingThreads = 256;
inline constexpr int kEmbeddingUnroll = 4;  // words a thread has in flight forward

std::int64_t embedding_workspace_bytes(const EmbeddingProblem&);
std::vector<LaunchPlan<EmbeddingParams>> embedding_plans(const EmbeddingProblem&, const EmbeddingBuffers&,
                                                         void* workspace, const Target&);
Support supports_embedding_cuda(const EmbeddingProblem&);

}  // namespace assay
