// Cross-entropy on a CPU: a row of logits at a time, each by one thread.
// Compiled by Highway for every instruction set and chosen at run time.
//
// A row is read from memory once and written once.  On the way in, blocks that fit the first-level cache: the block's
// largest logit, then exp(x - it) of each, kept in fp32 (in place, or for bf16 in a row of the thread's own) and
// summed. At the end of the row the blocks' sums are brought to the row's largest logit, which gives lse; on the way
// out each exponential is multiplied by its block's factor, scale (1 + 2 z lse) exp(block's largest - lse).  So every
// logit costs one exponential, in base 2.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include <omp.h>

#include "kernels/layer/cpu_elements.h"
#include "kernels/layer/cpu_token_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layer/cpu_cross_entropy.cpp"
#include "kernels/common/cpu/highway_targets.h"
// clang-format off: foreach_target.h must come first
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#ifndef ASSAY_LAYER_CPU_CROSS_ENTROPY
#define ASSAY_LAYER_CPU_CROSS_ENTROPY
namespace assay::cpu {

// Logits of a block: 16 KiB of the first-level cache with the exponentials of bf16, half that of fp32.
inline constexpr std::int64_t kBlock = 2048;

/// A thread's own memory.
struct CrossEntropyScratch {
  std::vector<float> exponentials;  // [vocab]; fp32 rows keep them where the logits were
  std::vector<float> max, sum;      // [blocks], and whole vectors behind them
};

struct CrossEntropyJob {
  const CrossEntropyProblem& problem;
  const CrossEntropyBuffers& buffers;
};

}  // namespace assay::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace assay::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {  // other files have names like these

// clang-format off: each stands for itself
#include "kernels/common/cpu/exp2-inl.h"
#include "kernels/layer/cpu_lanes-inl.h"
// clang-format on

constexpr float kLowest = std::numeric_limits<float>::lowest();
constexpr float kLog2E = 1.44269504f;
constexpr int kChains = 4;  // independent ones, for the latency to overlap

/// At least kLowest, so that -infinity less it is -infinity.
template <class T>
float max_of(const T* x, std::int64_t count) {
  Lanes max[kChains];
  for (auto& m : max) m = splat(kLowest);
  std::int64_t i = 0;
  for (; i + kChains * kLanes <= count; i += kChains * kLanes)
#pragma GCC unroll 4
    for (int c = 0; c < kChains; ++c) max[c] = hn::Max(max[c], load(x + i + c * kLanes));
  for (; i + kLanes <= count; i += kLanes) max[0] = hn::Max(max[0], load(x + i));
  if (i < count) max[1] = hn::Max(max[1], load_first(x + i, count - i, kLowest));
  const auto all = hn::Max(hn::Max(max[0], max[1]), hn::Max(max[2], max[3]));
  const float found = hn::GetLane(hn::MaxOfLanes(F32(), all));
  // A NaN may have been taken or passed over; its exponential shows it in any case.
  return found >= kLowest ? found : kLowest;
}

/// exp(x - max) into e, where it is kept; their sum.
template <bool kKeep, class T>
float exponentials_of(const T* x, float* e, std::int64_t count, float max) {
  const auto v_max = splat(max), log2e = splat(kLog2E);
  const auto exponential = [&](Lanes v) { return exp2_of(F32(), hn::Mul(hn::Sub(v, v_max), log2e)); };
  Lanes sum[kChains];
  for (auto& s : sum) s = splat(0);
  std::int64_t i = 0;
  for (; i + kChains * kLanes <= count; i += kChains * kLanes) {
    Lanes v[kChains];
#pragma GCC unroll 4
    for (int c = 0; c < kChains; ++c) {
      v[c] = exponential(load(x + i + c * kLanes));
      sum[c] = hn::Add(sum[c], v[c]);
    }
    if constexpr (kKeep)
#pragma GCC unroll 4
      for (int c = 0; c < kChains; ++c) store(v[c], e + i + c * kLanes);
  }
  for (; i + kLanes <= count; i += kLanes) {
    const auto v = exponential(load(x + i));
    sum[0] = hn::Add(sum[0], v);
    if constexpr (kKeep) store(v, e + i);
  }
  if (i < count) {
    const auto v = exponential(load_first(x + i, count - i, -std::numeric_limits<float>::infinity()));
    sum[1] = hn::Add(sum[1], v);
    if constexpr (kKeep) store_first(v, e + i, count - i);
  }
  return hn::GetLane(hn::SumOfLanes(F32(), hn::Add(hn::Add(sum[0], sum[1]), hn::Add(sum[2], sum[3]))));
}

