// The backward references against results known without them: finite differences of the forward reference, gradients
// written down densely in fp64, identities, and planted errors, which must exceed what they allow.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/kernels/attention/gradients.h"

namespace assay {
namespace {

using test::GradientInputs, test::Gradients, test::gradient_case_name, test::gradient_mismatch,
    test::normal_gradient_inputs, test::poisoned_gradients;

AttentionProblem small(std::int64_t heads, std::int64_t kv_heads, std::int64_t seq_q, std::int64_t seq_kv,
                       bool causal) {
  AttentionProblem p;
  p.pass = AttentionPass::backward;
  p.heads = heads, p.kv_heads = kv_heads, p.seq_q = seq_q, p.seq_kv = seq_kv, p.head_dim = 4, p.causal = causal;
  p.dtype = DType::f32;
  return p;
}

/// Every mask, GQA, another width of values, packed sequences some of which are empty.
std::vector<AttentionProblem> small_problems() {
  std::vector<AttentionProblem> problems{small(1, 1, 3, 5, false), small(2, 1, 4, 6, true), small(1, 1, 5, 3, true)};
  AttentionProblem grouped = small(4, 2, 3, 3, true);
  grouped.batch = 2, grouped.head_dim_v = 3;
  AttentionProblem window = small(2, 2, 6, 8, true);
  window.window = 3, window.head_dim_v = 6;
  AttentionProblem packed = small(2, 1, 4, 5, true);
  packed.batch = 5;
  packed.q_offsets = {0, 3, 3, 5, 9, 9}, packed.kv_offsets = {0, 5, 7, 7, 10, 10};  // no queries, no keys, neither
  AttentionProblem packed_window = packed;
  packed_window.window = 2;
  problems.insert(problems.end(), {grouped, window, packed, packed_window});
  return problems;
}

class EveryProblem : public testing::TestWithParam<AttentionProblem> {};

// --- finite differences

/// sum over all queries of o . do, in fp64 from the fp32 inputs.
double loss(const AttentionProblem& p, const GradientInputs& in) {
  double sum = 0;
  for (std::int64_t b = 0; b < p.batch; ++b)
    for (std::int64_t h = 0; h < p.heads; ++h)
      for (std::int64_t i = 0; i < p.queries(b); ++i) {
        const AttentionRow row = attention_reference(p, in.q.data(), in.k.data(), in.v.data(), b, h, i);
        for (std::size_t c = 0; c < row.o.size(); ++c)
          sum += row.o[c] * load_element(p.dtype, in.d_o.data(), p.o_index(b, i, h) + static_cast<std::int64_t>(c));
      }
  return sum;
}

/// Central differences of steps 2^-6 and 2^-7, extrapolated to zero: an error of the order of 2^-28.  Inputs are cut to
/// multiples of 2^-12, so that every moved one is an fp32 number exactly.
double difference(const AttentionProblem& p, GradientInputs& in, std::vector<unsigned char>& array,
                  std::int64_t index) {
  const double value = load_element(p.dtype, array.data(), index);
  const auto central = [&](double step) {
    store_element(p.dtype, array.data(), index, value + step);
    const double up = loss(p, in);
    store_element(p.dtype, array.data(), index, value - step);
    const double down = loss(p, in);
    store_element(p.dtype, array.data(), index, value);
    return (up - down) / (2 * step);
  };
  return (4 * central(std::ldexp(1, -7)) - central(std::ldexp(1, -6))) / 3;
}

void cut_to_grid(std::vector<unsigned char>& array) {
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(array.size() / sizeof(float)); ++i)
    store_element(DType::f32, array.data(), i,
                  std::ldexp(std::round(std::ldexp(load_element(DType::f32, array.data(), i), 12)), -12));
}

/// o and lse, which the references read, are rounded to fp32: 2^-24 of sums of a few terms of about one.
constexpr double kDifferenceError = 2e-6;

void expect_near(const AttentionProblem& p, GradientInputs& in, std::vector<unsigned char>& array, std::int64_t first,
                 const AllowedRow& row, const char* what) {
  for (std::size_t c = 0; c < row.value.size(); ++c) {
    const double expected = difference(p, in, array, first + static_cast<std::int64_t>(c));
    EXPECT_NEAR(row.value[c], expected, kDifferenceError * (1 + std::abs(expected))) << what << " element " << c;
  }
}

TEST_P(EveryProblem, EqualsFiniteDifferencesOfForward) {
  const AttentionProblem p = GetParam();
  GradientInputs in = normal_gradient_inputs(p, 1);
  for (auto* array : {&in.q, &in.k, &in.v}) cut_to_grid(*array);
  test::run_forward(p, in);
  for (std::int64_t b = 0; b < p.batch; ++b) {
    for (std::int64_t h = 0; h < p.heads; ++h)
      for (std::int64_t i = 0; i < p.queries(b); ++i)
        expect_near(p, in, in.q, p.q_index(b, i, h), attention_reference_dq(p, in.host(), b, h, i), "dq");
    for (std::int64_t h = 0; h < p.kv_heads; ++h)
      for (std::int64_t j = 0; j < p.keys(b); ++j) {
        const AttentionKeyGradients row = attention_reference_dkv(p, in.host(), b, h, j);
        expect_near(p, in, in.k, p.k_index(b, j, h), row.dk, "dk");
        expect_near(p, in, in.v, p.v_index(b, j, h), row.dv, "dv");
      }
  }
}

INSTANTIATE_TEST_SUITE_P(AttentionReferenceBackward, EveryProblem, testing::ValuesIn(small_problems()),
                         [](const auto& info) { return gradient_case_name(info.param); });

// --- the definition, written down densely

enum class Bug {
  none,
  no_scale,  // of dq
  no_scale_dk,
  mask_top_left,
  no_delta,
  one_query_head_forgotten,  // in dk and dv: the last of each group
  one_window_key_more,
  p_from_the_wrong_lse,  // of the query before
};

/// All three gradients in fp64, from the definition; p and ds rounded to the type before the second products, as
/// kernels do, where `rounded`.
class Dense {
 public:
  Dense(const AttentionProblem& p, const GradientInputs& in, Bug bug, bool rounded)
      : p_(p), in_(in), bug_(bug), rounded_(rounded) {
    dq_.resize(static_cast<std::size_t>(p.q_elements()));
    dk_.resize(static_cast<std::size_t>(p.k_elements()));
    dv_.resize(static_cast<std::size_t>(p.v_elements()));
    for (std::int64_t b = 0; b < p.batch; ++b)
      for (std::int64_t h = 0; h < p.heads; ++h)
        for (std::int64_t i = 0; i < p.queries(b); ++i)
          for (std::int64_t j = 0; j < p.keys(b); ++j)
            if (visible(b, i, j)) add_pair(b, h, i, j);
  }

