// Bringing tokens to experts and back on a CPU.  Compiled by Highway for every instruction set and chosen at run time.
//
// plan: every thread counts the experts of a part of the tokens; the counts, added up over threads, tell each where its
// tokens of an expert go, so that all write at once and rows stay in the tokens' order.
// The others: every thread takes a part of the tokens, whose k rows lie anywhere; whole rows are moved, past the caches
// where they are many.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <vector>

#include "kernels/layer/cpu/elements.h"
#include "kernels/layer/cpu/token_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layer/cpu/permute.cpp"
#include "kernels/layer/cpu/targets-inl.h"

HWY_BEFORE_NAMESPACE();
namespace assay::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {  // other files have names like these

#include "kernels/layer/cpu/lanes-inl.h"

/// to = factor from; the sum over from other.
template <bool kStream, class T>
float scale_and_dot(const T* from, float factor, T* to, const T* other, std::int64_t dim) {
  const auto v_factor = set(factor);
  Vec sum[2] = {set(0), set(0)};
  std::int64_t c = 0;
  for (; c + kUnit <= dim; c += kUnit)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      const auto x = load(from + c + v * kLanes);
      sum[v] = hn::MulAdd(x, load(other + c + v * kLanes), sum[v]);
      put<kStream>(hn::Mul(v_factor, x), to + c + v * kLanes);
    }
  for (; c < dim; c += kLanes) {
    const std::int64_t left = std::min(dim - c, kLanes);
    const auto x = load_first(from + c, left, 0);
    sum[0] = hn::MulAdd(x, load_first(other + c, left, 0), sum[0]);
    store_first(hn::Mul(v_factor, x), to + c, left);
  }
  return hn::GetLane(hn::SumOfLanes(D(), hn::Add(sum[0], sum[1])));
}

/// The rows of a token's slots, and their weights.
template <class T>
struct Slots {
  const T* row[kRouterTopK];
  float weight[kRouterTopK];
  int count = 0;
};

template <bool kWeighted, class T>
HWY_INLINE Vec sum_at(const Slots<T>& slots, std::int64_t c, std::int64_t left) {
  const auto at = [&](int s) {
    return left >= kLanes ? load(slots.row[s] + c) : load_first(slots.row[s] + c, left, 0);
  };
  if (slots.count == 0) return set(0);
  auto sum = kWeighted ? hn::Mul(set(slots.weight[0]), at(0)) : at(0);
  for (int s = 1; s < slots.count; ++s)
    sum = kWeighted ? hn::MulAdd(set(slots.weight[s]), at(s), sum) : hn::Add(sum, at(s));
  return sum;
}

template <class T>
Slots<T> slots_of(const PermuteProblem& p, const PermuteBuffers& b, const T* rows, std::int64_t t) {
  Slots<T> slots;
  for (std::int64_t slot = t * p.top_k; slot < (t + 1) * p.top_k; ++slot) {
    if (b.row_of[slot] < 0) continue;
    slots.row[slots.count] = rows + b.row_of[slot] * p.dim;
    slots.weight[slots.count++] = b.weight != nullptr ? b.weight[slot] : 1;
  }
  return slots;
}

template <bool kWeighted, bool kStream, class T>
void sum_tokens(const PermuteProblem& p, const PermuteBuffers& b, const T* rows, PartOf part) {
  auto* out = static_cast<T*>(b.tokens_out);
  for (std::int64_t t = part.begin; t < part.end; ++t) {
    const Slots<T> slots = slots_of(p, b, rows, t);
    if (t + 1 < part.end)
      for (std::int64_t slot = (t + 1) * p.top_k; slot < (t + 2) * p.top_k; ++slot)
        if (b.row_of[slot] >= 0) fetch_row(rows + b.row_of[slot] * p.dim, p.dim * std::int64_t(sizeof(T)));
    T* to = out + t * p.dim;
    std::int64_t c = 0;
    for (; c + kLanes <= p.dim; c += kLanes) put<kStream>(sum_at<kWeighted>(slots, c, kLanes), to + c);
    if (c < p.dim) store_first(sum_at<kWeighted>(slots, c, p.dim - c), to + c, p.dim - c);
  }
}

template <bool kStream, class T>
void spread_tokens(const PermuteProblem& p, const PermuteBuffers& b, const T* tokens, PartOf part) {
  const auto* rows = static_cast<const T*>(b.rows);
  auto* out = static_cast<T*>(b.rows_out);
  for (std::int64_t slot = part.begin * p.top_k; slot < part.end * p.top_k; ++slot) {
    const std::int64_t row = b.row_of[slot];
    const T* token = tokens + slot / p.top_k * p.dim;
    if (p.pass == PermutePass::permute) {
      if (row >= 0)
        copy_row<kStream>(reinterpret_cast<const std::uint8_t*>(token),
                          reinterpret_cast<std::uint8_t*>(out + row * p.dim), p.dim * std::int64_t(sizeof(T)));
      continue;
    }
    b.dweight[slot] =
        row < 0 ? 0 : scale_and_dot<kStream>(token, b.weight[slot], out + row * p.dim, rows + row * p.dim, p.dim);
  }
}

template <bool kStream, class T>
void move(const PermuteProblem& p, const PermuteBuffers& b, const T* from, PartOf part) {
  if (p.pass == PermutePass::unpermute)
    sum_tokens<true, kStream>(p, b, from, part);
  else if (p.pass == PermutePass::permute_backward)
    sum_tokens<false, kStream>(p, b, from, part);
  else
    spread_tokens<kStream>(p, b, from, part);
}

