// RMSNorm and LayerNorm on a CPU, row after row.  Compiled once for every vector instruction set by Highway's
// foreach_target; the best one is chosen at run time.
//
// A row is looked at two or three times: its sum of squares (LayerNorm: its sum, then the squares of the deviations),
// and its output.  Memory must not idle while the sums are taken: while a row is written, the row after the next is
// asked into the second-level cache, so that sums find theirs there.  One core of Zen 4, f32, rows of 4096: 35 GB/s,
// where it copies 41; 26 where the next row's sum is taken straight from memory in the loop that writes.
//   take   read x (+ residual, write sum, keep it in caches): sum, or sum of squares
//   vary   LayerNorm: sum of squared deviations
//   give   write y
// bf16 with a residual gives a row and takes the next in one sweep, since what it computes on the way would otherwise
// keep memory waiting (two cores placed far apart: 71 GB/s against 62 without); for fp32, bound by what the
// second-level cache gives, that is slower (57 GB/s against 72). Backward: take reads x and dy for the row's one or two
// means, give writes dx and adds to dw and db.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/layer/cpu/norm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layer/cpu/norm_rows.cpp"
#include "kernels/layer/cpu/targets-inl.h"

HWY_BEFORE_NAMESPACE();
namespace assay::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#include "kernels/layer/cpu/vector-inl.h"

HWY_INLINE float sum_of(Pair x) { return hn::GetLane(hn::SumOfLanes(D(), hn::Add(x.a, x.b))); }

HWY_INLINE Pair add_product(Pair x, Pair y, Pair sum) {
  return each(x, y, sum, [](Vec a, Vec b, Vec s) { return hn::MulAdd(a, b, s); });
}

// Elements ahead of a sum that its inputs are asked for once more, since a core has no room for all that it asked for
// while it wrote: 8 KiB (bf16 backward 30 GB/s of one core; 27 with 2 KiB, 28.5 with 4).
template <class T>
constexpr std::int64_t kAhead = 8192 / static_cast<std::int64_t>(sizeof(typename T::Element));

/// A NaN without the payload that store_quickly could carry into a number.
float plain(float x) { return x == x ? x : std::numeric_limits<float>::quiet_NaN(); }

template <class T, bool kCentred, bool kResidual, bool kStream>
class Forward {
 public:
  explicit Forward(const NormPart& p) : p_(p) {}

  void run() {
    for (std::int64_t row = 0; row < p_.tokens; ++row) {
      if (!kTogether || row == 0) sweep<false, true>(row - 1);
      finish(row);
      if (kTogether && row + 1 < p_.tokens)
        sweep<true, true>(row);
      else
        sweep<true, false>(row);
    }
  }

 private:
  using Element = typename T::Element;
  static constexpr bool kTogether = kResidual && sizeof(Element) == 2;

  std::int64_t first(std::int64_t row) const { return row * p_.hidden; }
  /// Where the sums of a row are kept while it is given and, if together, the next is taken.
  Element* kept(std::int64_t row) const {
    return static_cast<Element*>(p_.kept) + (kTogether ? row % 2 * p_.kept_stride : 0);
  }
  /// What is normalised of a row that was taken.
  const void* taken(std::int64_t row) const {
    return kResidual ? kept(row) : static_cast<const Element*>(p_.x) + first(row);
  }

  /// rstd, and the mean, of a row that was taken.
  void finish(std::int64_t row) {
    const auto n = static_cast<float>(p_.hidden);
    float squares = sum_;
    if constexpr (kCentred) {
      p_.mean[row] = sum_ / n;
      squares = vary(row);
    }
    p_.rstd[row] = 1 / std::sqrt(squares / n + p_.epsilon);
  }