  Gradients gradients() const {
    Gradients g = poisoned_gradients(p_);
    store(dq_, g.dq), store(dk_, g.dk), store(dv_, g.dv);
    return g;
  }

 private:
  bool visible(std::int64_t b, std::int64_t i, std::int64_t j) const {
    if (!p_.causal) return true;
    const std::int64_t position = i + (bug_ == Bug::mask_top_left ? 0 : p_.keys(b) - p_.queries(b));
    const std::int64_t window = p_.window + (bug_ == Bug::one_window_key_more);
    return j <= position && (p_.window == 0 || j > position - window);
  }
  double dot(const std::vector<unsigned char>& x, std::int64_t x_first, const std::vector<unsigned char>& y,
             std::int64_t y_first, std::int64_t n) const {
    double sum = 0;
    for (std::int64_t c = 0; c < n; ++c)
      sum += load_element(p_.dtype, x.data(), x_first + c) * load_element(p_.dtype, y.data(), y_first + c);
    return sum;
  }
  double round(double value) const { return rounded_ ? round_to(p_.dtype, value) : value; }

  void add_pair(std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) {
    const std::int64_t h_kv = h / p_.group(), q = p_.q_index(b, i, h), o = p_.o_index(b, i, h),
                       k = p_.k_index(b, j, h_kv), v = p_.v_index(b, j, h_kv);
    const double s = p_.scale() * dot(in_.q, q, in_.k, k, p_.head_dim);
    const std::int64_t lse_row = bug_ == Bug::p_from_the_wrong_lse ? std::max<std::int64_t>(i - 1, 0) : i;
    const double weight = std::exp(s - double(in_.lse[static_cast<std::size_t>(p_.lse_index(b, h, lse_row))]));
    const double delta = bug_ == Bug::no_delta ? 0 : dot(in_.o, o, in_.d_o, o, p_.value_dim());
    const double ds = round(weight * (dot(in_.d_o, o, in_.v, v, p_.value_dim()) - delta)), probability = round(weight);
    const double dq_scale = bug_ == Bug::no_scale ? 1 : p_.scale(),
                 dk_scale = bug_ == Bug::no_scale_dk ? 1 : p_.scale();
    for (std::int64_t c = 0; c < p_.head_dim; ++c)
      dq_[static_cast<std::size_t>(q + c)] += dq_scale * ds * load_element(p_.dtype, in_.k.data(), k + c);
    if (bug_ == Bug::one_query_head_forgotten && h % p_.group() == p_.group() - 1) return;
    for (std::int64_t c = 0; c < p_.head_dim; ++c)
      dk_[static_cast<std::size_t>(k + c)] += dk_scale * ds * load_element(p_.dtype, in_.q.data(), q + c);
    for (std::int64_t c = 0; c < p_.value_dim(); ++c)
      dv_[static_cast<std::size_t>(v + c)] += probability * load_element(p_.dtype, in_.d_o.data(), o + c);
  }
  void store(const std::vector<double>& from, std::vector<unsigned char>& to) const {
    for (std::size_t e = 0; e < from.size(); ++e)
      store_element(p_.dtype, to.data(), static_cast<std::int64_t>(e), from[e]);
  }

