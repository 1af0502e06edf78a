// Attention's backward reference: dq of one query, dk and dv of one key in fp64, from the o and lse that forward left,
// and the error a kernel of the contract may make on them.
//
// With u = 2^-24 (fp32), u_in the roundoff of the problem's type:
//
// 1. p_ij = exp(s_ij - lse_i): the argument has the error e_ij of reference.cpp's scores, with lse in the maximum's
//    place; p's is p (exp(e) - 1).
// 2. ds_ij = p_ij (dp_ij - delta_i), where dp = do.v and delta = o.do are sums in fp32 with errors g and h
//    (2 sqrt(value_dim) u sum|..| each): in all  p ((exp(e) - 1) |dp - delta| + exp(e) (g + h + 2 u (|dp| + |delta|))).
// 3. p and ds are rounded to the input type before the second products (not for f32).  As in reference.cpp: errors of
//    like terms cancel or scale the sum, unlike ones add as squares: u_in (|sum| + 6 sqrt(sum of squares)), never more
//    than u_in sum|..|; below the type's normal range each may lose half a step, or all it has.
// 4. Sums over n terms in fp32: 2 sqrt(n) u sum|..|.
// 5. dk and dv of a key-value head that several query heads read: libraries (cuDNN among them) round each query head's
//    part to the type before adding them; u_in sum over heads |part| allows for it.
// 6. Rounding of the output.
#include <algorithm>
#include <cmath>

#include "kernels/attention/attention.h"
#include "kernels/attention/reference_rows.h"

namespace assay {
namespace {

using reference::Dot;
using reference::kF32Roundoff;
using reference::load_row;

/// A factor of a sum: its exact value, and the error a kernel may have in it before rounding.
struct Factor {
  double value = 0, error = 0;
};

/// sum over terms of factor * row, with what its error is made of.
class WeightedSum {
 public:
  WeightedSum(DType dtype, std::int64_t width) : dtype_(dtype), columns_(static_cast<std::size_t>(width)) {}

  void add(const Factor& factor, const std::vector<double>& row) {
    const double lost = underflow(factor.value);
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      Column& column = columns_[c];
      const double term = factor.value * row[c];
      column.part += term;
      column.absolute += std::abs(term);
      column.squares += term * term;
      column.shifted += factor.error * std::abs(row[c]);
      column.underflow += lost * std::abs(row[c]);
    }
    ++terms_;
  }

  /// After the last term of one query head.
  void end_head() {
    for (Column& column : columns_) {
      column.sum += column.part;
      column.parts += std::abs(column.part);
      column.part = 0;
    }
    ++heads_;
  }

  AllowedRow result(double scale) const {
    const double u_in = dtype_ == DType::f32 ? 0 : unit_roundoff(dtype_);
    const DTypeInfo& type = info(dtype_);
    AllowedRow row;
    for (const Column& c : columns_) {
      const double rounding = std::min(u_in * (std::abs(c.sum) + 6 * std::sqrt(c.squares)), u_in * c.absolute);
      const double sums = 2 * std::sqrt(static_cast<double>(terms_)) * kF32Roundoff * c.absolute;
      const double heads = heads_ > 1 ? u_in * c.parts : 0;
      const double before_output = scale * (c.shifted + rounding + c.underflow + sums + heads);
      const double value = scale * c.sum;
      row.value.push_back(value);
      row.allowed.push_back(before_output +
                            (unit_roundoff(dtype_) + 2 * kF32Roundoff) * (std::abs(value) + before_output) +
                            std::ldexp(1.0, type.min_exponent - type.significand_bits));
    }
    return row;
  }

 private:
  struct Column {
    double sum = 0, part = 0;  // of the heads done, of the head under way
    double parts = 0;          // sum over heads |part|
    double absolute = 0, squares = 0, shifted = 0, underflow = 0;
  };

  /// What rounding to the input type may take from a factor below its normal range (fp32 too: instructions may flush).
  double underflow(double factor) const {
    const DTypeInfo& type = info(dtype_);
    const double smallest = std::ldexp(1.0, type.min_exponent);
    if (!(std::abs(factor) < smallest)) return 0;
    return std::min(std::abs(factor), dtype_ == DType::f16 ? std::ldexp(smallest, -type.significand_bits) : smallest);
  }

