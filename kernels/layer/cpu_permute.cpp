// Bringing tokens to experts and back on a CPU.  Compiled by Highway for every instruction set and chosen at run time.
//
// plan: every thread counts the experts of a part of the tokens; the counts, added up over threads, tell each where its
// tokens of an expert go, so that all write at once and rows stay in the tokens' order.
// The others: every thread takes a part of the tokens, whose k rows lie anywhere; whole rows are moved, past the caches
// where they are many.
#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "kernels/layer/cpu_elements.h"
#include "kernels/layer/cpu_token_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layer/cpu_permute.cpp"
#include "kernels/common/cpu/highway_targets.h"
// clang-format off: foreach_target.h must come first
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on
#include <hwy/cache_control.h>

HWY_BEFORE_NAMESPACE();
namespace assay::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {  // other files have names like these

#include "kernels/layer/cpu_lanes-inl.h"

template <class T>
HWY_INLINE void put(bool streams, Lanes x, T* to) {
  streams ? stream(x, to) : store(x, to);
}

/// to = factor from; returns nothing but, where `other` is given, sum from other.
template <bool kDot, class T>
float scaled_row(const T* from, float factor, T* to, const T* other, std::int64_t dim, bool streams) {
  const auto v_factor = splat(factor);
  Lanes sum[2] = {splat(0), splat(0)};
  std::int64_t c = 0;
  for (int chain = 0; c + kLanes <= dim; c += kLanes, chain ^= 1) {
    const auto x = load(from + c);
    if constexpr (kDot) sum[chain] = hn::MulAdd(x, load(other + c), sum[chain]);
    put(streams, hn::Mul(v_factor, x), to + c);
  }
  if (const std::int64_t left = dim - c; left > 0) {
    const auto x = load_first(from + c, left, 0);
    if constexpr (kDot) sum[0] = hn::MulAdd(x, load_first(other + c, left, 0), sum[0]);
    store_first(hn::Mul(v_factor, x), to + c, left);
  }
  return kDot ? hn::GetLane(hn::SumOfLanes(F32(), hn::Add(sum[0], sum[1]))) : 0;
}

/// The rows of a token's slots, and their weights.
template <class T>
struct Slots {
  const T* row[kRouterTopK];
  float weight[kRouterTopK];
  int count = 0;
};

template <bool kWeighted, class T>
HWY_INLINE Lanes sum_at(const Slots<T>& slots, std::int64_t c, std::int64_t left) {
  const auto at = [&](int s) {
    return left >= kLanes ? load(slots.row[s] + c) : load_first(slots.row[s] + c, left, 0);
  };
  if (slots.count == 0) return splat(0);
  auto sum = kWeighted ? hn::Mul(splat(slots.weight[0]), at(0)) : at(0);
  for (int s = 1; s < slots.count; ++s)
    sum = kWeighted ? hn::MulAdd(splat(slots.weight[s]), at(s), sum) : hn::Add(sum, at(s));
  return sum;
}

template <bool kWeighted, class T>
void sum_tokens(const PermuteProblem& p, const PermuteBuffers& b, const T* rows, Part part, bool streams) {
  auto* out = static_cast<T*>(b.tokens_out);
  for (std::int64_t t = part.begin; t < part.end; ++t) {
    Slots<T> slots;
    for (std::int64_t slot = t * p.top_k; slot < (t + 1) * p.top_k; ++slot) {
      if (b.row_of[slot] < 0) continue;
      slots.row[slots.count] = rows + b.row_of[slot] * p.dim;
      slots.weight[slots.count++] = kWeighted ? b.weight[slot] : 1;
    }
    T* to = out + t * p.dim;
    std::int64_t c = 0;
    for (; c + kLanes <= p.dim; c += kLanes) put(streams, sum_at<kWeighted>(slots, c, kLanes), to + c);
    if (c < p.dim) store_first(sum_at<kWeighted>(slots, c, p.dim - c), to + c, p.dim - c);
  }
}

template <class T>
void spread_tokens(const PermuteProblem& p, const PermuteBuffers& b, const T* tokens, Part part, bool streams) {
  const bool backward = p.pass == PermutePass::unpermute_backward;
  const auto* rows = static_cast<const T*>(b.rows);
  auto* out = static_cast<T*>(b.rows_out);
  for (std::int64_t slot = part.begin * p.top_k; slot < part.end * p.top_k; ++slot) {
    const std::int64_t row = b.row_of[slot];
    const T* token = tokens + slot / p.top_k * p.dim;
    if (row < 0) {
      if (backward) b.dweight[slot] = 0;
    } else if (backward) {
      b.dweight[slot] = scaled_row<true>(token, b.weight[slot], out + row * p.dim, rows + row * p.dim, p.dim, streams);
    } else {
      scaled_row<false>(token, 1, out + row * p.dim, token, p.dim, streams);
    }
  }
}

/// Whether rows of `to` may all be stored past the caches.
template <class T>
bool streams_rows(const PermuteProblem& p, const T* to, std::int64_t rows) {
  return double(rows) * double(p.dim) * sizeof(T) >= kStreamedBytes && p.dim % kLanes == 0 && streams_to(to);
}

void permute_tokens(const PermuteProblem& p, const PermuteBuffers& b, Part part) {
  if (p.pass == PermutePass::unpermute || p.pass == PermutePass::permute_backward) {
    with_elements(p.dtype, b.rows, [&](const auto* rows) {
      const bool streams = streams_rows(p, static_cast<decltype(rows)>(b.tokens_out), p.tokens);
      if (p.pass == PermutePass::unpermute)
        sum_tokens<true>(p, b, rows, part, streams);
      else
        sum_tokens<false>(p, b, rows, part, streams);
    });
  } else {
    with_elements(p.dtype, b.tokens, [&](const auto* tokens) {
      spread_tokens(p, b, tokens, part, streams_rows(p, static_cast<decltype(tokens)>(b.rows_out), p.slots()));
    });
  }
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
void move_tokens(const PermuteProblem& problem, const PermuteBuffers& buffers, Part part) {
  HWY_DYNAMIC_DISPATCH(permute_tokens)(problem, buffers, part);
}
}  // namespace
}  // namespace cpu

namespace {

class CpuPermute final : public PermuteOperation {
 public:
  CpuPermute(const PermuteProblem& problem, const Target& target)
      : problem_(problem), threads_(cpu::threads_of(target)) {
    if (problem.pass == PermutePass::plan) next_.resize(static_cast<std::size_t>(threads_ * problem.experts));
  }

  void launch(const PermuteBuffers& buffers, Stream) override {
    if (problem_.pass == PermutePass::plan) return plan(buffers);
#pragma omp parallel for num_threads(threads_) schedule(static, 1)
    for (int thread = 0; thread < threads_; ++thread)
      cpu::move_tokens(problem_, buffers, cpu::part_of(problem_.tokens, 1, threads_, thread));
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

  cpu::Part slots_of(int thread) const { return cpu::part_of(problem_.slots(), problem_.top_k, threads_, thread); }
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
  const int threads_;
  std::vector<std::int32_t> next_;  // [threads, experts]
};

}  // namespace

PermuteKernel cpu_permute() {
  PermuteKernel row;
  row.name = "cpu_vector";
  row.dtypes = {DType::f32, DType::bf16};
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
