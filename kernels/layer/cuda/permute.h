// Host side of bringing tokens to their experts and back on a GPU (cuda/permute.cuh).  C++17, no CUDA.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/common/launch_plan.h"
#include "kernels/layer/cuda/plan.h"
#include "kernels/layer/permute.h"

namespace assay {

struct PermuteParams {
  const std::int32_t* expert = nullptr;  // [tokens, top_k]
  std::int32_t* offsets = nullptr;       // [experts + 1]
  std::int32_t* counts = nullptr;        // [experts]
  std::int32_t* row_of = nullptr;        // [tokens, top_k]
  std::int32_t* slot_of = nullptr;       // [capacity]
  const void* tokens_in = nullptr;       // [tokens, dim]
  void* tokens_out = nullptr;
  const void* rows_in = nullptr;  // [capacity, dim]
  void* rows_out = nullptr;
  const float* weight = nullptr;  // [tokens, top_k]
  float* dweight = nullptr;
  std::int32_t* before =
      nullptr;  // [experts, chunks], plan's workspace: slots of the expert in a chunk, then before it
  std::int64_t tokens = 0, capacity = 0;
  std::int32_t experts = 0, top_k = 0, alignment = 1, dim = 0;
  std::int32_t slots = 0, chunks = 0;
  std::int32_t words = 0;         // of a row: vectors of 16 bytes, or elements
  std::int32_t word_blocks = 0;   // blocks of a token's row
  std::int32_t token_blocks = 0;  // blocks before those that clear padding, one an expert
};

inline constexpr int kPermuteThreads = 256;
inline constexpr int kPermuteChunk = 256;         // slots that one warp counts, and brings into order
inline constexpr int kPermutePlanWarps = 4;       // of a block of plan
inline constexpr int kPermuteMostExperts = 1024;  // a counter each in shared memory, for each of those warps: 16 KiB

std::int64_t permute_workspace_bytes(const PermuteProblem&);
std::vector<LaunchPlan<PermuteParams>> permute_plans(const PermuteProblem&, const PermuteBuffers&, void* workspace);
Support supports_permute_cuda(const PermuteProblem&);

}  // namespace assay