HWY_INLINE void store_finite(Lanes x, float* to) { store(x, to); }
HWY_INLINE void store_finite(Lanes x, std::uint16_t* to) { hn::StoreU(to_bf16<false>(x), Bits16(), to); }

template <class T>
void scale_into(const float* e, T* to, std::int64_t count, float factor) {
  const auto v_factor = splat(factor);
  std::int64_t i = 0;
  for (; i + kChains * kLanes <= count; i += kChains * kLanes)
#pragma GCC unroll 4
    for (int c = 0; c < kChains; ++c) store_finite(hn::Mul(load(e + i + c * kLanes), v_factor), to + i + c * kLanes);
  for (; i + kLanes <= count; i += kLanes) store_finite(hn::Mul(load(e + i), v_factor), to + i);
  if (i < count) store_first(hn::Mul(load_first(e + i, count - i, 0), v_factor), to + i, count - i);
}

template <class T>
void fill(T* to, std::int64_t count, float value) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(splat(value), to + i);
  if (i < count) store_first(splat(value), to + i, count - i);
}

struct RowSum {
  float max;
  double lse;  // NaN where a logit is NaN or +infinity, or all are -infinity
};

/// Of the blocks' sums; each block's max becomes exp(max - the row's).
RowSum combine(CrossEntropyScratch& scratch, std::int64_t blocks) {
  RowSum row{scratch.max[0], 0};
  for (std::int64_t b = 1; b < blocks; ++b) row.max = std::max(row.max, scratch.max[static_cast<std::size_t>(b)]);
  for (std::int64_t b = 0; b < blocks; b += kLanes) {
    float* max = scratch.max.data() + b;
    store(exp2_of(F32(), hn::Mul(hn::Sub(load(max), splat(row.max)), splat(kLog2E))), max);
  }
  double sum = 0;
  for (std::int64_t b = 0; b < blocks; ++b) {
    const auto at = static_cast<std::size_t>(b);
    sum += double(scratch.max[at]) * double(scratch.sum[at]);
  }
  // The largest logit alone adds 1; what is less has none that is a number.
  row.lse = sum >= 0.5 ? double(row.max) + std::log(sum) : std::numeric_limits<double>::quiet_NaN();
  return row;
}

template <class T>
float* exponentials_at(T* x, CrossEntropyScratch& scratch) {
  if constexpr (std::is_same_v<T, float>)
    return x;
  else
    return scratch.exponentials.data();
}

/// [label] of dlogits and the rest, from the exponentials.
template <class T>
void write_gradient(const CrossEntropyJob& job, CrossEntropyScratch& scratch, const RowSum& row, T* x, float* e,
                    std::int32_t label, double label_logit) {
  const std::int64_t vocab = job.problem.vocab;
  const double scale = job.buffers.scale ? double(*job.buffers.scale) : 1;
  const double factor = 1 + 2 * double(job.problem.z_loss) * row.lse;
  const double of_max = scale * factor * std::exp(double(row.max) - row.lse);
  for (std::int64_t b = 0; b * kBlock < vocab; ++b) {
    const std::int64_t first = b * kBlock;
    const float of_block = static_cast<float>(of_max * double(scratch.max[static_cast<std::size_t>(b)]));
    scale_into(e + first, x + first, std::min(kBlock, vocab - first), of_block);
  }
  const double of_label = scale * (std::exp(label_logit - row.lse) * factor - 1);
  store_first(splat(static_cast<float>(of_label)), x + label, 1);
}

