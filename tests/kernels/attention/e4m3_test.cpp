// 8-bit attention: what the reference allows, against an emulation of what tensor cores make of it, and against results
// that are wrong.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

#include "tests/kernels/attention/attention_check.h"
#include "tests/kernels/gemm/hopper_fp8_accumulation.h"

namespace assay {
namespace {

using test::AttentionFixture;

constexpr std::int64_t kTile = 128;  // keys

AttentionProblem problem(std::int64_t keys, std::int64_t width = 128) {
  return {1, 1, 1, 4, keys, width, false, DType::e4m3};
}

/// How an emulated kernel goes wrong.
struct Fault {
  double score_factor = 1, output_factor = 1;
  std::int64_t skipped_tile = -1;
  std::int64_t value_shift = 0;  // reads the value of a later key
  int weight_exponent = kE4m3WeightExponent;
};

/// o and lse of one query as a Hopper kernel computes them: tile by tile from the right, running maximum, weights in
/// e4m3, both products cut to 14 bits, everything else in fp32.
struct Emulated {
  std::vector<double> o;
  double lse = 0;

  Emulated(AttentionFixture& f, std::int64_t query, const Fault& fault)
      : o(static_cast<std::size_t>(f.problem.value_dim())) {
    const AttentionProblem& p = f.problem;
    float max = -INFINITY, sum = 0;
    for (std::int64_t first = (p.seq_kv - 1) / kTile * kTile; first >= 0; first -= kTile) {
      if (first / kTile == fault.skipped_tile) continue;
      std::vector<float> s = scores(f, query, first, fault.score_factor);
      float tile_max = max;
      for (const float score : s) tile_max = std::max(tile_max, score);
      const float rescale = std::exp(max - tile_max);
      max = tile_max;
      sum *= rescale;
      for (double& x : o) x = float(x) * rescale;
      std::vector<double> weights(s.size());
      for (std::size_t j = 0; j < s.size(); ++j) {
        const float weight = std::ldexp(std::exp(s[j] - max), fault.weight_exponent);
        sum += weight;
        weights[j] = round_to(DType::e4m3, weight);
      }
      add_output(f, first, weights, fault.value_shift);
    }
    for (double& x : o) x = round_to(DType::bf16, x / sum * f.scale_of_v * fault.output_factor);
    lse = max + std::log(double(sum)) - fault.weight_exponent * std::log(2.0);
  }

 private:
  static std::vector<double> row(const std::vector<std::uint8_t>& tensor, std::int64_t first, std::int64_t width) {
    std::vector<double> values(static_cast<std::size_t>(width));
    for (std::int64_t c = 0; c < width; ++c)
      values[std::size_t(c)] = load_element(DType::e4m3, tensor.data(), first + c);
    return values;
  }

  static std::vector<float> scores(AttentionFixture& f, std::int64_t query, std::int64_t first, double factor) {
    const AttentionProblem& p = f.problem;
    const std::vector<double> q = row(f.q, p.q_index(0, query, 0), p.head_dim);
    std::vector<float> s;
    for (std::int64_t j = first; j < std::min(first + kTile, p.seq_kv); ++j)
      s.push_back(float(HopperFp8Accumulation::fast(q, row(f.k, p.k_index(0, j, 0), p.head_dim)) * p.scale() *
                        f.scale_of_q * f.scale_of_k * factor));
    return s;
  }

