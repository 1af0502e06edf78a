// The embedding on a CPU.  Compiled by Highway for every instruction set and chosen at run time.
//
// Forward: every thread copies the rows of a part of the tokens, past the caches where y is large.
// Backward: tokens are sorted by id, stably, so that each row of dw has its tokens in a run; a task is a run and a
// piece of the columns, which one thread adds up in the tokens' order.  Pieces, so that one frequent word is not one
// task. Rows lie anywhere in memory: the next one is fetched while this one is worked on.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <vector>

#include "kernels/layer/cpu/elements.h"
#include "kernels/layer/cpu/token_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layer/cpu/embedding.cpp"
#include "kernels/layer/cpu/targets-inl.h"

#ifndef ASSAY_LAYER_CPU_EMBEDDING
#define ASSAY_LAYER_CPU_EMBEDDING
namespace assay::cpu {

// 4 KiB of fp32: a page's worth for the hardware's prefetcher, and a fraction of any row of a large model.
inline constexpr std::int64_t kPiece = 1024;

struct EmbeddingTasks {
  const EmbeddingProblem& problem;
  const EmbeddingBuffers& buffers;
  const std::vector<std::int32_t>& tokens;  // by id
  const std::vector<std::int64_t>& runs;    // where each id's tokens begin, and the end
  std::int64_t pieces() const { return (problem.dim + kPiece - 1) / kPiece; }
};

}  // namespace assay::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace assay::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {  // other files have names like these

#include "kernels/layer/cpu/lanes-inl.h"

template <bool kStream>
void copy_rows_of(const EmbeddingProblem& problem, const EmbeddingBuffers& buffers, PartOf part) {
  const auto bytes = problem.dim * static_cast<std::int64_t>(size_bytes(problem.dtype));
  const auto* w = static_cast<const std::uint8_t*>(buffers.w);
  auto* y = static_cast<std::uint8_t*>(buffers.y);
  for (std::int64_t t = part.begin; t < part.end; ++t) {
    if (t + 1 < part.end) fetch_row(w + buffers.ids[t + 1] * bytes, bytes);
    copy_row<kStream>(w + buffers.ids[t] * bytes, y + t * bytes, bytes);
  }
}

void embedding_rows(const EmbeddingProblem& problem, const EmbeddingBuffers& buffers, bool past_caches, PartOf part) {
  const auto bytes = problem.dim * static_cast<std::int64_t>(size_bytes(problem.dtype));
  if (past_caches && bytes % kLine == 0 && is_aligned(buffers.y))
    copy_rows_of<true>(problem, buffers, part);
  else
    copy_rows_of<false>(problem, buffers, part);
  hwy::FlushStream();
}

template <class T>
void add_row(const T* dy, float* dw, std::int64_t count) {
  std::int64_t c = 0;
  for (; c + kLanes <= count; c += kLanes) store(hn::Add(load(dw + c), load(dy + c)), dw + c);
  if (c < count)
    store_first(hn::Add(load_first(dw + c, count - c, 0), load_first(dy + c, count - c, 0)), dw + c, count - c);
}

struct Task {
  std::size_t run;
  std::int64_t first, count;  // columns
};
Task task_of(const EmbeddingTasks& tasks, std::int64_t number) {
  const std::int64_t first = number % tasks.pieces() * kPiece;
  return {static_cast<std::size_t>(number / tasks.pieces()), first, std::min(kPiece, tasks.problem.dim - first)};
}

template <class T>
void add_tasks(const EmbeddingTasks& tasks, const T* dy, PartOf part) {
  const std::int64_t dim = tasks.problem.dim;
  const auto token = [&](std::int64_t i) { return tasks.tokens[static_cast<std::size_t>(i)]; };
  const auto dw_of = [&](const Task& task) {
    return tasks.buffers.dw + tasks.buffers.ids[token(tasks.runs[task.run])] * dim + task.first;
  };
  for (std::int64_t number = part.begin; number < part.end; ++number) {
    const Task task = task_of(tasks, number);
    if (number + 1 < part.end) {
      const Task next = task_of(tasks, number + 1);
      fetch_row(dw_of(next), next.count * std::int64_t(sizeof(float)));
      fetch_row(dy + token(tasks.runs[next.run]) * dim + next.first, next.count * std::int64_t(sizeof(T)));
    }
    float* dw = dw_of(task);
    for (std::int64_t i = tasks.runs[task.run]; i < tasks.runs[task.run + 1]; ++i)
      add_row(dy + token(i) * dim + task.first, dw, task.count);
  }
}

