// AdamW on a CPU: every thread updates a part of the elements, in place, by the roundings of adamw.h.
// Compiled by Highway for every instruction set and chosen at run time.
//
// Bound by memory: seven streams (eight with bf16 parameters).  m, v and master are stored where they were read, so
// that ordinary stores cost no extra read; bf16 parameters, which are only written, go past the caches.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

#include "kernels/layer/cpu/elements.h"
#include "kernels/layer/cpu/token_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layer/cpu/adamw.cpp"
#include "kernels/layer/cpu/targets-inl.h"

#ifndef ASSAY_LAYER_CPU_ADAMW
#define ASSAY_LAYER_CPU_ADAMW
namespace assay::cpu {

struct AdamWJob {
  const AdamWProblem& problem;
  const AdamWBuffers& buffers;
  PartOf part;
  bool past_caches;  // so much is written that it need not pass through them
};

}  // namespace assay::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace assay::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {  // other files have names like these

#include "kernels/layer/cpu/lanes-inl.h"

struct Factors {
  Vec scale, beta1, rest1, beta2, rest2, rate, root, epsilon, decay;
};

Factors factors_of(const AdamWProblem& p, const AdamWBuffers& b) {
  return {set(b.gradient_scale ? *b.gradient_scale : 1.0f),
          set(p.beta1),
          set(static_cast<float>(1 - static_cast<double>(p.beta1))),
          set(p.beta2),
          set(static_cast<float>(1 - static_cast<double>(p.beta2))),
          set(b.step->rate),
          set(b.step->root),
          set(p.epsilon),
          set(b.step->decay)};
}

struct State {
  Vec m, v, master;
};

HWY_INLINE void update(const Factors& f, Vec gradient, State& s) {
  const auto g = hn::Mul(f.scale, gradient);
  s.m = hn::MulAdd(f.beta1, s.m, hn::Mul(f.rest1, g));
  s.v = hn::MulAdd(f.beta2, s.v, hn::Mul(hn::Mul(f.rest2, g), g));
  const auto step = hn::Div(hn::Mul(f.rate, s.m), hn::MulAdd(hn::Sqrt(s.v), f.root, f.epsilon));
  s.master = hn::Sub(s.master, hn::MulAdd(f.decay, s.master, step));
}

template <bool kParam, bool kStream, class Gradient>
void update_part(const AdamWJob& job, const Gradient* gradient) {
  const AdamWBuffers& b = job.buffers;
  const Factors factors = factors_of(job.problem, b);
  auto* param = static_cast<std::uint16_t*>(b.param);
  std::int64_t i = job.part.begin;
  for (; i + kLanes <= job.part.end; i += kLanes) {
    State state{load(b.m + i), load(b.v + i), load(b.master + i)};
    update(factors, load(gradient + i), state);
    store(state.m, b.m + i);
    store(state.v, b.v + i);
    store(state.master, b.master + i);
    if constexpr (kParam) put<kStream>(state.master, param + i);
  }
  if (const std::int64_t left = job.part.end - i; left > 0) {
    State state{load_first(b.m + i, left, 0), load_first(b.v + i, left, 0), load_first(b.master + i, left, 0)};
    update(factors, load_first(gradient + i, left, 0), state);
    store_first(state.m, b.m + i, left);
    store_first(state.v, b.v + i, left);
    store_first(state.master, b.master + i, left);
    if constexpr (kParam) store_first(state.master, param + i, left);
  }
  if constexpr (kStream) hwy::FlushStream();
}

void adamw_part(const AdamWJob& job) {
  with_elements(job.problem.gradient_dtype, job.buffers.gradient, [&](const auto* gradient) {
    if (!job.problem.has_master()) return update_part<false, false>(job, gradient);
    const auto* param = static_cast<const std::uint16_t*>(job.buffers.param) + job.part.begin;
    if (job.past_caches && is_aligned(param)) return update_part<true, true>(job, gradient);
    return update_part<true, false>(job, gradient);
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace assay::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace assay {
namespace cpu {
HWY_EXPORT(adamw_part);
void update_adamw(const AdamWJob& job) { HWY_DYNAMIC_DISPATCH(adamw_part)(job); }
}  // namespace cpu

namespace {

// Parts begin on cache lines of every array, so that no two threads write one.
constexpr std::int64_t kUnit = 64;

void launch(const AdamWProblem& problem, const AdamWBuffers& buffers, const Target& target, Stream) {
  const bool past_caches = cpu::exceeds_caches(problem.bytes(), target);
  cpu::for_parts(target, problem.elements, kUnit, [&](std::int64_t begin, std::int64_t end) {
    cpu::update_adamw({problem, buffers, {begin, end}, past_caches});
  });
}

}  // namespace

AdamWKernel cpu_adamw() {
  AdamWKernel row = cpu::vector_row<AdamWProblem, AdamWBuffers>(launch);
  row.supports = [](const AdamWProblem& problem, const Target&) {
    if (problem.gradient_dtype != DType::f32 && problem.gradient_dtype != problem.dtype)
      return Support::no(std::string("gradients of ") + name(problem.dtype) + " parameters are f32 or " +
                         name(problem.dtype));
    return Support::yes();
  };
  return row;
}

}  // namespace assay
#endif