template <class T>
void row_of(const CrossEntropyJob& job, CrossEntropyScratch& scratch, std::int64_t t, T* x) {
  const CrossEntropyProblem& problem = job.problem;
  const std::int32_t label = job.buffers.labels[t];
  if (label == problem.ignore_index) {
    job.buffers.loss[t] = job.buffers.lse[t] = 0;
    if (problem.gradient) fill(x, problem.vocab, 0);
    return;
  }
  const double label_logit = double(to_float(x[label]));
  float* e = exponentials_at(x, scratch);
  std::int64_t blocks = 0;
  for (std::int64_t first = 0; first < problem.vocab; first += kBlock, ++blocks) {
    const std::int64_t count = std::min(kBlock, problem.vocab - first);
    const float max = max_of(x + first, count);
    const float sum = problem.gradient ? exponentials_of<true>(x + first, e + first, count, max)
                                       : exponentials_of<false>(x + first, e, count, max);
    scratch.max[static_cast<std::size_t>(blocks)] = max;
    scratch.sum[static_cast<std::size_t>(blocks)] = sum;
  }
  const RowSum row = combine(scratch, blocks);
  job.buffers.lse[t] = static_cast<float>(row.lse);
  job.buffers.loss[t] = static_cast<float>(row.lse - label_logit + double(problem.z_loss) * row.lse * row.lse);
  if (!problem.gradient) return;
  if (std::isnan(row.lse))
    fill(x, problem.vocab, std::numeric_limits<float>::quiet_NaN());
  else
    write_gradient(job, scratch, row, x, e, label, label_logit);
}

void cross_entropy_row(const CrossEntropyJob& job, CrossEntropyScratch& scratch, std::int64_t t) {
  with_elements(job.problem.dtype, job.buffers.logits,
                [&](auto* logits) { row_of(job, scratch, t, logits + t * job.problem.vocab); });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace assay::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace assay {
namespace cpu {
HWY_EXPORT(cross_entropy_row);

namespace {
void launch_row(const CrossEntropyJob& job, CrossEntropyScratch& scratch, std::int64_t t) {
  HWY_DYNAMIC_DISPATCH(cross_entropy_row)(job, scratch, t);
}
}  // namespace
}  // namespace cpu

namespace {

// Logits that a thread takes at once: some 10 us, against 0.1 us for asking for more.
constexpr std::int64_t kTurn = 32768;

class CpuCrossEntropy final : public CrossEntropyOperation {
 public:
  CpuCrossEntropy(const CrossEntropyProblem& problem, const Target& target)
      : problem_(problem), scratch_(static_cast<std::size_t>(cpu::threads_of(target))) {
    constexpr std::int64_t kSlack = 16;  // a vector at most
    const std::int64_t blocks = (problem.vocab + cpu::kBlock - 1) / cpu::kBlock;
    for (cpu::CrossEntropyScratch& own : scratch_) {
      own.max.resize(static_cast<std::size_t>(blocks + kSlack));
      own.sum.resize(own.max.size());
      if (problem.gradient && problem.dtype != DType::f32)
        own.exponentials.resize(static_cast<std::size_t>(problem.vocab));
    }
  }

  void launch(const CrossEntropyBuffers& buffers, Stream) override {
    if (const std::string reason = reason_labels_unfit(problem_, buffers.labels); !reason.empty())
      throw std::out_of_range(reason);
    const cpu::CrossEntropyJob job{problem_, buffers};
    const int threads = static_cast<int>(scratch_.size());
    const std::int64_t rows = std::max<std::int64_t>(1, kTurn / problem_.vocab);
    const std::int64_t turns = (problem_.tokens + rows - 1) / rows;
#pragma omp parallel num_threads(threads)
    {
      cpu::CrossEntropyScratch& own = scratch_[static_cast<std::size_t>(omp_get_thread_num())];
#pragma omp for schedule(dynamic, 1)
      for (std::int64_t turn = 0; turn < turns; ++turn)
        for (std::int64_t t = turn * rows; t < std::min((turn + 1) * rows, problem_.tokens); ++t)
          cpu::launch_row(job, own, t);
    }
  }

 private:
  const CrossEntropyProblem problem_;
  std::vector<cpu::CrossEntropyScratch> scratch_;
};

}  // namespace

CrossEntropyKernel cpu_cross_entropy() {
  CrossEntropyKernel row;
  row.name = "cpu_vector";
  row.dtypes = {DType::f32, DType::bf16};
  row.supports = [](const CrossEntropyProblem&, const Target&) { return Support::yes(); };
  row.prepare = [](const CrossEntropyProblem& problem, const Target& target, const std::vector<CrossEntropyBuffers>&,
                   Stream) { return std::make_unique<CpuCrossEntropy>(problem, target); };
  return row;
}

}  // namespace assay
#endif
