// Bits of cpu_flash's results that must not change: with repetition, with the number of threads, with what else is in
// the batch, with keys and queries that are hidden; and, beside the derived error, the field's own rule for bf16.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/kernels/attention/cpu_launch.h"

namespace assay {
namespace {

using test::AttentionFixture;
using test::bytes_of;
using test::cpu_flash;
using test::Guarded;
using test::launch_both;
using test::offsets_of;
using test::text;

constexpr DType kTypes[] = {DType::f32, DType::bf16};

std::vector<std::uint8_t> all_bytes(AttentionFixture& fixture) {
  std::vector<std::uint8_t> all;
  for (Guarded* output : {&fixture.o, &fixture.lse, &fixture.dq, &fixture.dk, &fixture.dv}) {
    const std::vector<std::uint8_t> bytes = bytes_of(*output);
    all.insert(all.end(), bytes.begin(), bytes.end());
  }
  return all;
}

// Blocks of keys add to the same dq; with more threads than cores they come in any order.
TEST(CpuFlashBits, AreTheSameEveryTimeOnAnyNumberOfThreads) {
  for (const DType dtype : kTypes)
    for (const auto& [seq_q, seq_kv] : {std::pair<std::int64_t, std::int64_t>(700, 1300), {5, 9000}}) {
      AttentionFixture fixture({1, 2, 1, seq_q, seq_kv, 64, true, dtype});
      launch_both(cpu_flash(), fixture, 1);
      const std::vector<std::uint8_t> first = all_bytes(fixture);
      for (const int threads : {1, 2, 2, 3, 7, 7}) {
        launch_both(cpu_flash(), fixture, threads);
        EXPECT_EQ(all_bytes(fixture), first) << threads << " threads, " << text(fixture.problem);
      }
    }
}

/// Elements of one sequence's rows, which lie together in a packed tensor.
std::vector<std::uint8_t> part(const std::uint8_t* data, std::int64_t first, std::int64_t count, std::size_t size) {
  return {data + std::size_t(first) * size, data + std::size_t(first + count) * size};
}

TEST(CpuFlashBits, ArePackedAsAlone) {
  const std::vector<std::int64_t> q_lengths{5, 0, 140, 1, 64, 300, 7}, kv_lengths{9, 40, 130, 0, 64, 2600, 7};
  for (const DType dtype : kTypes)
    for (const std::int64_t window : {0, 90}) {
      AttentionProblem problem{7, 4, 2, 300, 2600, 64, true, dtype};
      problem.window = window;
      problem.q_offsets = offsets_of(q_lengths);
      problem.kv_offsets = offsets_of(kv_lengths);
      AttentionFixture packed(problem);
      launch_both(cpu_flash(), packed);
      const std::size_t size = size_bytes(dtype);
      for (std::int64_t b = 0; b < problem.batch; ++b) {
        const std::int64_t n_q = problem.queries(b), n_kv = problem.keys(b);
        if (n_q == 0 || n_kv == 0) continue;  // no sequence by itself
        AttentionProblem one{1, 4, 2, n_q, n_kv, 64, true, dtype};
        one.window = window;
        AttentionFixture alone(one);
        const std::int64_t q = problem.q_index(b, 0, 0), kv = problem.k_index(b, 0, 0);
        alone.q = part(packed.q.data(), q, one.q_elements(), size);
        alone.d_o = part(packed.d_o.data(), q, one.q_elements(), size);
        alone.k = part(packed.k.data(), kv, one.k_elements(), size);
        alone.v = part(packed.v.data(), kv, one.k_elements(), size);
        launch_both(cpu_flash(), alone, 3);
        EXPECT_EQ(bytes_of(alone.o), part(packed.o.data(), q, one.q_elements(), size)) << "o of sequence " << b;
        EXPECT_EQ(bytes_of(alone.dq), part(packed.dq.data(), q, one.q_elements(), size)) << "dq of sequence " << b;
        EXPECT_EQ(bytes_of(alone.dk), part(packed.dk.data(), kv, one.k_elements(), size)) << "dk of sequence " << b;
        EXPECT_EQ(bytes_of(alone.dv), part(packed.dv.data(), kv, one.k_elements(), size)) << "dv of sequence " << b;
        for (std::int64_t h = 0; h < one.heads; ++h)
          for (std::int64_t i = 0; i < n_q; ++i) EXPECT_EQ(alone.lse_at(0, h, i), packed.lse_at(b, h, i));
      }
    }
}

void overwrite_row(AttentionFixture& fixture, std::vector<std::uint8_t>& tensor, std::int64_t first, double value) {
  for (std::int64_t c = 0; c < fixture.problem.head_dim; ++c)
    store_element(fixture.problem.dtype, tensor.data(), first + c, value + double(c));
}

AttentionProblem windowed(DType dtype) {
  AttentionProblem problem{1, 2, 1, 417, 731, 64, true, dtype};
  problem.window = 100;
  return problem;
}

// o, lse and dq of a query do not know keys that it does not see: before its window, or behind it.
TEST(CpuFlashBits, HiddenKeysDoNotReachAQuery) {
  for (const DType dtype : kTypes) {
    AttentionFixture fixture(windowed(dtype));
    const AttentionProblem& p = fixture.problem;
    launch_both(cpu_flash(), fixture);
    for (const std::int64_t query : {0, 13, 14, 125, 126, 256, 416}) {
      AttentionFixture changed(p);
      const KeyRange seen = p.visible_keys(0, query);
      for (std::int64_t j = 0; j < p.seq_kv; ++j)
        if (j < seen.begin || j >= seen.end) {
          overwrite_row(changed, changed.k, p.k_index(0, j, 0), 50);
          overwrite_row(changed, changed.v, p.v_index(0, j, 0), -1000);
        }
      launch_both(cpu_flash(), changed, 1);
      for (std::int64_t h = 0; h < p.heads; ++h) {
        const std::size_t row = std::size_t(p.q_index(0, query, h)) * size_bytes(dtype), bytes = 64 * size_bytes(dtype);
        EXPECT_EQ(std::memcmp(fixture.o.data() + row, changed.o.data() + row, bytes), 0) << "o of query " << query;
        EXPECT_EQ(std::memcmp(fixture.dq.data() + row, changed.dq.data() + row, bytes), 0) << "dq of query " << query;
        EXPECT_EQ(fixture.lse_at(0, h, query), changed.lse_at(0, h, query));
      }
      EXPECT_NE(bytes_of(fixture.o), bytes_of(changed.o));
    }
  }
}

// dk and dv of a key do not know queries that do not see it.
TEST(CpuFlashBits, BlindQueriesDoNotReachAKey) {
  for (const DType dtype : kTypes) {
    AttentionFixture fixture(windowed(dtype));
    const AttentionProblem& p = fixture.problem;
    launch_both(cpu_flash(), fixture);
    for (const std::int64_t key : {314, 327, 328, 503, 504, 730}) {
      AttentionFixture changed(p);
      const KeyRange seeing = p.seeing_queries(0, key);
      ASSERT_GT(seeing.size(), 0);
      for (std::int64_t i = 0; i < p.seq_q; ++i)
        for (std::int64_t h = 0; h < p.heads; ++h)
          if (i < seeing.begin || i >= seeing.end) {
            overwrite_row(changed, changed.q, p.q_index(0, i, h), 3);
            overwrite_row(changed, changed.d_o, p.o_index(0, i, h), -70);
          }
      launch_both(cpu_flash(), changed, 1);
      const std::size_t row = std::size_t(p.k_index(0, key, 0)) * size_bytes(dtype), bytes = 64 * size_bytes(dtype);
      EXPECT_EQ(std::memcmp(fixture.dk.data() + row, changed.dk.data() + row, bytes), 0) << "dk of key " << key;
      EXPECT_EQ(std::memcmp(fixture.dv.data() + row, changed.dv.data() + row, bytes), 0) << "dv of key " << key;
      EXPECT_NE(bytes_of(fixture.dk), bytes_of(changed.dk));
    }
  }
}

// The rule of FlashAttention's own tests: at most twice the largest error of an emulation that computes in fp32 and
// rounds p and ds to bf16, plus one rounding of the result.
class Bf16Emulation {
 public:
  explicit Bf16Emulation(AttentionFixture& fixture) : f_(fixture), p_(fixture.problem) {
    dk_.resize(std::size_t(p_.k_elements()));
    dv_.resize(std::size_t(p_.v_elements()));
    for (std::int64_t h = 0; h < p_.heads; ++h)
      for (std::int64_t i = 0; i < p_.seq_q; ++i) query(h, i);
    for (std::int64_t h = 0; h < p_.kv_heads; ++h)
      for (std::int64_t j = 0; j < p_.seq_kv; ++j) {
        const AttentionKeyGradients exact = attention_reference_dkv(p_, f_.buffers(), 0, h, j);
        compare(exact.dk.value, &dk_[std::size_t(p_.k_index(0, j, h))], f_.dk, p_.k_index(0, j, h), dk);
        compare(exact.dv.value, &dv_[std::size_t(p_.v_index(0, j, h))], f_.dv, p_.v_index(0, j, h), dv);
      }
  }