  /// Gives `row` and takes the next.
  template <bool kGive, bool kTake>
  void sweep(std::int64_t row) {
    const NormPart p = p_;
    const Vec mean = set(kGive && kCentred ? p.mean[row] : 0), rstd = set(kGive ? p.rstd[row] : 0);
    const void* in = kGive ? taken(row) : nullptr;
    void* keep = kResidual && kTake ? kept(row + 1) : nullptr;
    const std::int64_t out = first(row), next = first(row + 1);
    const std::int64_t later = first(std::min(row + 2, p.tokens - 1));
    Pair sum = {set(0), set(0)};
    for_single_units<T>(p.hidden, [&](const auto& at, std::int64_t i) ASSAY_INLINED {
      // All loads before stores, whose addresses may end in the same twelve bits.
      Pair y, x;
      if constexpr (kGive && !kTogether) ask_ahead<T>(p.x, later + i);
      if constexpr (kGive && !kTogether && kResidual) ask_ahead<T>(p.residual, later + i);
      if constexpr (kGive) y = given(at, p, at.load(in, i), i, mean, rstd);
      if constexpr (kTake) {
        ask_ahead<T>(p.x, next + i + kAhead<T>);
        if constexpr (kResidual) ask_ahead<T>(p.residual, next + i + kAhead<T>);
        x = summed(at, p, next + i);
        sum = kCentred ? each(sum, x, [](Vec s, Vec v) { return hn::Add(s, v); }) : add_product(x, x, sum);
      }
      if constexpr (kTake && kResidual) {
        at.template store_exact<kStream>(x, p.sum, next + i);
        at.template store_exact<false>(x, keep, i);
      }
      if constexpr (kGive) at.template store_quickly<kStream>(y, p.y, out + i);
    });
    if (kTake) sum_ = sum_of(sum);
  }

  template <class Access>
  static HWY_INLINE Pair summed(const Access& at, const NormPart& p, std::int64_t from) {
    const Pair x = at.load(p.x, from);
    if constexpr (!kResidual) return x;
    return T::rounded(each(x, at.load(p.residual, from), [](Vec a, Vec b) { return hn::Add(a, b); }));
  }

  template <class Access>
  static HWY_INLINE Pair given(const Access& at, const NormPart& p, Pair x, std::int64_t i, Vec mean, Vec rstd) {
    const Pair weight = at.load(p.weight, i);
    if constexpr (kCentred)
      return each(x, weight, at.load(p.bias, i),
                  [&](Vec v, Vec w, Vec b) { return hn::MulAdd(hn::Mul(hn::Sub(v, mean), rstd), w, b); });
    else
      return each(x, weight, [&](Vec v, Vec w) { return hn::Mul(hn::Mul(v, rstd), w); });
  }

  float vary(std::int64_t row) const {
    const Vec mean = set(p_.mean[row]);
    Pair squares = {set(0), set(0)};
    for_units<T>(p_.hidden, [&](const auto& at, std::int64_t i) {
      const Pair d = at.present(each(at.load(taken(row), i), [&](Vec v) { return hn::Sub(v, mean); }));
      squares = add_product(d, d, squares);
    });
    return sum_of(squares);
  }

  const NormPart& p_;  // copied where stores to fp32 sums might, for all the compiler knows, change it
  float sum_ = 0;      // of the row that was taken, or of its squares
};

template <class T, bool kCentred, bool kResidual, bool kStream>
class Backward {
 public:
  explicit Backward(const NormPart& p) : p_(p) {}

  void run() const {
    std::int64_t token = 0;
    for (; token + kRows <= p_.tokens; token += kRows) run_rows<kRows>(token);
    for (; token < p_.tokens; ++token) run_rows<1>(token);
  }

 private:
  // Rows at a time, for which weight and dw are loaded and stored once: fp32's are bound by what the second-level cache
  // gives (5 % faster), bf16's by the conversions, of which two rows want more registers (8 % slower).
  static constexpr int kRows = sizeof(typename T::Element) == sizeof(float) ? 2 : 1;

  /// Of a row: rstd, the mean (RMSNorm: 0), the means of g and of g xhat.
  struct Row {
    float rstd = 0, mean = 0, g = 0, slope = 0;
  };

  static HWY_INLINE Pair xhat(Pair x, const Row& row) {
    const Vec rstd = set(row.rstd), mean = set(row.mean);
    return each(x, [&](Vec v) { return hn::Mul(kCentred ? hn::Sub(v, mean) : v, rstd); });
  }
  static HWY_INLINE Pair product(Pair x, Pair y) {
    return each(x, y, [](Vec a, Vec b) { return hn::Mul(a, b); });
  }

  template <int kCount>
  void run_rows(std::int64_t token) const {
    Row rows[kCount];
    take(token, rows);
    give(token, rows);
  }

