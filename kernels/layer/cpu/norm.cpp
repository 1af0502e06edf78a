// The CPU rows of RMSNorm and LayerNorm: every thread takes a part of the tokens.  The gradients of weight and bias are
// sums over tokens: of each kTokensOfSum of them first, then those in their order, so that they have the same bits with
// any number of threads.
#include "kernels/layer/cpu/norm.h"

#include <cstring>
#include <type_traits>

#include "kernels/common/cpu/huge_array.h"
#include "kernels/layer/cpu/kernels.h"
#include "kernels/layer/cpu/parts.h"

namespace assay {
namespace {

using cpu::NormPart;

// Of which one thread makes one sum: enough that writing it and reading it again, 8 bytes a column beside the 12 a
// token and column in fp32, costs 1 %; few enough that 64 threads share the 4096 tokens of a step.
constexpr std::int64_t kTokensOfSum = 64;

// Elements that the rows of sums kept for the second look, two a thread, begin behind a page, and each behind another:
// where the rows of x do, a load of x waits for the store whose address ends in the same twelve bits (5 % of f32).
constexpr std::int64_t kElsewhere = 32, kKept = 2;

/// The problem in the terms of a part: all tokens.
NormPart whole(const RmsNormProblem& p, const RmsNormBuffers& b) {
  NormPart part;
  part.dtype = p.dtype, part.tokens = p.tokens, part.hidden = p.hidden, part.epsilon = p.epsilon;
  part.x = b.x, part.weight = b.weight, part.rstd = b.rstd;
  part.y = b.y, part.dy = b.dy, part.dx = b.dx, part.dw = b.dw;
  if (p.residual) part.residual = b.residual, part.sum = b.sum, part.d_sum = b.d_sum;
  return part;
}

NormPart whole(const LayerNormProblem& p, const LayerNormBuffers& b) {
  NormPart part;
  part.dtype = p.dtype, part.tokens = p.tokens, part.hidden = p.hidden, part.epsilon = p.epsilon;
  part.centred = true;
  part.x = b.x, part.weight = b.weight, part.bias = b.bias, part.mean = b.mean, part.rstd = b.rstd;
  part.y = b.y, part.dy = b.dy, part.dx = b.dx, part.dw = b.dw, part.db = b.db;
  if (p.residual) part.residual = b.residual, part.sum = b.sum, part.d_sum = b.d_sum;
  return part;
}

template <class Problem, class Buffers>
class CpuNorm final : public Operation<Buffers> {
 public:
  CpuNorm(const Problem& problem, const Target& target)
      : problem_(problem),
        target_(target),
        threads_(std::max(target.threads, 1)),
        parts_(problem.pass == LayerPass::backward ? int((problem.tokens + kTokensOfSum - 1) / kTokensOfSum)
                                                   : threads_),
        stride_((problem.hidden + cpu::kMaxUnit - 1) / cpu::kMaxUnit * cpu::kMaxUnit) {
    const std::size_t rows = std::size_t(stride_) * std::size_t(parts_);
    if (backward())
      sums_ = cpu::huge_array<float>(kGradients * rows);  // dw's of all parts, then db's
    else if (problem.residual)
      kept_ = cpu::huge_array<float>(kKept * (rows + std::size_t(kElsewhere * parts_)) + kElsewhere);
  }

  void launch(const Buffers& buffers, Stream) override {
    NormPart all = whole(problem_, buffers);
    all.stream = streams(all);
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (int part = 0; part < parts_; ++part) run_part(all, part);
    if (!backward()) return;
    cpu::for_parts(target_, problem_.hidden, cpu::kMaxUnit, [&](std::int64_t begin, std::int64_t end) {
      cpu::NormSums sums{problem_.dtype, sums_.get(), stride_, parts_, problem_.accumulate, all.dw};
      cpu::norm_sums(sums, begin, end);
      if constexpr (kGradients == 1) return;
      sums.sums += stride_ * parts_, sums.out = all.db;
      cpu::norm_sums(sums, begin, end);
    });
  }

 private:
  static constexpr std::size_t kGradients = std::is_same_v<Problem, LayerNormProblem> ? 2 : 1;

  bool backward() const { return problem_.pass == LayerPass::backward; }

  bool streams(const NormPart& p) const {
    const bool rows = std::uintptr_t(p.hidden) * size_bytes(p.dtype) % cpu::kVectorBytes == 0;
    const bool arrays = backward() ? cpu::is_aligned(p.dx) : cpu::is_aligned(p.y) && cpu::is_aligned(p.sum);
    return rows && arrays && cpu::exceeds_caches(problem_.bytes(), target_);
  }

  void run_part(NormPart part, int number) {
    const auto [begin, end] = backward() ? part_of_sum(number) : cpu::part_of(problem_.tokens, 1, threads_, number);
    const std::int64_t first = begin * part.hidden;
    part.tokens = end - begin;
    for (const void** in : {&part.x, &part.residual, &part.dy, &part.d_sum})
      *in = cpu::advanced(part.dtype, *in, first);
    for (void** out : {&part.sum, &part.y, &part.dx}) *out = cpu::advanced(part.dtype, *out, first);
    part.rstd += begin;
    if (part.centred) part.mean += begin;
    if (kept_) {
      part.kept_stride = stride_ + kElsewhere;
      part.kept = kept_.get() + kElsewhere + kKept * part.kept_stride * number;
    }
    if (!backward()) return cpu::norm_forward(part);
    part.dw = sums_.get() + stride_ * number;
    std::memset(part.dw, 0, std::size_t(stride_) * sizeof(float));
    if constexpr (kGradients == 2) {
      part.db = part.dw + stride_ * parts_;
      std::memset(part.db, 0, std::size_t(stride_) * sizeof(float));
    }
    cpu::norm_backward(part);
  }

  cpu::PartOf part_of_sum(int number) const {
    return {number * kTokensOfSum, std::min(problem_.tokens, (number + 1) * kTokensOfSum)};
  }

  Problem problem_;
  Target target_;
  int threads_;
  int parts_;            // forward: one a thread
  std::int64_t stride_;  // elements of a row of a part's own
  // On whole cache lines: a vector across two of them costs twice, and bf16's backward pass stores one a unit.
  cpu::HugeArray<float> sums_, kept_;
};

template <class Problem, class Buffers>
Kernel<Problem, Buffers> norm_row() {
  auto row = cpu::vector_row<Problem, Buffers>();
  row.prepare = [](const Problem& problem, const Target& target, const std::vector<Buffers>&, Stream) {
    return std::make_unique<CpuNorm<Problem, Buffers>>(problem, target);
  };
  return row;
}

}  // namespace

RmsNormKernel cpu_vector_rms_norm() { return norm_row<RmsNormProblem, RmsNormBuffers>(); }
LayerNormKernel cpu_vector_layer_norm() { return norm_row<LayerNormProblem, LayerNormBuffers>(); }

}  // namespace assay
