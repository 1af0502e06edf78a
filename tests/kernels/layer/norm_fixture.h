// RMSNorm and LayerNorm on host arrays, both passes, alone and behind the skip connection's addition.
#pragma once
#include "kernels/layer/layer_norm.h"
#include "kernels/layer/rms_norm.h"
#include "tests/kernels/layer/layer_check.h"

namespace assay::test {

/// What differs between the two norms.
struct Rms {
  using Problem = RmsNormProblem;
  using Buffers = RmsNormBuffers;
  static constexpr bool kCentred = false;
  static const Kernel<Problem, Buffers>& kernel() { return rms_norm_kernels().front(); }
  static auto forward(const Problem& p, const Buffers& b, std::int64_t t) { return rms_norm_reference(p, b, t); }
  static LayerRow dx(const Problem& p, const Buffers& b, std::int64_t t) { return rms_norm_reference_dx(p, b, t); }
  static LayerElement dw(const Problem& p, const Buffers& b, std::int64_t c) { return rms_norm_reference_dw(p, b, c); }
};
struct Ln {
  using Problem = LayerNormProblem;
  using Buffers = LayerNormBuffers;
  static constexpr bool kCentred = true;
  static const Kernel<Problem, Buffers>& kernel() { return layer_norm_kernels().front(); }
  static auto forward(const Problem& p, const Buffers& b, std::int64_t t) { return layer_norm_reference(p, b, t); }
  static LayerRow dx(const Problem& p, const Buffers& b, std::int64_t t) { return layer_norm_reference_dx(p, b, t); }
  static LayerElement dw(const Problem& p, const Buffers& b, std::int64_t c) {
    return layer_norm_reference_dw(p, b, c);
  }
};

template <class N>
class NormFixture {
 public:
  using Problem = typename N::Problem;
  using Buffers = typename N::Buffers;

  explicit NormFixture(const Problem& p) : problem(p) {
    const std::int64_t n = p.elements();
    x = {p.dtype, n}, residual = {p.dtype, n}, weight = {p.dtype, p.hidden}, bias = {p.dtype, p.hidden};
    sum = {p.dtype, n}, y = {p.dtype, n}, mean = {DType::f32, p.tokens}, rstd = {DType::f32, p.tokens};
    dy = {p.dtype, n}, d_sum = {p.dtype, n}, dx = {p.dtype, n};
    dw = {DType::f32, p.hidden}, db = {DType::f32, p.hidden};
    unsigned seed = 1;
    for (GuardedArray* input : {&x, &residual, &weight, &bias, &dy, &d_sum}) input->fill_normal(seed++);
  }

  Buffers buffers() {
    Buffers b;
    b.x = x.data(), b.weight = weight.data(), b.y = y.data(), b.rstd = statistics(rstd);
    b.dy = dy.data(), b.dx = dx.data(), b.dw = statistics(dw);
    if (problem.residual) b.residual = residual.data(), b.sum = sum.data(), b.d_sum = d_sum.data();
    if constexpr (N::kCentred) b.bias = bias.data(), b.mean = statistics(mean), b.db = statistics(db);
    return b;
  }

  /// Forward, then its first fault.
  std::string forward_fault(int threads) {
    problem.pass = LayerPass::forward;
    launch(N::kernel(), problem, buffers(), threads);
    return forward_mismatch();
  }
  std::string forward_mismatch() {
    problem.pass = LayerPass::forward;
    for (std::int64_t t = 0; t < problem.tokens; ++t) {
      const auto row = N::forward(problem, buffers(), t);
      std::string fault = row_fault("y", y, t * problem.hidden, row.y);
      if (fault.empty() && problem.residual) fault = row_fault("sum", sum, t * problem.hidden, row.sum);
      if (fault.empty()) fault = element_fault("rstd", rstd, t, row.rstd);
      if constexpr (N::kCentred)
        if (fault.empty()) fault = element_fault("mean", mean, t, row.mean);
      if (!fault.empty()) return fault;
    }
    return {};
  }

  /// Backward of what forward left (or of anything in rstd and mean), then its first fault.
  std::string backward_fault(int threads) {
    problem.pass = LayerPass::backward;
    if (problem.accumulate) dw.fill_normal(98), db.fill_normal(99);
    const GuardedArray dw_before = dw, db_before = db;
    launch(N::kernel(), problem, buffers(), threads);
    for (std::int64_t t = 0; t < problem.tokens; ++t)
      if (std::string f = row_fault("dx", dx, t * problem.hidden, N::dx(problem, buffers(), t)); !f.empty()) return f;
    for (std::int64_t c = 0; c < problem.hidden; ++c) {
      std::string fault = element_fault("dw", dw, c, onto(dw_before, c, N::dw(problem, buffers(), c)));
      if constexpr (N::kCentred)
        if (fault.empty())
          fault = element_fault("db", db, c, onto(db_before, c, layer_norm_reference_db(problem, buffers(), c)));
      if (!fault.empty()) return fault;
    }
    return {};
  }

  Problem problem;
  GuardedArray x, residual, weight, bias, sum, y, mean, rstd, dy, d_sum, dx, dw, db;

 private:
  static float* statistics(GuardedArray& array) { return static_cast<float*>(array.data()); }
  LayerElement onto(const GuardedArray& before, std::int64_t c, LayerElement e) const {
    if (!problem.accumulate) return e;
    const double start = before.at(c);
    return {e.value + start, e.allowed + 2 * unit_roundoff(DType::f32) * (std::abs(start) + std::abs(e.value))};
  }
};

}  // namespace assay::test
