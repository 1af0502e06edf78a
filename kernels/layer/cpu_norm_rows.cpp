// RMSNorm and LayerNorm on a CPU: rows in a pipeline, so that memory is read and written all the time.  Compiled once
// for every vector instruction set by Highway's foreach_target; the best one is chosen at run time.
//
// A row is looked at two or three times: its sum of squares (LayerNorm: its sum, then the squares of the deviations),
// and its output.  One sweep does the first of row t + 1 (t + 2), which brings it from memory, and the last of row t,
// which the second-level cache still has.  Row after row, memory would idle while a row is finished: 55 to 73 % of a
// copy's rate.
//   row t + 2   take   read x (+ residual, write sum, keep it in caches): sum, or sum of squares
//   row t + 1   vary   LayerNorm: sum of squared deviations
//   row t       give   write y
// Backward: take reads x and dy for the row's one or two means, give writes dx and adds to dw and db.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/layer/cpu_norm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layer/cpu_norm_rows.cpp"
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

#include "kernels/layer/cpu_vector-inl.h"

HWY_INLINE float sum_of(Pair x) { return hn::GetLane(hn::SumOfLanes(D(), hn::Add(x.a, x.b))); }

HWY_INLINE Pair add_product(Pair x, Pair y, Pair sum) {
  return each(x, y, sum, [](Vec a, Vec b, Vec s) { return hn::MulAdd(a, b, s); });
}

template <class T, bool kCentred, bool kResidual, bool kStream>
class Forward {
 public:
  explicit Forward(const NormPart& p) : p_(p) {}

  void run() {
    constexpr std::int64_t kDepth = kCentred ? 2 : 1;  // rows between take and give
    for (std::int64_t take = 0; take < p_.tokens + kDepth; ++take) {
      const std::int64_t give = take - kDepth;
      if (give >= 0 && take < p_.tokens) {
        sweep<true, kCentred, true>(take, give);
        continue;
      }
      if (take < p_.tokens) sweep<true, false, false>(take, give);
      if (kCentred && take >= 1 && take <= p_.tokens) sweep<false, kCentred, false>(take, give);
      if (give >= 0) sweep<false, false, true>(take, give);
    }
  }

 private:
  using Element = typename T::Element;

  std::int64_t first(std::int64_t row) const { return row * p_.hidden; }
  /// What is normalised of a row that was taken.
  const void* taken(std::int64_t row) const {
    return kResidual ? kept(row) : static_cast<const Element*>(p_.x) + first(row);
  }
  Element* kept(std::int64_t row) const {
    const std::int64_t stride = (p_.hidden + kMaxUnit - 1) / kMaxUnit * kMaxUnit;
    return static_cast<Element*>(p_.kept) + (row + kKeptRows) % kKeptRows * stride;
  }

  template <bool kTake, bool kVary, bool kGive>
  void sweep(std::int64_t take, std::int64_t give) {
    const std::int64_t vary = give + 1;
    const Pair zero = {set(0), set(0)};
    Pair sum = zero, squares = zero;
    const Vec vary_mean = set(kVary ? p_.mean[vary] : 0);
    const Vec give_mean = set(kGive && kCentred ? p_.mean[give] : 0), rstd = set(kGive ? p_.rstd[give] : 0);
    for_units<T>(p_.hidden, [&](const auto& at, std::int64_t i) {
      if constexpr (kTake) {
        const Pair x = take_unit(at, take, i);
        if constexpr (kCentred)
          sum = each(sum, x, [](Vec s, Vec v) { return hn::Add(s, v); });
        else
          squares = add_product(x, x, squares);
      }
      if constexpr (kVary) {
        const Pair d = at.present(each(at.load(taken(vary), i), [&](Vec v) { return hn::Sub(v, vary_mean); }));
        squares = add_product(d, d, squares);
      }
      if constexpr (kGive) give_unit(at, give, i, give_mean, rstd);
    });
    const auto n = static_cast<float>(p_.hidden);
    if constexpr (kTake && kCentred) p_.mean[take] = sum_of(sum) / n;
    if constexpr (kTake && !kCentred) p_.rstd[take] = 1 / std::sqrt(sum_of(squares) / n + p_.epsilon);
    if constexpr (kVary) p_.rstd[vary] = 1 / std::sqrt(sum_of(squares) / n + p_.epsilon);
  }

