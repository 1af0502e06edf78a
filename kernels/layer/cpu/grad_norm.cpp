// The gradient norm on a CPU: every thread takes a part of the chunks, in the order of sums of grad_norm.h.
// Compiled by Highway for every instruction set and chosen at run time.
//
// Bound by reading: the 64 lanes of a chunk are four vectors of AVX-512, as many independent chains as hide a
// multiply-add's latency.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

#include "kernels/layer/cpu/elements.h"
#include "kernels/layer/cpu/token_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layer/cpu/grad_norm.cpp"
#include "kernels/layer/cpu/targets-inl.h"

HWY_BEFORE_NAMESPACE();
namespace assay::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {  // other files have names like these

#include "kernels/layer/cpu/lanes-inl.h"

constexpr int kVectors = kGradNormLanes / static_cast<int>(kLanes);

template <class T>
HWY_INLINE void add_squares(const T* g, Vec (&sum)[kVectors]) {
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) {
    const auto x = load(g + v * kLanes);
    sum[v] = hn::MulAdd(x, x, sum[v]);
  }
}

template <class T>
float chunk_of(const T* g, std::int64_t count) {
  Vec sum[kVectors];
  for (auto& s : sum) s = set(0);
  std::int64_t i = 0;
  for (; i + kGradNormLanes <= count; i += kGradNormLanes) add_squares(g + i, sum);
  if (i < count) {
    float rest[kGradNormLanes] = {};  // a square of zero changes no lane
    for (std::int64_t l = 0; i + l < count; ++l) rest[l] = to_float(g[i + l]);
    add_squares(rest, sum);
  }
  alignas(64) float lane[kGradNormLanes];
  for (int v = 0; v < kVectors; ++v) store(sum[v], lane + v * kLanes);
  for (int half = kGradNormLanes / 2; half > 0; half /= 2)
    for (int l = 0; l < half; ++l) lane[l] += lane[l + half];
  return lane[0];
}

float chunk_f32(const float* g, std::int64_t count) { return chunk_of(g, count); }
float chunk_bf16(const std::uint16_t* g, std::int64_t count) { return chunk_of(g, count); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace assay::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace assay {
namespace cpu {
HWY_EXPORT(chunk_f32);
HWY_EXPORT(chunk_bf16);

namespace {
float sum_of_chunk(const float* g, std::int64_t count) { return HWY_DYNAMIC_DISPATCH(chunk_f32)(g, count); }
float sum_of_chunk(const std::uint16_t* g, std::int64_t count) { return HWY_DYNAMIC_DISPATCH(chunk_bf16)(g, count); }
}  // namespace
}  // namespace cpu

namespace {

class CpuGradNorm final : public GradNormOperation {
 public:
  CpuGradNorm(const GradNormProblem& problem, const Target& target) : problem_(problem), target_(target) {
    std::int64_t chunks = 0;
    for (const std::int64_t elements : problem.elements) {
      first_chunk_.push_back(chunks);
      chunks += GradNormProblem::chunks_of(elements);
    }
    partials_.resize(static_cast<std::size_t>(chunks));
  }

  void launch(const GradNormBuffers& buffers, Stream) override {
    const auto chunks = static_cast<std::int64_t>(partials_.size());
    cpu::for_parts(target_, chunks, 1, [&](std::int64_t begin, std::int64_t end) {
      sum_chunks(buffers, {begin, end});
    });
    *buffers.result = grad_norm_of(sum_of_partials(), problem_.max_norm);
  }

 private:
  void sum_chunks(const GradNormBuffers& buffers, cpu::PartOf part) {
    const auto after = std::upper_bound(first_chunk_.begin(), first_chunk_.end(), part.begin);
    auto tensor = static_cast<std::size_t>(after - first_chunk_.begin()) - 1;
    for (std::int64_t c = part.begin; c < part.end; ++c) {
      while (tensor + 1 < first_chunk_.size() && first_chunk_[tensor + 1] <= c) ++tensor;
      const std::int64_t first = (c - first_chunk_[tensor]) * kGradNormChunk;
      const std::int64_t count = std::min(kGradNormChunk, problem_.elements[tensor] - first);
      partials_[static_cast<std::size_t>(c)] =
          cpu::with_elements(problem_.dtype, buffers.gradients[tensor],
                             [&](const auto* gradient) { return cpu::sum_of_chunk(gradient + first, count); });
    }
  }

  double sum_of_partials() const {
    std::vector<double> lane(kGradNormSums, 0.0);
    for (std::size_t c = 0; c < partials_.size(); ++c) lane[c % lane.size()] += double(partials_[c]);
    for (std::size_t half = lane.size() / 2; half > 0; half /= 2)
      for (std::size_t l = 0; l < half; ++l) lane[l] += lane[l + half];
    return lane[0];
  }

  const GradNormProblem problem_;
  const Target target_;
  std::vector<std::int64_t> first_chunk_;  // of each tensor
  std::vector<float> partials_;            // of each chunk
};

}  // namespace

GradNormKernel cpu_grad_norm() {
  GradNormKernel row = cpu::vector_row<GradNormProblem, GradNormBuffers>();
  row.prepare = [](const GradNormProblem& problem, const Target& target, const std::vector<GradNormBuffers>&, Stream) {
    return std::make_unique<CpuGradNorm>(problem, target);
  };
  return row;
}

}  // namespace assay
#endif
