// Attention of 8-bit inputs on the CPU: each launch multiplies the elements of q, k and v by their tensors' factors
// into fp32 copies, attends to those with cpu_flash, and rounds o to bf16.  Weights stay fp32: they are not rounded to
// 8 bits as GPUs do.  CPUs have no units for these formats; the row is there so that their numerics can be checked, and
// shapes tried, without a GPU.
#include <omp.h>

#include <algorithm>
#include <array>
#include <memory>

#include "kernels/attention/cpu/flash.h"
#include "kernels/attention/cpu/kernels.h"

namespace assay {
namespace {

/// The problem that is left once the inputs are fp32.
AttentionProblem dequantized(AttentionProblem problem) {
  problem.dtype = DType::f32;
  return problem;
}

class CpuDequantizedAttention final : public AttentionOperation {
 public:
  CpuDequantizedAttention(const AttentionProblem& problem, const Target& target)
      : problem_(problem),
        threads_(std::max(target.threads, 1)),
        q_(cpu_flash::array<float>(problem.q_elements())),
        k_(cpu_flash::array<float>(problem.k_elements())),
        v_(cpu_flash::array<float>(problem.v_elements())),
        o_(cpu_flash::array<float>(problem.o_elements())),
        attend_(make_cpu_flash(dequantized(problem), threads_, cpu::best_tiles(DType::f32))) {
    for (std::size_t bits = 0; bits < values_.size(); ++bits) {
      const auto byte = static_cast<std::uint8_t>(bits);
      values_[bits] = static_cast<float>(load_element(problem.dtype, &byte, 0));
    }
  }

  void launch(const AttentionBuffers& buffers, Stream stream) override {
    dequantize(buffers.q, *buffers.q_scale, q_.get(), problem_.q_elements());
    dequantize(buffers.k, *buffers.k_scale, k_.get(), problem_.k_elements());
    dequantize(buffers.v, *buffers.v_scale, v_.get(), problem_.v_elements());
    AttentionBuffers wide = buffers;
    wide.q = q_.get(), wide.k = k_.get(), wide.v = v_.get(), wide.o = o_.get();
    attend_->launch(wide, stream);
    auto* out = static_cast<std::uint16_t*>(buffers.o);
    const std::int64_t count = problem_.o_elements();
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (std::int64_t i = 0; i < count; ++i) out[i] = float_to_bf16(o_.get()[i]);
  }

  std::string description() const override { return "inputs made fp32 in each launch; " + attend_->description(); }

 private:
  void dequantize(const void* from, float factor, float* to, std::int64_t count) const {
    const auto* bytes = static_cast<const std::uint8_t*>(from);
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (std::int64_t i = 0; i < count; ++i) to[i] = values_[bytes[i]] * factor;
  }

  const AttentionProblem problem_;
  const int threads_;
  std::array<float, 256> values_{};            // of the inputs' type, by bits
  const cpu::HugeArray<float> q_, k_, v_, o_;  // as in attention.h
  const std::unique_ptr<AttentionOperation> attend_;
};

}  // namespace

AttentionKernel cpu_dequantized_attention() {
  AttentionKernel kernel;
  kernel.name = "cpu_dequantized";
  kernel.dtypes = {DType::e4m3};
  kernel.supports = cpu_flash::supports;
  kernel.prepare = [](const AttentionProblem& problem, const Target& target, const std::vector<AttentionBuffers>&,
                      Stream) { return std::make_unique<CpuDequantizedAttention>(problem, target); };
  return kernel;
}

}  // namespace assay