  template <int kCount>
  void take(std::int64_t token, Row (&rows)[kCount]) const {
    const NormPart p = p_;
    Pair g_sum[kCount], slope_sum[kCount];
    for (int r = 0; r < kCount; ++r) {
      rows[r].rstd = plain(p.rstd[token + r]);
      if constexpr (kCentred) rows[r].mean = plain(p.mean[token + r]);
      g_sum[r] = slope_sum[r] = {set(0), set(0)};
    }
    for_units<T>(p.hidden, [&](const auto& at, std::int64_t i) {
      const Pair weight = at.load(p.weight, i);
#pragma GCC unroll 2
      for (int r = 0; r < kCount; ++r) {
        const std::int64_t from = (token + r) * p.hidden + i;
        ask_ahead<T>(p.x, from + kAhead<T>);
        ask_ahead<T>(p.dy, from + kAhead<T>);
        if constexpr (kResidual) ask_ahead<T>(p.d_sum, from);  // for give
        const Pair g = product(at.load(p.dy, from), weight);
        slope_sum[r] = add_product(g, xhat(at.load(p.x, from), rows[r]), slope_sum[r]);
        if constexpr (kCentred) g_sum[r] = each(g_sum[r], g, [](Vec s, Vec v) { return hn::Add(s, v); });
      }
    });
    const auto n = static_cast<float>(p.hidden);
    for (int r = 0; r < kCount; ++r) {
      rows[r].slope = sum_of(slope_sum[r]) / n;
      if constexpr (kCentred) rows[r].g = sum_of(g_sum[r]) / n;
    }
  }

  template <int kCount>
  void give(std::int64_t token, const Row (&rows)[kCount]) const {
    const NormPart p = p_;
    const std::int64_t ahead = std::min(token + 2 * kCount, p.tokens - kCount) - token;
    Row row[kCount];  // which a store to dw might change, for all the compiler knows
    std::copy_n(rows, kCount, row);
    for_units<T>(p.hidden, [&](const auto& at, std::int64_t i) {
      const Pair weight = at.load(p.weight, i);
      Pair dw = F32::load(p.dw + i), db = dw;
      if constexpr (kCentred) db = F32::load(p.db + i);
#pragma GCC unroll 2
      for (int r = 0; r < kCount; ++r) {
        const std::int64_t from = (token + r) * p.hidden + i;
        ask_ahead<T>(p.x, from + ahead * p.hidden);
        ask_ahead<T>(p.dy, from + ahead * p.hidden);
        const Pair x = xhat(at.load(p.x, from), row[r]), dy = at.load(p.dy, from);
        const Pair dx = dx_of(x, product(dy, weight), row[r]);
        if constexpr (kResidual) {
          at.template store_quickly<kStream>(
              each(dx, at.load(p.d_sum, from), [](Vec a, Vec b) { return hn::Add(a, b); }), p.dx, from);
        } else {
          at.template store_quickly<kStream>(dx, p.dx, from);
        }
        dw = add_product(dy, x, dw);
        if constexpr (kCentred) db = each(dy, db, [](Vec d, Vec s) { return hn::Add(d, s); });
      }
      F32::store<false>(dw, p.dw + i);
      if constexpr (kCentred) F32::store<false>(db, p.db + i);
    });
  }

  static HWY_INLINE Pair dx_of(Pair x, Pair g, const Row& row) {
    const Vec rstd = set(row.rstd), mean = set(row.g), slope = set(row.slope);
    return each(x, g,
                [&](Vec v, Vec h) { return hn::Mul(hn::NegMulAdd(v, slope, kCentred ? hn::Sub(h, mean) : h), rstd); });
  }

  const NormPart& p_;
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

/// In registers while all parts are gone through: a cache line or more of each part at a time.
template <class T, int kUnits, class Access>
HWY_INLINE void add_units(const NormSums& s, const Access& at, std::int64_t column) {
  Pair sum[kUnits];
#pragma GCC unroll 4
  for (Pair& one : sum) one = {set(0), set(0)};
  const auto add = [](Vec x, Vec y) { return hn::Add(x, y); };
  for (int part = 0; part < s.parts; ++part) {
    const float* from = s.sums + part * s.stride + column;
#pragma GCC unroll 4
    for (int u = 0; u < kUnits; ++u) sum[u] = each(sum[u], F32::load(from + u * kUnit), add);
  }
#pragma GCC unroll 4
  for (int u = 0; u < kUnits; ++u) {
    const std::int64_t to = column + u * kUnit;
    at.store_f32(s.accumulate ? each(Pair(at.load_f32(s.out, to)), sum[u], add) : sum[u], s.out, to);
  }
}

template <class T>
void add_sums(const NormSums& s, std::int64_t begin, std::int64_t end) {
  constexpr int kUnits = 4;
  std::int64_t c = begin;
  for (; c + kUnits * kUnit <= end; c += kUnits * kUnit) add_units<T, kUnits>(s, Whole<T>(), c);
  for (; c + kUnit <= end; c += kUnit) add_units<T, 1>(s, Whole<T>(), c);
  if (c < end) add_units<T, 1>(s, Part<T>{end - c}, c);
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