  DType dtype_;
  std::vector<Column> columns_;
  std::int64_t terms_ = 0, heads_ = 0;
};

/// A query with its do, o and lse, or a key with its value.
struct Query {
  std::vector<double> q, d_o;
  Dot delta;
  double lse = 0;
};
struct Key {
  std::vector<double> k, v;
};

Query load_query(const AttentionProblem& p, const AttentionBuffers& host, std::int64_t b, std::int64_t h,
                 std::int64_t i) {
  Query query;
  query.q.resize(static_cast<std::size_t>(p.head_dim));
  query.d_o.resize(static_cast<std::size_t>(p.value_dim()));
  std::vector<double> o(query.d_o.size());
  load_row(p.dtype, host.q, p.q_index(b, i, h), query.q);
  load_row(p.dtype, host.d_o, p.o_index(b, i, h), query.d_o);
  load_row(p.dtype, host.o, p.o_index(b, i, h), o);
  query.delta = reference::dot(o, query.d_o);
  query.lse = host.lse[p.lse_index(b, h, i)];
  return query;
}

Key load_key(const AttentionProblem& p, const AttentionBuffers& host, std::int64_t b, std::int64_t h_kv,
             std::int64_t j) {
  Key key;
  key.k.resize(static_cast<std::size_t>(p.head_dim));
  key.v.resize(static_cast<std::size_t>(p.value_dim()));
  load_row(p.dtype, host.k, p.k_index(b, j, h_kv), key.k);
  load_row(p.dtype, host.v, p.v_index(b, j, h_kv), key.v);
  return key;
}

struct Pair {
  Factor p, ds;
};

Pair pair_of(double scale, const Query& query, const Key& key) {
  const Dot score = reference::dot(query.q, key.k), dp = reference::dot(query.d_o, key.v);
  const double s = scale * score.value, e = reference::score_error(scale * score.fp32_error(), s, query.lse);
  Pair pair;
  pair.p.value = std::exp(s - query.lse);
  pair.p.error = pair.p.value * std::expm1(e);
  const double difference = dp.value - query.delta.value;
  pair.ds.value = pair.p.value * difference;
  pair.ds.error =
      pair.p.error * std::abs(difference) +
      (pair.p.value + pair.p.error) * (dp.fp32_error() + query.delta.fp32_error() +
                                       2 * kF32Roundoff * (std::abs(dp.value) + std::abs(query.delta.value)));
  return pair;
}

}  // namespace

AllowedRow attention_reference_dq(const AttentionProblem& p, const AttentionBuffers& host, std::int64_t b,
                                  std::int64_t h, std::int64_t i) {
  WeightedSum dq(p.dtype, p.head_dim);
  const Query query = load_query(p, host, b, h, i);
  const KeyRange keys = p.visible_keys(b, i);
  for (std::int64_t j = keys.begin; j < keys.end; ++j) {
    const Key key = load_key(p, host, b, h / p.group(), j);
    dq.add(pair_of(p.scale(), query, key).ds, key.k);
  }
  dq.end_head();
  return dq.result(p.scale());
}

AttentionKeyGradients attention_reference_dkv(const AttentionProblem& p, const AttentionBuffers& host, std::int64_t b,
                                              std::int64_t h_kv, std::int64_t j) {
  WeightedSum dk(p.dtype, p.head_dim), dv(p.dtype, p.value_dim());
  const Key key = load_key(p, host, b, h_kv, j);
  const KeyRange queries = p.seeing_queries(b, j);
  for (std::int64_t h = h_kv * p.group(); h < (h_kv + 1) * p.group(); ++h) {
    for (std::int64_t i = queries.begin; i < queries.end; ++i) {
      const Query query = load_query(p, host, b, h, i);
      const Pair pair = pair_of(p.scale(), query, key);
      dk.add(pair.ds, query.q);
      dv.add(pair.p, query.d_o);
    }
    dk.end_head();
    dv.end_head();
  }
  return {dk.result(p.scale()), dv.result(1)};
}

}  // namespace assay