  template <class Access>
  HWY_INLINE Pair take_unit(const Access& at, std::int64_t row, std::int64_t i) const {
    Pair x = at.load(p_.x, first(row) + i);
    if constexpr (kResidual) {
      x = T::rounded(each(x, at.load(p_.residual, first(row) + i), [](Vec a, Vec b) { return hn::Add(a, b); }));
      at.template store<kStream>(x, p_.sum, first(row) + i);
      at.template store<false>(x, kept(row), i);
    }
    return x;
  }

  template <class Access>
  HWY_INLINE void give_unit(const Access& at, std::int64_t row, std::int64_t i, Vec mean, Vec rstd) const {
    const Pair x = at.load(taken(row), i), weight = at.load(p_.weight, i);
    Pair y;
    if constexpr (kCentred)
      y = each(x, weight, at.load(p_.bias, i),
               [&](Vec v, Vec w, Vec b) { return hn::MulAdd(hn::Mul(hn::Sub(v, mean), rstd), w, b); });
    else
      y = each(x, weight, [&](Vec v, Vec w) { return hn::Mul(hn::Mul(v, rstd), w); });
    at.template store<kStream>(y, p_.y, first(row) + i);
  }

  const NormPart& p_;
};

template <class T, bool kCentred, bool kResidual, bool kStream>
class Backward {
 public:
  explicit Backward(const NormPart& p) : p_(p) {}

  void run() {
    if (p_.tokens == 0) return;
    sweep<true, false>(0);
    for (std::int64_t give = 0; give + 1 < p_.tokens; ++give) sweep<true, true>(give);
    sweep<false, true>(p_.tokens - 1);
  }

 private:
  /// Of a row: rstd, the mean (RMSNorm: 0), the means of g and of g xhat.
  struct Row {
    float rstd = 0, mean = 0, g = 0, slope = 0;
  };

  Pair xhat(Pair x, const Row& row) const {
    const Vec rstd = set(row.rstd), mean = set(row.mean);
    return each(x, [&](Vec v) { return hn::Mul(kCentred ? hn::Sub(v, mean) : v, rstd); });
  }

  /// Takes the row behind `give`, or the first one where nothing is given yet.
  template <bool kTake, bool kGive>
  void sweep(std::int64_t give) {
    const std::int64_t take = kGive ? give + 1 : give;
    const Pair zero = {set(0), set(0)};
    Pair g_sum = zero, slope_sum = zero;
    Row next;
    if constexpr (kTake) {
      next.rstd = p_.rstd[take];
      if constexpr (kCentred) next.mean = p_.mean[take];
    }
    const Row row = row_;
    for_units<T>(p_.hidden, [&](const auto& at, std::int64_t i) {
      const Pair weight = at.load(p_.weight, i);
      if constexpr (kTake) {
        const Pair x = xhat(at.load(p_.x, take * p_.hidden + i), next);
        const Pair g = each(at.load(p_.dy, take * p_.hidden + i), weight, [](Vec d, Vec w) { return hn::Mul(d, w); });
        slope_sum = add_product(g, x, slope_sum);
        if constexpr (kCentred) g_sum = each(g_sum, g, [](Vec s, Vec v) { return hn::Add(s, v); });
      }
      if constexpr (kGive) give_unit(at, give, i, weight, row);
    });
    if constexpr (kTake) {
      const auto n = static_cast<float>(p_.hidden);
      next.slope = sum_of(slope_sum) / n;
      if constexpr (kCentred) next.g = sum_of(g_sum) / n;
      row_ = next;
    }
  }