  const AttentionProblem& p_;
  const GradientInputs& in_;
  Bug bug_;
  bool rounded_;
  std::vector<double> dq_, dk_, dv_;
};

/// The problems above, in sizes at which a rounding is no longer a rare event.
std::vector<AttentionProblem> middling_problems() {
  std::vector<AttentionProblem> problems;
  for (const DType dtype : {DType::bf16, DType::f16, DType::f32}) {
    AttentionProblem p = small(4, 2, 33, 47, true);
    p.dtype = dtype, p.head_dim = 32, p.head_dim_v = 16;
    problems.push_back(p);
    p.window = 10;
    problems.push_back(p);
    p.window = 0, p.causal = false, p.batch = 2;
    problems.push_back(p);
    p.batch = 4, p.causal = true, p.q_offsets = {0, 20, 20, 31, 60}, p.kv_offsets = {0, 9, 20, 20, 67};
    problems.push_back(p);
  }
  return problems;
}

class MiddlingProblem : public testing::TestWithParam<AttentionProblem> {};

TEST_P(MiddlingProblem, AllowsTheDefinitionsResult) {
  const AttentionProblem& p = GetParam();
  const GradientInputs in = normal_gradient_inputs(p, 2);
  EXPECT_EQ(gradient_mismatch(p, in, Dense(p, in, Bug::none, false).gradients()), "");
  EXPECT_EQ(gradient_mismatch(p, in, Dense(p, in, Bug::none, true).gradients()), "") << "p and ds rounded";
  const GradientInputs far = test::constant_logit_gradient_inputs(p, 3, -120);  // lse below -88, where e^lse is zero
  EXPECT_EQ(gradient_mismatch(p, far, Dense(p, far, Bug::none, true).gradients()), "") << "scores of about -120";
  const GradientInputs sharp = normal_gradient_inputs(p, 4, 30, 30);  // one key takes all
  EXPECT_EQ(gradient_mismatch(p, sharp, Dense(p, sharp, Bug::none, true).gradients()), "") << "scores of thousands";
}

TEST_P(MiddlingProblem, RefusesErrors) {
  const AttentionProblem& p = GetParam();
  const GradientInputs in = normal_gradient_inputs(p, 2);
  const auto refused = [&](Bug bug) { return !gradient_mismatch(p, in, Dense(p, in, bug, false).gradients()).empty(); };
  EXPECT_TRUE(refused(Bug::no_scale));
  EXPECT_TRUE(refused(Bug::no_scale_dk));
  EXPECT_TRUE(refused(Bug::no_delta));
  EXPECT_TRUE(refused(Bug::one_query_head_forgotten));
  EXPECT_TRUE(refused(Bug::p_from_the_wrong_lse));
  EXPECT_EQ(refused(Bug::mask_top_left), p.causal);  // there is no mask to misplace where all see all
  EXPECT_EQ(refused(Bug::one_window_key_more), p.window > 0);
}

TEST_P(MiddlingProblem, RefusesWhatWasNotWritten) {
  const AttentionProblem& p = GetParam();
  const GradientInputs in = normal_gradient_inputs(p, 2);
  Gradients g = Dense(p, in, Bug::none, false).gradients();
  store_element(p.dtype, g.dv.data(), p.v_elements() - 1, std::nan(""));
  const test::WorstGradient worst = test::worst_gradient(p, in, g);
  EXPECT_TRUE(std::isinf(worst.error_over_allowed));
  EXPECT_NE(worst.where.find("dv of batch"), std::string::npos) << worst.where;
}

INSTANTIATE_TEST_SUITE_P(AttentionReferenceBackward, MiddlingProblem, testing::ValuesIn(middling_problems()),
                         [](const auto& info) { return gradient_case_name(info.param); });

// --- identities

/// With all keys equal, dq = scale sum_j ds_ij k = 0, because the ds of a row sum to zero.
TEST(AttentionReferenceBackward, DsOfAQuerySumToZero) {
  AttentionProblem p = small(2, 1, 9, 14, true);
  p.head_dim = 8;
  GradientInputs in = normal_gradient_inputs(p, 5);
  for (std::int64_t e = 0; e < p.k_elements(); ++e) store_element(p.dtype, in.k.data(), e, 1.5);
  test::run_forward(p, in);
  for (std::int64_t h = 0; h < p.heads; ++h)
    for (std::int64_t i = 0; i < p.seq_q; ++i)
      for (const double dq : attention_reference_dq(p, in.host(), 0, h, i).value) EXPECT_NEAR(dq, 0, 1e-6);
}

/// The probabilities of a query sum to one: over all keys, dv sums to do over all queries that see any.
TEST(AttentionReferenceBackward, DvSumsToDo) {
  AttentionProblem p = small(2, 1, 14, 9, true);  // queries 0 .. 4 see nothing
  p.head_dim = 8, p.head_dim_v = 5;
  const GradientInputs in = normal_gradient_inputs(p, 6);
  std::vector<double> sum(5);
  for (std::int64_t j = 0; j < p.seq_kv; ++j) {
    const AllowedRow dv = attention_reference_dkv(p, in.host(), 0, 0, j).dv;
    for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += dv.value[c];
  }
  for (std::size_t c = 0; c < sum.size(); ++c) {
    double expected = 0;
    for (std::int64_t h = 0; h < p.heads; ++h)
      for (std::int64_t i = 5; i < p.seq_q; ++i)
        expected += load_element(p.dtype, in.d_o.data(), p.o_index(0, i, h) + static_cast<std::int64_t>(c));
    EXPECT_NEAR(sum[c], expected, 1e-5);
  }
}

TEST(AttentionReferenceBackward, WhatIsNotSeenHasNoGradient) {
  const AttentionProblem p = small(2, 1, 7, 3, true);  // queries 0 .. 3 see nothing
  const GradientInputs in = normal_gradient_inputs(p, 7);
  for (const double dq : attention_reference_dq(p, in.host(), 0, 1, 3).value) EXPECT_EQ(dq, 0);
  AttentionProblem window = small(1, 1, 2, 9, true);
  window.window = 3;  // keys 0 .. 4 are before every query's window
  const GradientInputs few = normal_gradient_inputs(window, 8);
  const AttentionKeyGradients hidden = attention_reference_dkv(window, few.host(), 0, 0, 4);
  for (const double dk : hidden.dk.value) EXPECT_EQ(dk, 0);
  for (const double dv : hidden.dv.value) EXPECT_EQ(dv, 0);
  EXPECT_NE(attention_reference_dkv(window, few.host(), 0, 0, 5).dv.value[0], 0);
}

}  // namespace
}  // namespace assay
