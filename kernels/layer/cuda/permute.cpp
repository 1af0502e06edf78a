#include "kernels/layer/cuda/permute.h"

#include <algorithm>

namespace assay {
namespace {

using Plans = std::vector<LaunchPlan<PermuteParams>>;

std::int64_t chunks_of(const PermuteProblem& p) {
  return std::max<std::int64_t>(1, ceil_div(p.slots(), kPermuteChunk));
}

Plans sort_plans(const PermuteProblem& p, const PermuteParams& params) {
  const auto blocks = [](std::int64_t warps) { return unsigned(ceil_div(warps, kPermutePlanWarps)); };
  const unsigned threads = kPermutePlanWarps * 32;
  const auto shared = unsigned(p.experts * kPermutePlanWarps * std::int64_t(sizeof(std::int32_t)));
  return {{"permute_count", {blocks(params.chunks)}, {threads}, {}, shared, params},
          {"permute_before", {blocks(p.experts)}, {threads}, {}, 0, params},
          {"permute_place", {blocks(params.chunks)}, {threads}, {}, shared, params}};
}

/// Kernels that move rows, by [element type][whether in vectors].
struct Moves {
  const char* name[2][2];
};
#define ASSAY_MOVES(Kernel, End)                                                \
  {                                                                             \
    {                                                                           \
      {Kernel "<assay::layer_cuda::OneElement<assay::layer_cuda::F32>" End,     \
       Kernel "<assay::layer_cuda::OneVector<assay::layer_cuda::F32>" End},     \
      {                                                                         \
        Kernel "<assay::layer_cuda::OneElement<assay::layer_cuda::Bf16>" End,   \
            Kernel "<assay::layer_cuda::OneVector<assay::layer_cuda::Bf16>" End \
      }                                                                         \
    }                                                                           \
  }
constexpr Moves kPermute = ASSAY_MOVES("permute_rows", " >"), kUnpermute = ASSAY_MOVES("permute_sum", ", true, 8>"),
                kPermuteBackward = ASSAY_MOVES("permute_sum", ", false, 8>"),
                kUnpermute2 = ASSAY_MOVES("permute_sum", ", true, 2>"),
                kPermuteBackward2 = ASSAY_MOVES("permute_sum", ", false, 2>"),
                kUnpermuteBackward = ASSAY_MOVES("unpermute_backward", " >");
#undef ASSAY_MOVES

Plans move_plans(const PermuteProblem& p, PermuteParams params) {
  const std::int64_t element = std::int64_t(size_bytes(p.dtype)), row_bytes = p.dim * element;
  const bool vectors = row_bytes % kVectorBytes == 0 &&
                       aligned_vectors({params.tokens_in, params.tokens_out, params.rows_in, params.rows_out});
  params.words = std::int32_t(vectors ? row_bytes / kVectorBytes : p.dim);
  const bool whole_token = p.pass == PermutePass::unpermute_backward;
  const bool pads = whole_token || p.pass == PermutePass::permute;
  // Rows that are shorter than a block's threads: fewer threads, so that none is idle for want of a word.
  const auto threads = std::min<unsigned>(kPermuteThreads, unsigned(ceil_div(params.words, 32) * 32));
  params.word_blocks = std::int32_t(ceil_div(params.words, threads));
  params.token_blocks = std::int32_t(p.tokens * (whole_token ? 1 : params.word_blocks));
  const bool two = p.top_k <= 2;
  const Moves& moves = p.pass == PermutePass::permute            ? kPermute
                       : p.pass == PermutePass::unpermute        ? (two ? kUnpermute2 : kUnpermute)
                       : p.pass == PermutePass::permute_backward ? (two ? kPermuteBackward2 : kPermuteBackward)
                                                                 : kUnpermuteBackward;
  const auto blocks = unsigned(params.token_blocks + (pads ? p.experts : 0));
  return {{moves.name[p.dtype == DType::bf16][vectors], {blocks}, {threads}, {}, 0, params}};
}

}  // namespace

std::int64_t permute_workspace_bytes(const PermuteProblem& p) {
  return p.pass == PermutePass::plan ? p.experts * chunks_of(p) * std::int64_t(sizeof(std::int32_t)) : 0;
}

Plans permute_plans(const PermuteProblem& p, const PermuteBuffers& b, void* workspace) {
  PermuteParams params;
  params.expert = b.expert, params.offsets = b.offsets, params.counts = b.counts;
  params.row_of = b.row_of, params.slot_of = b.slot_of;
  params.tokens_in = b.tokens, params.tokens_out = b.tokens_out, params.rows_in = b.rows, params.rows_out = b.rows_out;
  params.weight = b.weight, params.dweight = b.dweight, params.before = static_cast<std::int32_t*>(workspace);
  params.tokens = p.tokens, params.capacity = p.capacity();
  params.experts = std::int32_t(p.experts), params.top_k = std::int32_t(p.top_k);
  params.alignment = std::int32_t(p.alignment), params.dim = std::int32_t(p.dim);
  params.slots = std::int32_t(p.slots()), params.chunks = std::int32_t(chunks_of(p));
  if (p.pass == PermutePass::plan) return sort_plans(p, params);
  if (p.tokens == 0) return {};
  return move_plans(p, params);
}

Support supports_permute_cuda(const PermuteProblem& p) {
  if (p.experts > kPermuteMostExperts)
    return Support::no("more than " + std::to_string(kPermuteMostExperts) + " experts");
  if (p.tokens * ceil_div(p.dim, 32) > INT32_MAX - kPermuteMostExperts) return Support::no("2^36 elements or more");
  return Support::yes();
}

}  // namespace assay