  void add_output(AttentionFixture& f, std::int64_t first, const std::vector<double>& weights, std::int64_t shift) {
    const AttentionProblem& p = f.problem;
    std::vector<double> value(weights.size());
    for (std::int64_t c = 0; c < p.value_dim(); ++c) {
      for (std::size_t j = 0; j < weights.size(); ++j)
        value[j] =
            load_element(DType::e4m3, f.v.data(), p.v_index(0, (first + std::int64_t(j) + shift) % p.seq_kv, 0) + c);
      double& sum = o[std::size_t(c)];
      for (std::size_t j = 0; j < value.size(); j += HopperFp8Accumulation::kStep) {
        const std::size_t count = std::min<std::size_t>(HopperFp8Accumulation::kStep, value.size() - j);
        sum =
            HopperFp8Accumulation::step(sum, std::span(weights).subspan(j, count), std::span(value).subspan(j, count));
      }
    }
  }
};

/// The largest error of o, and of lse, in units of what is allowed, over all queries.
struct Worst {
  double o = 0, lse = 0;
};
Worst worst(AttentionFixture& f, const Fault& fault = {}) {
  Worst worst;
  for (std::int64_t i = 0; i < f.problem.seq_q; ++i) {
    const AttentionRow row = attention_reference(f.problem, f.buffers(), 0, 0, i, hopper_8_bit_accumulation(0));
    const Emulated got(f, i, fault);
    for (std::size_t c = 0; c < row.o.size(); ++c)
      worst.o = std::max(worst.o, std::abs(got.o[c] - row.o[c]) / row.allowed[c]);
    worst.lse = std::max(worst.lse, std::abs(got.lse - row.lse) / row.lse_allowed);
  }
  return worst;
}

// Short and long sequences; logits as of training, all alike (rounding errors all alike too), and so large that a few
// keys take all.
TEST(AttentionE4m3, WhatTensorCoresComputeIsAllowed) {
  for (const std::int64_t keys : {1, 77, 1024, 4096})
    for (const std::int64_t width : {64, 128})
      for (const double logits : {1.0, 0.0, 0.1, 5.0, 40.0}) {
        AttentionFixture f(problem(keys, width), logits);
        const Worst error = worst(f);
        EXPECT_LE(error.o, 1) << keys << " keys, " << width << " wide, logits of " << logits;
        EXPECT_LE(error.lse, 1) << keys << " keys, " << width << " wide, logits of " << logits;
      }
}

/// Loose bounds find nothing: what is allowed is of the size of what happens.
TEST(AttentionE4m3, AllowedErrorsAreOfTheRightSize) {
  for (const std::int64_t keys : {1024, 4096}) {
    AttentionFixture f(problem(keys));
    const Worst error = worst(f);
    EXPECT_GT(error.o, 0.2) << keys;
    EXPECT_GT(error.lse, 0.01) << keys;
  }
}

TEST(AttentionE4m3, WrongResultsAreNoticed) {
  AttentionFixture f(problem(4096));
  const auto o = [&](const Fault& fault) { return worst(f, fault).o; };
  const auto lse = [&](const Fault& fault) { return worst(f, fault).lse; };
  EXPECT_GT(o({.output_factor = 1 / 0.375}), 1) << "v's factor missing";
  EXPECT_GT(o({.output_factor = 0.375}), 1) << "v's factor twice";
  EXPECT_GT(o({.output_factor = 1.25}), 1) << "o a quarter too large";
  for (const double factor : {1 / 0.5, 1 / 2.0}) {
    EXPECT_GT(o({.score_factor = factor}), 1) << "a factor of the scores missing: " << factor;
    EXPECT_GT(lse({.score_factor = factor}), 1) << "a factor of the scores missing: " << factor;
  }
  for (const std::int64_t tile : {0, 17, 31}) {  // one of 32
    EXPECT_GT(o({.skipped_tile = tile}), 1) << "keys skipped, tile " << tile;
    EXPECT_GT(lse({.skipped_tile = tile}), 1) << "keys skipped, tile " << tile;
  }
  EXPECT_GT(o({.value_shift = 1}), 1) << "weights of the neighbouring keys";
  EXPECT_GT(o({.weight_exponent = kE4m3WeightExponent + 4}), 1) << "the largest weights saturate";
}

/// Weights that are not moved up into e4m3's range vanish below 2^-10 of the largest.
TEST(AttentionE4m3, SmallWeightsMustSurvive) {
  AttentionProblem p = problem(2048);
  AttentionFixture f(p, 0);
  const std::int64_t first = p.seq_kv - 1;  // in the order of the emulation
  for (std::int64_t j = 0; j < p.seq_kv; ++j)
    for (std::int64_t c = 0; c < p.head_dim; ++c) {
      store_element(p.dtype, f.k.data(), p.k_index(0, j, 0) + c, j == first && c == 0 ? 32 : 0);
      store_element(p.dtype, f.v.data(), p.v_index(0, j, 0) + c, j == first ? 0 : 1 + double(c % 4) / 4);
    }
  f.scale_of_q = 0.5f;
  for (std::int64_t i = 0; i < p.seq_q; ++i)  // that key is e^7 above the others, which together weigh more
    store_element(p.dtype, f.q.data(), p.q_index(0, i, 0), 2.5);
  EXPECT_LE(worst(f).o, 1);
  EXPECT_GT(worst(f, {.weight_exponent = 0}).o, 1);
}

TEST(AttentionE4m3, FactorsAreWhatTheyStandFor) {
  AttentionFixture f(problem(300));
  const AttentionRow row = attention_reference(f.problem, f.buffers(), 0, 0, 1);
  f.scale_of_v *= 4;  // o is proportional to v's factor; lse does not know it
  const AttentionRow larger = attention_reference(f.problem, f.buffers(), 0, 0, 1);
  EXPECT_DOUBLE_EQ(larger.o[7], 4 * row.o[7]);
  EXPECT_EQ(larger.lse, row.lse);
  f.scale_of_q *= 3, f.scale_of_k /= 3;  // only their product counts
  EXPECT_NEAR(attention_reference(f.problem, f.buffers(), 0, 0, 1).o[7], larger.o[7], 1e-6);
  AttentionBuffers bare = f.buffers();
  bare.v_scale = nullptr;
  EXPECT_THROW(attention_reference(f.problem, bare, 0, 0, 1), std::logic_error);
}

TEST(AttentionE4m3, OutputIsBf16AndForwardAlone) {
  AttentionProblem p = problem(8);
  EXPECT_EQ(p.out_dtype(), DType::bf16);
  p.pass = AttentionPass::backward;
  EXPECT_NE(supports_features(p, {true, true, true, true, true}).reason.find("forward only"), std::string::npos);
  p.dtype = DType::f16;
  EXPECT_EQ(p.out_dtype(), DType::f16);
  EXPECT_TRUE(supports_features(p, {true, true, true, true, true}).ok());
}

}  // namespace
}  // namespace assay
