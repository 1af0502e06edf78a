// Comparing an attention kernel's output with the fp64 reference, guards and poison included.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "kernels/attention/attention.h"

namespace assay::test {

inline constexpr std::size_t kGuardBytes = 256;
inline constexpr std::uint8_t kGuard = 0xa5;

/// An output between guards, poisoned with NaN.
class Guarded {
 public:
  explicit Guarded(std::size_t bytes) : bytes_(bytes) { reset(); }
  void reset() {
    memory_.assign(kGuardBytes + bytes_ + kGuardBytes, kGuard);
    std::memset(data(), 0xff, bytes_);
  }
  std::uint8_t* data() { return memory_.data() + kGuardBytes; }
  std::size_t bytes() const { return bytes_; }
  bool intact() const {
    for (std::size_t i = 0; i < kGuardBytes; ++i)
      if (memory_[i] != kGuard || memory_[kGuardBytes + bytes_ + i] != kGuard) return false;
    return true;
  }

 private:
  std::size_t bytes_;
  std::vector<std::uint8_t> memory_;
};

class AttentionFixture {
 public:
  /// q is scaled by `q_scale`, which scales the logits.
  explicit AttentionFixture(const AttentionProblem& p, double q_scale = 1)
      : problem(p),
        q(elements_q() * size_bytes(p.dtype)),
        k(elements_kv() * size_bytes(p.dtype)),
        v(elements_kv() * size_bytes(p.dtype)),
        o(elements_q() * size_bytes(p.dtype)),
        lse(static_cast<std::size_t>(p.batch * p.heads * p.seq_q) * sizeof(float)) {
    std::mt19937 engine(1);
    std::normal_distribution<double> normal;
    for (std::size_t i = 0; i < elements_q(); ++i)
      store_element(p.dtype, q.data(), std::int64_t(i), q_scale * normal(engine));
    for (std::size_t i = 0; i < elements_kv(); ++i) store_element(p.dtype, k.data(), std::int64_t(i), normal(engine));
    for (std::size_t i = 0; i < elements_kv(); ++i) store_element(p.dtype, v.data(), std::int64_t(i), normal(engine));
  }

  std::size_t elements_q() const {
    return static_cast<std::size_t>(problem.batch * problem.seq_q * problem.heads * problem.head_dim);
  }
  std::size_t elements_kv() const {
    return static_cast<std::size_t>(problem.batch * problem.seq_kv * problem.kv_heads * problem.head_dim);
  }
  AttentionBuffers buffers() { return {q.data(), k.data(), v.data(), o.data(), reinterpret_cast<float*>(lse.data())}; }
  void reset() { o.reset(), lse.reset(); }

  float lse_at(std::int64_t b, std::int64_t h, std::int64_t i) {
    float value;
    std::memcpy(&value, lse.data() + ((b * problem.heads + h) * problem.seq_q + i) * sizeof value, sizeof value);
    return value;
  }

  /// Empty where every element is within its allowed error and the guards are whole; else the first fault.
  std::string fault() {
    if (!o.intact()) return "wrote outside o";
    if (!lse.intact()) return "wrote outside lse";
    for (std::int64_t b = 0; b < problem.batch; ++b)
      for (std::int64_t h = 0; h < problem.heads; ++h)
        for (std::int64_t i = 0; i < problem.seq_q; ++i) {
          const AttentionRow row = attention_reference(problem, q.data(), k.data(), v.data(), b, h, i);
          for (std::int64_t c = 0; c < problem.head_dim; ++c) {
            const auto e = static_cast<std::size_t>(c);
            const double got = load_element(problem.dtype, o.data(), problem.q_index(b, i, h) + c);
            if (!(std::abs(got - row.o[e]) <= row.allowed[e]))
              return fmt::format("o[{}, {}, {}, {}]", b, i, h, c) + difference(got, row.o[e], row.allowed[e]);
            if (row.allowed[e] > 0) worst = std::max(worst, std::abs(got - row.o[e]) / row.allowed[e]);
          }
          const double got = lse_at(b, h, i);
          if (got == row.lse) continue;  // equal infinities too
          if (!(std::abs(got - row.lse) <= row.lse_allowed))
            return fmt::format("lse[{}, {}, {}]", b, h, i) + difference(got, row.lse, row.lse_allowed);
        }
    return {};
  }

  AttentionProblem problem;
  std::vector<std::uint8_t> q, k, v;
  Guarded o, lse;
  double worst = 0;  // error of o over what is allowed, of all comparisons so far

 private:
  static std::string difference(double got, double expected, double allowed) {
    return fmt::format(" is {}, expected {} +- {}", got, expected, allowed);
  }
};

inline std::string text(const AttentionProblem& p) {
  return fmt::format("b{} h{}/{} q{} kv{} d{} {} {}", p.batch, p.heads, p.kv_heads, p.seq_q, p.seq_kv, p.head_dim,
                     p.causal ? "causal" : "full", name(p.dtype));
}

}  // namespace assay::test