  struct Largest {
    double emulated = 0, got = 0, value = 0;
    bool keeps_the_rule() const { return got <= 2 * emulated + unit_roundoff(DType::bf16) * value; }
  };
  Largest o, dq, dk, dv;

 private:
  double element(const std::vector<std::uint8_t>& tensor, std::int64_t index) const {
    return load_element(DType::bf16, tensor.data(), index);
  }
  double dot(const std::vector<std::uint8_t>& x, std::int64_t i, const std::vector<std::uint8_t>& y,
             std::int64_t j) const {
    float sum = 0;
    for (std::int64_t c = 0; c < p_.head_dim; ++c) sum += static_cast<float>(element(x, i + c) * element(y, j + c));
    return sum;
  }

  void query(std::int64_t h, std::int64_t i) {
    const std::int64_t q = p_.q_index(0, i, h);
    const std::vector<std::uint8_t> o_bytes = bytes_of(f_.o);
    const double lse = f_.lse_at(0, h, i), delta = dot(o_bytes, q, f_.d_o, q);
    std::vector<float> o_row(64), dq_row(64);
    for (std::int64_t j = 0; j < p_.visible_keys(0, i).end; ++j) {
      const std::int64_t kv = p_.k_index(0, j, h / p_.group());
      const float p = std::exp(static_cast<float>(p_.scale() * dot(f_.q, q, f_.k, kv) - lse));
      const auto ds = static_cast<float>(p * (dot(f_.d_o, q, f_.v, kv) - delta));
      const float p_rounded = bf16_to_float(float_to_bf16(p)), ds_rounded = bf16_to_float(float_to_bf16(ds));
      for (std::int64_t c = 0; c < 64; ++c) {
        o_row[std::size_t(c)] += p_rounded * static_cast<float>(element(f_.v, kv + c));
        dq_row[std::size_t(c)] += ds_rounded * static_cast<float>(p_.scale() * element(f_.k, kv + c));
        dv_[std::size_t(kv + c)] += p_rounded * static_cast<float>(element(f_.d_o, q + c));
        dk_[std::size_t(kv + c)] += ds_rounded * static_cast<float>(p_.scale() * element(f_.q, q + c));
      }
    }
    compare(attention_reference(p_, f_.q.data(), f_.k.data(), f_.v.data(), 0, h, i).o, o_row.data(), f_.o, q, o);
    compare(attention_reference_dq(p_, f_.buffers(), 0, h, i).value, dq_row.data(), f_.dq, q, dq);
  }