void embedding_tasks(const EmbeddingTasks& tasks, PartOf part) {
  with_elements(tasks.problem.dtype, tasks.buffers.dy, [&](const auto* dy) { add_tasks(tasks, dy, part); });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace assay::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace assay {
namespace cpu {
HWY_EXPORT(embedding_rows);
HWY_EXPORT(embedding_tasks);

namespace {
void copy_rows(const EmbeddingProblem& problem, const EmbeddingBuffers& buffers, bool past_caches, PartOf part) {
  HWY_DYNAMIC_DISPATCH(embedding_rows)(problem, buffers, past_caches, part);
}
void do_tasks(const EmbeddingTasks& tasks, PartOf part) { HWY_DYNAMIC_DISPATCH(embedding_tasks)(tasks, part); }
}  // namespace
}  // namespace cpu

namespace {

/// Tokens by id, those of one id in their order: least significant digit first, so that every pass keeps what it had.
class TokensById {
 public:
  explicit TokensById(const EmbeddingProblem& problem)
      : problem_(problem), tokens_(static_cast<std::size_t>(problem.tokens)), other_(tokens_.size()) {}

  void sort(const std::int32_t* ids) {
    for (std::size_t t = 0; t < tokens_.size(); ++t) tokens_[t] = static_cast<std::int32_t>(t);
    for (int shift = 0; (problem_.vocab - 1) >> shift > 0; shift += kBits) {
      count_.assign((std::size_t(1) << kBits) + 1, 0);
      const auto digit = [&](std::int32_t t) { return static_cast<std::size_t>(ids[t] >> shift & ((1 << kBits) - 1)); };
      for (const std::int32_t t : tokens_) ++count_[digit(t) + 1];
      for (std::size_t d = 1; d < count_.size(); ++d) count_[d] += count_[d - 1];
      for (const std::int32_t t : tokens_) other_[static_cast<std::size_t>(count_[digit(t)]++)] = t;
      tokens_.swap(other_);
    }
    runs_.clear();
    for (std::size_t i = 0; i < tokens_.size(); ++i)
      if (i == 0 || ids[tokens_[i]] != ids[tokens_[i - 1]]) runs_.push_back(static_cast<std::int64_t>(i));
    runs_.push_back(problem_.tokens);
  }
  const std::vector<std::int32_t>& tokens() const { return tokens_; }
  const std::vector<std::int64_t>& runs() const { return runs_; }

 private:
  static constexpr int kBits = 9;  // two passes for vocabularies up to 262144; counters in the first-level cache
  const EmbeddingProblem problem_;
  std::vector<std::int32_t> tokens_, other_;
  std::vector<std::int64_t> count_, runs_;
};

class CpuEmbedding final : public EmbeddingOperation {
 public:
  CpuEmbedding(const EmbeddingProblem& problem, const Target& target)
      : problem_(problem), target_(target), by_id_(problem) {}

  void launch(const EmbeddingBuffers& buffers, Stream) override {
    if (const std::string reason = reason_ids_unfit(problem_, buffers.ids); !reason.empty())
      throw std::out_of_range(reason);
    if (problem_.pass == LayerPass::forward)
      forward(buffers);
    else
      backward(buffers);
  }

 private:
  void forward(const EmbeddingBuffers& buffers) const {
    const double bytes = 2.0 * double(problem_.tokens * problem_.dim) * double(size_bytes(problem_.dtype));
    const bool past_caches = cpu::exceeds_caches(bytes, target_);
    cpu::for_parts(target_, problem_.tokens, 1, [&](std::int64_t begin, std::int64_t end) {
      cpu::copy_rows(problem_, buffers, past_caches, {begin, end});
    });
  }

  void backward(const EmbeddingBuffers& buffers) {
    by_id_.sort(buffers.ids);
    const cpu::EmbeddingTasks tasks{problem_, buffers, by_id_.tokens(), by_id_.runs()};
    const auto count = (std::int64_t(by_id_.runs().size()) - 1) * tasks.pieces();
    constexpr std::int64_t kTurn = 16;  // tasks: some 10 us
#pragma omp parallel for num_threads(std::max(target_.threads, 1)) schedule(dynamic, 1)
    for (std::int64_t first = 0; first < count; first += kTurn)
      cpu::do_tasks(tasks, {first, std::min(first + kTurn, count)});
  }

  const EmbeddingProblem problem_;
  const Target target_;
  TokensById by_id_;
};

}  // namespace

EmbeddingKernel cpu_embedding() {
  EmbeddingKernel row = cpu::vector_row<EmbeddingProblem, EmbeddingBuffers>();
  row.prepare = [](const EmbeddingProblem& problem, const Target& target, const std::vector<EmbeddingBuffers>&,
                   Stream) { return std::make_unique<CpuEmbedding>(problem, target); };
  return row;
}

}  // namespace assay
#endif