void permute_tokens(const PermuteProblem& p, const PermuteBuffers& b, bool past_caches, PartOf part) {
  const bool sums = p.pass == PermutePass::unpermute || p.pass == PermutePass::permute_backward;
  const auto row_bytes = p.dim * static_cast<std::int64_t>(size_bytes(p.dtype));
  const bool streams = past_caches && row_bytes % kLine == 0 && is_aligned(sums ? b.tokens_out : b.rows_out);
  with_elements(p.dtype, sums ? b.rows : b.tokens, [&](const auto* from) {
    if (streams)
      move<true>(p, b, from, part);
    else
      move<false>(p, b, from, part);
  });
  hwy::FlushStream();
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace assay::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace assay {
namespace cpu {
HWY_EXPORT(permute_tokens);

namespace {
void move_tokens(const PermuteProblem& problem, const PermuteBuffers& buffers, bool past_caches, PartOf part) {
  HWY_DYNAMIC_DISPATCH(permute_tokens)(problem, buffers, past_caches, part);
}
}  // namespace
}  // namespace cpu

namespace {

class CpuPermute final : public PermuteOperation {
 public:
  CpuPermute(const PermuteProblem& problem, const Target& target)
      : problem_(problem), target_(target), threads_(std::max(target.threads, 1)) {
    if (problem.pass == PermutePass::plan) next_.resize(static_cast<std::size_t>(threads_ * problem.experts));
  }

  void launch(const PermuteBuffers& buffers, Stream) override {
    if (problem_.pass == PermutePass::plan) return plan(buffers);
    const bool past_caches = cpu::exceeds_caches(problem_.bytes(), target_);
    cpu::for_parts(target_, problem_.tokens, 1, [&](std::int64_t begin, std::int64_t end) {
      cpu::move_tokens(problem_, buffers, past_caches, {begin, end});
    });
    if (buffers.rows_out != nullptr) clear_padding(buffers);
  }

 private:
  void plan(const PermuteBuffers& buffers) {
    if (const std::string reason = reason_experts_unfit(problem_, buffers.expert); !reason.empty())
      throw std::out_of_range(reason);
#pragma omp parallel for num_threads(threads_) schedule(static, 1)
    for (int thread = 0; thread < threads_; ++thread) count_slots(buffers, thread);
    place_experts(buffers);
#pragma omp parallel for num_threads(threads_) schedule(static, 1)
    for (int thread = 0; thread < threads_; ++thread) place_slots(buffers, thread);
  }

  cpu::PartOf slots_of(int thread) const { return cpu::part_of(problem_.slots(), problem_.top_k, threads_, thread); }
  std::int32_t* next_of(int thread) { return next_.data() + thread * problem_.experts; }

  void count_slots(const PermuteBuffers& buffers, int thread) {
    std::int32_t* count = next_of(thread);
    std::fill_n(count, problem_.experts, 0);
    const auto [begin, end] = slots_of(thread);
    for (std::int64_t slot = begin; slot < end; ++slot) ++count[buffers.expert[slot]];
  }

  /// Counts of threads become the rows where each of them begins; padding's slots are set.
  void place_experts(const PermuteBuffers& buffers) {
    std::int64_t row = 0;
    for (std::int64_t e = 0; e < problem_.experts; ++e) {
      const std::int64_t first = row;
      buffers.offsets[e] = static_cast<std::int32_t>(first);
      for (int thread = 0; thread < threads_; ++thread) {
        std::int32_t& here = next_of(thread)[e];
        const std::int64_t count = here;
        here = static_cast<std::int32_t>(row);
        row += count;
      }
      buffers.counts[e] = static_cast<std::int32_t>(row - first);
      const std::int64_t end = (row + problem_.alignment - 1) / problem_.alignment * problem_.alignment;
      std::fill(buffers.slot_of + row, buffers.slot_of + end, -1);
      row = end;
    }
    buffers.offsets[problem_.experts] = static_cast<std::int32_t>(row);
    std::fill(buffers.slot_of + row, buffers.slot_of + problem_.capacity(), -1);
  }

  void place_slots(const PermuteBuffers& buffers, int thread) {
    std::int32_t* next = next_of(thread);
    const auto [begin, end] = slots_of(thread);
    for (std::int64_t slot = begin; slot < end; ++slot) {
      const std::int32_t row = next[buffers.expert[slot]]++;
      buffers.row_of[slot] = row;
      buffers.slot_of[row] = static_cast<std::int32_t>(slot);
    }
  }

  void clear_padding(const PermuteBuffers& buffers) const {
    const auto row_bytes = problem_.dim * static_cast<std::int64_t>(size_bytes(problem_.dtype));
    auto* rows = static_cast<char*>(buffers.rows_out);
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (std::int64_t e = 0; e < problem_.experts; ++e) {
      const std::int64_t begin = buffers.offsets[e] + buffers.counts[e], end = buffers.offsets[e + 1];
      std::fill_n(rows + begin * row_bytes, (end - begin) * row_bytes, char(0));
    }
  }

  const PermuteProblem problem_;
  const Target target_;
  const int threads_;
  std::vector<std::int32_t> next_;  // [threads, experts]
};

}  // namespace

PermuteKernel cpu_permute() {
  PermuteKernel row = cpu::vector_row<PermuteProblem, PermuteBuffers>();
  row.supports = [](const PermuteProblem& problem, const Target&) {
    if (problem.top_k > kRouterTopK) return Support::no("at most " + std::to_string(kRouterTopK) + " experts a token");
    return Support::yes();
  };
  row.prepare = [](const PermuteProblem& problem, const Target& target, const std::vector<PermuteBuffers>&, Stream) {
    return std::make_unique<CpuPermute>(problem, target);
  };
  return row;
}

}  // namespace assay
#endif