  static void compare(const std::vector<double>& exact, const float* emulated, Guarded& got, std::int64_t first,
                      Largest& largest) {
    for (std::size_t c = 0; c < exact.size(); ++c) {
      const double rounded = bf16_to_float(float_to_bf16(emulated[c]));
      largest.emulated = std::max(largest.emulated, std::abs(rounded - exact[c]));
      largest.got =
          std::max(largest.got, std::abs(load_element(DType::bf16, got.data(), first + std::int64_t(c)) - exact[c]));
      largest.value = std::max(largest.value, std::abs(exact[c]));
    }
  }

  AttentionFixture& f_;
  AttentionProblem p_;
  std::vector<float> dk_, dv_;
};

TEST(CpuFlashBits, ErrorsAreAtMostTwiceAnEmulations) {
  for (const bool causal : {false, true}) {
    AttentionFixture fixture({1, 2, 1, 150, 400, 64, causal, DType::bf16});
    launch_both(cpu_flash(), fixture);
    const Bf16Emulation largest(fixture);
    const std::pair<const char*, Bf16Emulation::Largest> outputs[] = {
        {"o", largest.o}, {"dq", largest.dq}, {"dk", largest.dk}, {"dv", largest.dv}};
    for (const auto& [name, of] : outputs) {
      EXPECT_GT(of.emulated, 0) << name;
      EXPECT_TRUE(of.keeps_the_rule()) << name << ": " << of.got << ", emulated " << of.emulated;
    }
  }
}

}  // namespace
}  // namespace assay
