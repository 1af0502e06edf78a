// The reference against results known without it.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/attention/attention.h"

namespace assay {
namespace {

struct Inputs {
  explicit Inputs(const AttentionProblem& p)
      : q(static_cast<std::size_t>(p.batch * p.seq_q * p.heads * p.head_dim)),
        k(static_cast<std::size_t>(p.batch * p.seq_kv * p.kv_heads * p.head_dim)),
        v(k.size()) {}
  std::vector<float> q, k, v;
};

TEST(AttentionReference, EqualScoresGiveTheMean) {
  const AttentionProblem p{1, 1, 1, 4, 6, 64, true, DType::f32};
  Inputs in(p);
  for (std::size_t j = 0; j < 6; ++j)
    for (std::size_t c = 0; c < 64; ++c) in.v[j * 64 + c] = static_cast<float>(j);
  for (std::int64_t i = 0; i < 4; ++i) {  // sees keys 0 .. i + 2
    const AttentionRow row = attention_reference(p, in.q.data(), in.k.data(), in.v.data(), 0, 0, i);
    EXPECT_NEAR(row.o[0], static_cast<double>(i + 2) / 2, 1e-15);
    EXPECT_NEAR(row.o[63], static_cast<double>(i + 2) / 2, 1e-15);
    EXPECT_NEAR(row.lse, std::log(static_cast<double>(i + 3)), 1e-15);
  }
}

TEST(AttentionReference, TwoKeysAreALogisticFunction) {
  const AttentionProblem p{1, 1, 1, 1, 2, 64, false, DType::f32};
  Inputs in(p);
  in.q[0] = 8;  // scale 1/8: scores are k's element 0
  in.k[0] = 2;
  in.k[64] = -1;
  in.v[64] = 1;  // o = p of the second key = 1 / (1 + e^3)
  const AttentionRow row = attention_reference(p, in.q.data(), in.k.data(), in.v.data(), 0, 0, 0);
  EXPECT_NEAR(row.o[0], 1 / (1 + std::exp(3.0)), 1e-15);
  EXPECT_EQ(row.o[1], 0);
  EXPECT_NEAR(row.lse, std::log(std::exp(2.0) + std::exp(-1.0)), 1e-15);
}

TEST(AttentionReference, HeadsReadTheirGroupsKeys) {
  const AttentionProblem p{2, 4, 2, 1, 1, 64, false, DType::f32};
  Inputs in(p);
  for (std::size_t i = 0; i < in.v.size(); ++i) in.v[i] = static_cast<float>(i / 64);  // batch * 2 + kv head
  for (std::int64_t b = 0; b < 2; ++b)
    for (std::int64_t h = 0; h < 4; ++h)
      EXPECT_EQ(attention_reference(p, in.q.data(), in.k.data(), in.v.data(), b, h, 0).o[5],
                static_cast<double>(2 * b + h / 2));
}

TEST(AttentionReference, SeeingNoKeyIsExact) {
  const AttentionProblem p{1, 1, 1, 5, 2, 64, true, DType::f32};
  Inputs in(p);
  for (float& v : in.v) v = 1;
  for (std::int64_t i = 0; i < 3; ++i) {
    const AttentionRow row = attention_reference(p, in.q.data(), in.k.data(), in.v.data(), 0, 0, i);
    EXPECT_EQ(row.lse, -std::numeric_limits<double>::infinity());
    EXPECT_EQ(row.lse_allowed, 0);
    for (const double o : row.o) EXPECT_EQ(o, 0);
    for (const double allowed : row.allowed) EXPECT_EQ(allowed, 0);
  }
  EXPECT_EQ(attention_reference(p, in.q.data(), in.k.data(), in.v.data(), 0, 0, 3).o[0], 1);
}

TEST(AttentionReference, NanMakesTheResultNan) {
  const AttentionProblem p{1, 1, 1, 1, 3, 64, false, DType::f32};
  for (const std::size_t where : {0u, 64u, 128u}) {
    Inputs in(p);
    in.q[0] = 1;
    in.k[where] = std::nanf("");
    const AttentionRow row = attention_reference(p, in.q.data(), in.k.data(), in.v.data(), 0, 0, 0);
    EXPECT_TRUE(std::isnan(row.o[7])) << where;
    EXPECT_TRUE(std::isnan(row.lse)) << where;
  }
}

TEST(AttentionReference, AllowedErrorIsSmallAndFinite) {
  const AttentionProblem p{1, 1, 1, 1, 2048, 128, false, DType::f32};
  Inputs in(p);
  for (std::size_t i = 0; i < in.q.size(); ++i) in.q[i] = i % 2 ? 1.0f : -0.5f;
  for (std::size_t i = 0; i < in.k.size(); ++i) in.k[i] = static_cast<float>(i % 7) / 4 - 0.75f;
  for (std::size_t i = 0; i < in.v.size(); ++i) in.v[i] = static_cast<float>(i % 5) - 2;
  const AttentionRow row = attention_reference(p, in.q.data(), in.k.data(), in.v.data(), 0, 0, 0);
  for (const double allowed : row.allowed) {
    EXPECT_GT(allowed, 0);
    EXPECT_LT(allowed, 1e-4);
  }
  EXPECT_LT(row.lse_allowed, 1e-4);
}

}  // namespace
}  // namespace assay
