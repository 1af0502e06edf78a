// GEMM of 8- and 4-bit operands on the CPU: each launch multiplies the elements by their scale factors into fp32
// copies, in the order of layout tn, and multiplies those with cpu_blocked.  CPUs have no units for these formats; the
// row is there so that their numerics can be checked, and shapes tried, without a GPU.
#include <omp.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "kernels/gemm/cpu/kernels.h"
#include "kernels/gemm/gemm_scaling.h"
#include "kernels/gemm/small_float_values.h"

namespace assay {
namespace {

/// The problem that is left once the operands are fp32.
GemmProblem dequantized(const GemmProblem& problem) {
  GemmProblem out{problem.m, problem.n, problem.k};
  out.accumulate = problem.accumulates();
  return out;
}

class CpuDequantizedGemm final : public GemmOperation {
 public:
  CpuDequantizedGemm(const GemmProblem& problem, const Target& target, Stream stream)
      : problem_(problem),
        threads_(std::max(target.threads, 1)),
        a_(static_cast<std::size_t>(problem.m * problem.k)),
        b_(static_cast<std::size_t>(problem.n * problem.k)),
        d_(problem.accumulates() ? 0 : static_cast<std::size_t>(problem.m * problem.n)),
        multiply_(
            cpu_blocked_gemm().prepare(dequantized(problem), target, {{a_.data(), b_.data(), d_.data()}}, stream)) {}

  void launch(const GemmBuffers& buffers, Stream stream) override {
    if (problem_.dtype == DType::e2m1)
      dequantize<true>(buffers);
    else
      dequantize<false>(buffers);
    multiply_->launch({a_.data(), b_.data(), problem_.accumulates() ? buffers.d : d_.data()}, stream);
    if (problem_.accumulates()) return;
    auto* out = static_cast<std::uint16_t*>(buffers.d);
    const auto count = static_cast<std::int64_t>(d_.size());
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (std::int64_t i = 0; i < count; ++i) out[i] = float_to_bf16(d_[static_cast<std::size_t>(i)]);
  }

  std::string description() const override { return "operands made fp32 in each launch; " + multiply_->description(); }

 private:
  template <bool kHalfBytes>
  void dequantize(const GemmBuffers& buffers) {
    const GemmProblem& p = problem_;
    const auto& a_values = small_float_values(p.a_dtype());
    const auto& b_values = small_float_values(p.b_dtype());
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (std::int64_t i = 0; i < p.m; ++i) {
      const SmallFloatVector<kHalfBytes> row{a_values.data(), static_cast<const std::uint8_t*>(buffers.a),
                                             p.a_index(i, 0), p.a_is_k_major() ? 1 : p.m};
      scale(row, a_.data() + i * p.k, [&](std::int64_t q) { return a_scale(p, buffers, i, q); });
    }
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (std::int64_t j = 0; j < p.n; ++j) {
      const SmallFloatVector<kHalfBytes> column{b_values.data(), static_cast<const std::uint8_t*>(buffers.b),
                                                p.b_index(0, j), p.b_is_k_major() ? 1 : p.n};
      scale(column, b_.data() + j * p.k, [&](std::int64_t q) { return b_scale(p, buffers, q, j); });
    }
  }

  /// out[0 .. k) = in * their factors; `factor` is asked once a block.
  template <class Vector, class Factor>
  void scale(const Vector& in, float* out, Factor factor) const {
    const std::int64_t block = has_block_scales(problem_.scaling) ? scale_block_k(problem_.scaling) : problem_.k;
    for (std::int64_t first = 0; first < problem_.k; first += block) {
      const auto f = static_cast<float>(factor(first));
      for (std::int64_t q = first; q < std::min(first + block, problem_.k); ++q) out[q] = in[q] * f;
    }
  }

  const GemmProblem problem_;
  const int threads_;
  std::vector<float> a_, b_, d_;  // [m, k], [n, k], [m, n]
  const std::unique_ptr<GemmOperation> multiply_;
};

}  // namespace

GemmKernel cpu_dequantized_gemm() {
  GemmKernel kernel;
  kernel.name = "cpu_dequantized";
  kernel.dtypes = {DType::e4m3, DType::e5m2, DType::e2m1};
  kernel.supports = [](const GemmProblem&, const Target&) { return Support::yes(); };
  kernel.prepare = [](const GemmProblem& problem, const Target& target, const std::vector<GemmBuffers>&,
                      Stream stream) { return std::make_unique<CpuDequantizedGemm>(problem, target, stream); };
  return kernel;
}

}  // namespace assay
