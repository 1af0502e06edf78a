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

/// Offsets of sequences of these lengths.
inline std::vector<std::int64_t> offsets_of(const std::vector<std::int64_t>& lengths) {
  std::vector<std::int64_t> offsets{0};
  for (const std::int64_t length : lengths) offsets.push_back(offsets.back() + length);
  return offsets;
}

/// Inputs of both passes and guarded outputs.  Backward is given the o and lse that forward left here.  Inputs with
/// factors have different ones whose product is 1 for q and k, so that elements set by a test make the logits they
/// would make without.
class AttentionFixture {
 public:
  /// q is scaled by `q_scale`, which scales the logits.
  explicit AttentionFixture(const AttentionProblem& p, double q_scale = 1)
      : problem(p),
        q(bytes(p.q_elements())),
        k(bytes(p.k_elements())),
        v(bytes(p.v_elements())),
        d_o(bytes(p.o_elements())),
        o(static_cast<std::size_t>(p.o_elements()) * size_bytes(p.out_dtype())),
        lse(static_cast<std::size_t>(p.lse_elements()) * sizeof(float)),
        dq(bytes(p.q_elements())),
        dk(bytes(p.k_elements())),
        dv(bytes(p.v_elements())) {
    std::mt19937 engine(1);
    std::normal_distribution<double> normal;
    const double elements_factor = p.scaled() ? 1 : q_scale;  // 8 bits reach only 448
    for (std::vector<std::uint8_t>* tensor : {&q, &k, &v, &d_o})
      for (std::size_t i = 0; i < tensor->size() / size_bytes(p.dtype); ++i)
        store_element(p.dtype, tensor->data(), std::int64_t(i), (tensor == &q ? elements_factor : 1) * normal(engine));
    scale_of_q *= static_cast<float>(q_scale);
  }

  AttentionBuffers buffers() {
    AttentionBuffers all;
    all.q = q.data();
    all.k = k.data();
    all.v = v.data();
    all.o = o.data();
    all.lse = reinterpret_cast<float*>(lse.data());
    all.d_o = d_o.data();
    all.dq = dq.data();
    all.dk = dk.data();
    all.dv = dv.data();
    if (problem.scaled()) all.q_scale = &scale_of_q, all.k_scale = &scale_of_k, all.v_scale = &scale_of_v;
    return all;
  }
  void reset() {
    for (Guarded* output : {&o, &lse, &dq, &dk, &dv}) output->reset();
  }
  void reset_gradients() {
    for (Guarded* output : {&dq, &dk, &dv}) output->reset();
  }

  float lse_at(std::int64_t b, std::int64_t h, std::int64_t i) {
    float value;
    std::memcpy(&value, lse.data() + problem.lse_index(b, h, i) * std::int64_t(sizeof value), sizeof value);
    return value;
  }

  /// Empty where every element of o and lse is within its allowed error and the guards are whole; else the first fault.
  /// `step`: looks at every step-th query only.
  std::string fault(std::int64_t step = 1) {
    if (!o.intact()) return "wrote outside o";
    if (!lse.intact()) return "wrote outside lse";
    for (std::int64_t b = 0; b < problem.batch; ++b)
      for (std::int64_t h = 0; h < problem.heads; ++h)
        for (std::int64_t i = 0; i < problem.queries(b); i += step)
          if (std::string fault = fault_of_query(b, h, i); !fault.empty()) return fault;
    return {};
  }

  /// The same of one query alone.
  std::string fault_of_query(std::int64_t b, std::int64_t h, std::int64_t i) {
    const AttentionRow row = attention_reference(problem, buffers(), b, h, i);
    if (std::string fault = row_fault("o", b, h, i, o.data(), problem.o_index(b, i, h), {row.o, row.allowed});
        !fault.empty())
      return fault;
    const double got = lse_at(b, h, i);
    if (got == row.lse || std::abs(got - row.lse) <= row.lse_allowed) return {};  // equal infinities too
    return fmt::format("lse[{}, {}, {}]", b, h, i) + difference(got, row.lse, row.lse_allowed);
  }

  /// The same of dq, dk and dv, from the o and lse that are here.
  std::string gradient_fault(std::int64_t step = 1) {
    if (!dq.intact()) return "wrote outside dq";
    if (!dk.intact()) return "wrote outside dk";
    if (!dv.intact()) return "wrote outside dv";
    std::string fault;
    for (std::int64_t b = 0; b < problem.batch; ++b) {
      for (std::int64_t h = 0; h < problem.heads; ++h)
        for (std::int64_t i = 0; i < problem.queries(b) && fault.empty(); i += step)
          fault = row_fault("dq", b, h, i, dq.data(), problem.q_index(b, i, h),
                            attention_reference_dq(problem, buffers(), b, h, i));
      for (std::int64_t h = 0; h < problem.kv_heads; ++h)
        for (std::int64_t j = 0; j < problem.keys(b) && fault.empty(); j += step) {
          const AttentionKeyGradients exact = attention_reference_dkv(problem, buffers(), b, h, j);
          fault = row_fault("dk", b, h, j, dk.data(), problem.k_index(b, j, h), exact.dk);
          if (fault.empty()) fault = row_fault("dv", b, h, j, dv.data(), problem.v_index(b, j, h), exact.dv);
        }
    }
    return fault;
  }

  AttentionProblem problem;
  std::vector<std::uint8_t> q, k, v, d_o;
  float scale_of_q = 0.5f, scale_of_k = 2, scale_of_v = 0.375f;  // where inputs have factors
  Guarded o, lse, dq, dk, dv;

 private:
  std::size_t bytes(std::int64_t elements) const {
    return static_cast<std::size_t>(elements) * size_bytes(problem.dtype);
  }

  std::string row_fault(const char* tensor, std::int64_t b, std::int64_t h, std::int64_t i, const void* data,
                        std::int64_t first, const AllowedRow& row) const {
    for (std::size_t c = 0; c < row.value.size(); ++c) {
      const double got = load_element(problem.out_dtype(), data, first + std::int64_t(c));  // gradients: the same type
      if (!(std::abs(got - row.value[c]) <= row.allowed[c]))
        return fmt::format("{}[{}, {}, {}, {}]", tensor, b, h, i, c) + difference(got, row.value[c], row.allowed[c]);
    }
    return {};
  }

  static std::string difference(double got, double expected, double allowed) {
    return fmt::format(" is {}, expected {} +- {}", got, expected, allowed);
  }
};

inline std::string text(const AttentionProblem& p) {
  return fmt::format("b{}{} h{}/{} q{} kv{} d{}/{} {} w{} {}", p.batch, p.packed() ? " packed" : "", p.heads,
                     p.kv_heads, p.seq_q, p.seq_kv, p.head_dim, p.value_dim(), p.causal ? "causal" : "full", p.window,
                     name(p.dtype));
}

}  // namespace assay::test