  template <class Access>
  HWY_INLINE void give_unit(const Access& at, std::int64_t token, std::int64_t i, Pair weight, const Row& row) const {
    const std::int64_t from = token * p_.hidden + i;
    const Pair x = xhat(at.load(p_.x, from), row), dy = at.load(p_.dy, from);
    const Vec rstd = set(row.rstd), mean = set(row.g), slope = set(row.slope);
    Pair dx = each(x, each(dy, weight, [](Vec d, Vec w) { return hn::Mul(d, w); }), [&](Vec v, Vec g) {
      const Vec centred = kCentred ? hn::Sub(g, mean) : g;
      return hn::Mul(hn::NegMulAdd(v, slope, centred), rstd);
    });
    if constexpr (kResidual) dx = each(dx, at.load(p_.d_sum, from), [](Vec a, Vec b) { return hn::Add(a, b); });
    at.template store<kStream>(dx, p_.dx, from);
    accumulate(add_product(dy, x, F32::load(p_.dw + i)), p_.dw + i);
    if constexpr (kCentred)
      accumulate(each(dy, F32::load(p_.db + i), [](Vec d, Vec s) { return hn::Add(d, s); }), p_.db + i);
  }

  static HWY_INLINE void accumulate(Pair sum, float* to) { F32::store<false>(sum, to); }

  const NormPart& p_;
  Row row_;
};

template <template <class, bool, bool, bool> class Pass, class T, bool kCentred, bool kResidual>
void run(const NormPart& p) {
  p.stream ? Pass<T, kCentred, kResidual, true>(p).run() : Pass<T, kCentred, kResidual, false>(p).run();
  if (p.stream) hwy::FlushStream();
}

template <template <class, bool, bool, bool> class Pass, class T>
void run(const NormPart& p, bool residual) {
  if (p.centred)
    residual ? run<Pass, T, true, true>(p) : run<Pass, T, true, false>(p);
  else
    residual ? run<Pass, T, false, true>(p) : run<Pass, T, false, false>(p);
}

void forward_rows(const NormPart& p) {
  const bool residual = p.residual != nullptr;
  p.dtype == DType::bf16 ? run<Forward, Bf16>(p, residual) : run<Forward, F32>(p, residual);
}

void backward_rows(const NormPart& p) {
  const bool residual = p.d_sum != nullptr;
  p.dtype == DType::bf16 ? run<Backward, Bf16>(p, residual) : run<Backward, F32>(p, residual);
}

template <class T>
void add_sums(const NormSums& s, std::int64_t begin, std::int64_t end) {
  for (std::int64_t c = begin; c < end; ++c) {
    const std::int64_t at = c / kUnit * kUnit + T::place(c % kUnit);
    float sum = 0;
    for (int part = 0; part < s.parts; ++part) sum += s.sums[part * s.stride + at];
    s.out[c] = s.accumulate ? s.out[c] + sum : sum;
  }
}

void sum_columns(const NormSums& s, std::int64_t begin, std::int64_t end) {
  s.dtype == DType::bf16 ? add_sums<Bf16>(s, begin, end) : add_sums<F32>(s, begin, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace assay::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace assay::cpu {
HWY_EXPORT(forward_rows);
HWY_EXPORT(backward_rows);
HWY_EXPORT(sum_columns);

void norm_forward(const NormPart& p) { HWY_DYNAMIC_DISPATCH(forward_rows)(p); }
void norm_backward(const NormPart& p) { HWY_DYNAMIC_DISPATCH(backward_rows)(p); }
void norm_sums(const NormSums& s, std::int64_t begin, std::int64_t end) {
  HWY_DYNAMIC_DISPATCH(sum_columns)(s, begin, end);
}

}  // namespace assay::cpu
#endif
