// Cross-entropy on a CPU: a row of logits at a time, each by one thread.
// Compiled by Highway for every instruction set and chosen at run time.
//
// A row is read from memory once and written once.  On the way in, blocks that fit the first-level cache: the block's
// largest logit, then exp(x - it) of each, kept in fp32 (in place, or for bf16 in a row of the thread's own) and
// summed.  Where logits are not overwritten the largest of the blocks before does as well, or of a beginning of the
// first, as long as none exceeds it by much: one look less, and longer blocks.  At the end of the row the blocks' sums
// are brought to the row's largest logit, which gives lse; on the way out each exponential is multiplied by its block's
// factor, scale (1 + 2 z lse) exp(block's largest - lse).  So every logit costs one exponential, in base 2.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include <omp.h>

#include "kernels/common/cpu/huge_array.h"
#include "kernels/layer/cpu/elements.h"
#include "kernels/layer/cpu/token_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layer/cpu/cross_entropy.cpp"
#include "kernels/layer/cpu/targets-inl.h"

#ifndef ASSAY_LAYER_CPU_CROSS_ENTROPY
#define ASSAY_LAYER_CPU_CROSS_ENTROPY
namespace assay::cpu {

// Logits of a block: 16 KiB of the first-level cache with the exponentials of bf16, half that of fp32.  Of one that is
// looked at once and of which nothing is kept, so many that the end of its sum costs little.
inline constexpr std::int64_t kBlock = 2048, kLongBlock = 8192;

/// A thread's own memory, on pages of its own: two threads write no line of each other's, and no vector lies across
/// two.
struct CrossEntropyScratch {
  HugeArray<float> exponentials;  // [vocab]; fp32 rows keep them where the logits were
  HugeArray<float> max, sum;      // [blocks], and whole vectors behind them
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

#include "kernels/layer/cpu/vector-inl.h"

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kLowest = std::numeric_limits<float>::lowest();
constexpr float kLog2E = 1.44269504f;
constexpr int kChains = 2;  // units in flight, of two vectors each, for the latency to overlap

float element_of(F32, float x) { return x; }
std::uint16_t element_of(Bf16, float x) { return float_to_bf16(x); }

/// The first elements of a unit, minus infinity behind them.
template <class T>
Pair load_first(const typename T::Element* from, std::int64_t count) {
  alignas(64) typename T::Element unit[kUnit];
  std::fill_n(unit, kUnit, element_of(T(), -kInfinity));
  std::copy_n(from, count, unit);
  return T::load(unit);
}

/// At least kLowest, so that -infinity less it is -infinity.
template <class T>
float max_of(const typename T::Element* x, std::int64_t count) {
  Pair max[kChains];
  for (Pair& m : max) m = {set(kLowest), set(kLowest)};
  const auto larger = [](Vec m, Vec v) { return hn::Max(m, v); };
  std::int64_t i = 0;
  for (; i + kChains * kUnit <= count; i += kChains * kUnit)
#pragma GCC unroll 2
    for (int c = 0; c < kChains; ++c) max[c] = each(max[c], T::load(x + i + c * kUnit), larger);
  for (; i + kUnit <= count; i += kUnit) max[0] = each(max[0], T::load(x + i), larger);
  if (i < count) max[1] = each(max[1], load_first<T>(x + i, count - i), larger);
  const Pair both = each(max[0], max[1], larger);
  const float found = hn::GetLane(hn::MaxOfLanes(D(), hn::Max(both.a, both.b)));
  // A NaN may have been taken or passed over; its exponential shows it in any case.
  return found >= kLowest ? found : kLowest;
}

/// Exponentials are kept as the pairs of vectors that they were made in; fp32's where the logits were, which ends with
/// the last element.
HWY_INLINE void keep(Pair e, float* to) {
  hn::StoreU(e.a, D(), to);
  hn::StoreU(e.b, D(), to + kLanes);
}
HWY_INLINE Pair kept(const float* from) { return {hn::LoadU(D(), from), hn::LoadU(D(), from + kLanes)}; }
/// A unit of logits, which may lie behind the last.
template <class Element>
HWY_INLINE void ask_for(const Element* unit) {
  constexpr std::int64_t kLine = 64 / static_cast<std::int64_t>(sizeof(Element));
  for (std::int64_t i = 0; i < kUnit; i += kLine) __builtin_prefetch(unit + i);
}

template <class T>
constexpr bool kInPlace = std::is_same_v<T, F32>;

/// Of a block's exponentials.
struct BlockSum {
  float sum;
  bool large;  // one is larger than what was taken off may leave, or no number
};

/// The bits of both vectors and those before.
HWY_INLINE hn::Vec<U> bits_of(Pair x, hn::Vec<U> before) {
  return hn::Or(before, hn::Or(hn::BitCast(U(), x.a), hn::BitCast(U(), x.b)));
}

/// Whether a block's logits are there for a second look.
template <class T, bool kKeep>
constexpr bool kStay = !(kKeep && kInPlace<T>);

/// Whether an exponential of 2 is too large, which the bits of all tell.  bf16's may be as large as their sum may,
/// 2^14, and cost one operation less: reference_cross_entropy.cpp allows for it.
template <class T, bool kKeep>
constexpr bool kTellByBits = kInPlace<T> && !kKeep;
constexpr float kMostOfBlock = 16384;  // where no logit exceeds what is taken off the sum is 8192 at most
static_assert(kMostOfBlock >= 2 * kLongBlock);

/// bf16's logits stay, and their exponentials may be large; but where these are kept, long blocks are 10 % slower.
template <class T, bool kKeep>
constexpr bool kLong = !kInPlace<T> && !kKeep;
template <class T, bool kKeep>
constexpr std::int64_t kLength = kLong<T, kKeep> ? kLongBlock : kBlock;

/// f(x) of each logit into e, where it is kept; their sum.  Meanwhile the logits of a block further are asked into the
/// first-level cache, since what looks for their largest has too little to do to hide memory's latency.
template <class T, bool kKeep, class F>
BlockSum keep_all(const typename T::Element* x, float* e, std::int64_t count, const F& f) {
  const auto add = [](Vec s, Vec v) { return hn::Add(s, v); };
  hn::Vec<U> bits[kChains];
  Pair sum[kChains];
  for (int c = 0; c < kChains; ++c) sum[c] = {set(0), set(0)}, bits[c] = hn::Zero(U());
  std::int64_t i = 0;
  for (; i + kChains * kUnit <= count; i += kChains * kUnit)
#pragma GCC unroll 2
    for (int c = 0; c < kChains; ++c) {
      ask_for(x + i + c * kUnit + kBlock);
      const Pair v = each(T::load(x + i + c * kUnit), f);
      sum[c] = each(sum[c], v, add);
      if constexpr (kTellByBits<T, kKeep>) bits[c] = bits_of(v, bits[c]);
      if constexpr (kKeep) keep(v, e + i + c * kUnit);
    }
  for (; i < count; i += kUnit) {
    const std::int64_t here = std::min(count - i, kUnit);
    const Pair v = each(load_first<T>(x + i, here), f);
    sum[0] = each(sum[0], v, add);
    bits[0] = bits_of(v, bits[0]);
    if constexpr (kKeep && kInPlace<T>)
      Part<F32>{here}.template store<false>(v, e, i);
    else if constexpr (kKeep)
      keep(v, e + i);
  }
  const Pair both = each(sum[0], sum[1], add);
  const float total = hn::GetLane(hn::SumOfLanes(D(), hn::Add(both.a, both.b)));
  if constexpr (!kTellByBits<T, kKeep>) return {total, !(total < kMostOfBlock)};
  constexpr std::uint32_t kTopOfExponent = std::uint32_t(1) << 30;  // of numbers that are not below 0: from 2 up
  const auto top = hn::And(hn::Or(bits[0], bits[1]), hn::Set(U(), kTopOfExponent));
  return {total, !hn::AllTrue(U(), hn::Eq(top, hn::Zero(U())))};
}

/// exp(x - max) into e; their sum.
template <class T, bool kKeep>
BlockSum exponentials_of(const typename T::Element* x, float* e, std::int64_t count, float max) {
  const auto log2e = set(kLog2E);
  // One rounding of a product and its difference to another costs less than the difference first; but products of
  // numbers near the largest overflow, and that of kLowest would.
  constexpr float kFar = 1e30f;
  if (std::abs(max) < kFar) {
    const auto max2 = set(max * kLog2E);
    return keep_all<T, kKeep>(x, e, count, [&](Vec v) { return exp2<T::kPowerOfSums>(hn::MulSub(v, log2e, max2)); });
  }
  const auto v_max = set(max);
  return keep_all<T, kKeep>(x, e, count,
                            [&](Vec v) { return exp2<T::kPowerOfSums>(hn::Mul(hn::Sub(v, v_max), log2e)); });
}

/// exp(x - max) into e; their sum.  `max`: the largest logit of the blocks before, kLowest before the first; afterwards
/// what was taken off.
template <class T, bool kKeep>
float sum_block(const typename T::Element* x, float* e, std::int64_t count, float& max) {
  // A logit above what is taken off loses precision as one below does: by ln 2 at most, or of bf16 by ln 16384, it is
  // within the error allowed.
  if (kLong<T, kKeep> && max == kLowest) max = max_of<T>(x, std::min(kBlock, count));
  if (kStay<T, kKeep> && max > kLowest)
    if (const BlockSum block = exponentials_of<T, kKeep>(x, e, count, max); !block.large) return block.sum;
  max = max_of<T>(x, count);
  return exponentials_of<T, kKeep>(x, e, count, max).sum;
}

/// The same of all blocks of a row, into `scratch`; how many.
template <class T, bool kKeep>
std::int64_t sum_row(const typename T::Element* x, float* e, std::int64_t vocab, CrossEntropyScratch& scratch) {
  float max = kLowest;
  std::int64_t blocks = 0;
  for (std::int64_t first = 0; first < vocab; first += kLength<T, kKeep>, ++blocks) {
    const std::int64_t count = std::min(kLength<T, kKeep>, vocab - first);
    const float sum = sum_block<T, kKeep>(x + first, kKeep ? e + first : e, count, max);
    scratch.max[static_cast<std::size_t>(blocks)] = max;
    scratch.sum[static_cast<std::size_t>(blocks)] = sum;
  }
  return blocks;
}

template <class T>
void scale_into(const float* e, typename T::Element* to, std::int64_t count, float factor) {
  const auto v_factor = set(factor);
  const auto scaled = [&](Vec v) { return hn::Mul(v, v_factor); };
  std::int64_t i = 0;
  for (; i + kChains * kUnit <= count; i += kChains * kUnit)
#pragma GCC unroll 2
    for (int c = 0; c < kChains; ++c)
      T::template store_quickly<false>(each(kept(e + i + c * kUnit), scaled), to + i + c * kUnit);
  for (; i < count; i += kUnit) {
    const Part<T> part{std::min(count - i, kUnit)};
    const Pair v = kInPlace<T> ? Pair(part.load_f32(e, i)) : kept(e + i);
    part.template store_quickly<false>(each(v, scaled), to, i);
  }
}

template <class T>
void fill(typename T::Element* to, std::int64_t count, float value) {
  for_units<T>(count, [&](const auto& access, std::int64_t i) {
    access.template store<false>({set(value), set(value)}, to, i);
  });
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
    float* max = scratch.max.get() + b;
    const auto fall = hn::Sub(hn::LoadU(D(), max), set(row.max));
    hn::StoreU(exp2(hn::Mul(fall, set(kLog2E))), D(), max);
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

/// [label] of dlogits and the rest, from the exponentials.
template <class T>
void write_gradient(const CrossEntropyJob& job, CrossEntropyScratch& scratch, const RowSum& row, typename T::Element* x,
                    float* e, std::int32_t label, double label_logit) {
  const std::int64_t vocab = job.problem.vocab;
  const double scale = job.buffers.scale ? double(*job.buffers.scale) : 1;
  const double factor = 1 + 2 * double(job.problem.z_loss) * row.lse;
  const double of_max = scale * factor * std::exp(double(row.max) - row.lse);
  for (std::int64_t b = (vocab - 1) / kBlock; b >= 0; --b) {  // from the end, which caches still have
    const std::int64_t first = b * kBlock;
    const float of_block = static_cast<float>(of_max * double(scratch.max[static_cast<std::size_t>(b)]));
    scale_into<T>(e + first, x + first, std::min(kBlock, vocab - first), of_block);
  }
  const double of_label = scale * (std::exp(label_logit - row.lse) * factor - 1);
  x[label] = element_of(T(), static_cast<float>(of_label));
}

template <class T>
void row_of(const CrossEntropyJob& job, CrossEntropyScratch& scratch, std::int64_t t, typename T::Element* logits) {
  const CrossEntropyProblem& problem = job.problem;
  auto* x = logits + t * problem.vocab;
  const std::int32_t label = job.buffers.labels[t];
  if (label == problem.ignore_index) {
    job.buffers.loss[t] = job.buffers.lse[t] = 0;
    if (problem.gradient) fill<T>(x, problem.vocab, 0);
    return;
  }
  const double label_logit = double(to_float(x[label]));
  float* e = scratch.exponentials.get();
  if constexpr (kInPlace<T>) e = x;
  const std::int64_t blocks = problem.gradient ? sum_row<T, true>(x, e, problem.vocab, scratch)
                                               : sum_row<T, false>(x, e, problem.vocab, scratch);
  const RowSum row = combine(scratch, blocks);
  job.buffers.lse[t] = static_cast<float>(row.lse);
  job.buffers.loss[t] = static_cast<float>(row.lse - label_logit + double(problem.z_loss) * row.lse * row.lse);
  if (!problem.gradient) return;
  if (std::isnan(row.lse))
    fill<T>(x, problem.vocab, std::numeric_limits<float>::quiet_NaN());
  else
    write_gradient<T>(job, scratch, row, x, e, label, label_logit);
}

void cross_entropy_row(const CrossEntropyJob& job, CrossEntropyScratch& scratch, std::int64_t t) {
  if (job.problem.dtype == DType::bf16)
    row_of<Bf16>(job, scratch, t, static_cast<std::uint16_t*>(job.buffers.logits));
  else
    row_of<F32>(job, scratch, t, static_cast<float*>(job.buffers.logits));
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

// Rows that a thread takes at once: some 10 us of logits, against 0.1 us for asking for more; and so many that each
// thread comes back kTurns times, no more: the row behind the last is asked for while that is written, in vain where
// another thread has it.
constexpr std::int64_t kTurn = 32768, kTurns = 16;

std::int64_t rows_of_turn(const CrossEntropyProblem& problem, int threads) {
  return std::max({std::int64_t(1), kTurn / problem.vocab, problem.tokens / (kTurns * threads)});
}

class CpuCrossEntropy final : public CrossEntropyOperation {
 public:
  CpuCrossEntropy(const CrossEntropyProblem& problem, const Target& target)
      : problem_(problem), scratch_(static_cast<std::size_t>(std::max(target.threads, 1))) {
    constexpr std::int64_t kSlack = 32;  // a unit at most
    const std::int64_t blocks = (problem.vocab + cpu::kBlock - 1) / cpu::kBlock;
    for (cpu::CrossEntropyScratch& own : scratch_) {
      own.max = cpu::huge_array<float>(static_cast<std::size_t>(blocks + kSlack));
      own.sum = cpu::huge_array<float>(static_cast<std::size_t>(blocks + kSlack));
      if (problem.gradient && problem.dtype != DType::f32)
        own.exponentials = cpu::huge_array<float>(static_cast<std::size_t>(problem.vocab + kSlack));
    }
  }

  void launch(const CrossEntropyBuffers& buffers, Stream) override {
    if (const std::string reason = reason_labels_unfit(problem_, buffers.labels); !reason.empty())
      throw std::out_of_range(reason);
    const cpu::CrossEntropyJob job{problem_, buffers};
    const int threads = static_cast<int>(scratch_.size());
    const std::int64_t rows = rows_of_turn(problem_, threads);
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
  CrossEntropyKernel row = cpu::vector_row<CrossEntropyProblem, CrossEntropyBuffers>();
  row.prepare = [](const CrossEntropyProblem& problem, const Target& target, const std::vector<CrossEntropyBuffers>&,
                   Stream) { return std::make_unique<CpuCrossEntropy>(problem, target); };
  return row;
}

}  // namespace assay
#endif
