// The experts' router, forward and backward, for any GPU from sm_80 on.
//
// Algorithm   A warp a token: lane l has experts l n .. l n + n - 1 (n = 1, 2, 4, 8 or 32) in registers, as keys
//             whose order is that of the numbers (NaN above all, -0 as 0).  The best is taken top_k times: a maximum
//             over the lane's keys, one redux over the warp, the first lane that has it; so ties go to the lower
//             number.  Groups likewise: two maxima a group, then the best groups.
// Bound       By instructions, not by bytes: top 8 of 256 is about 300 instructions of a warp for 576 bytes.  It is
//             two thousandths of a layer's time; no more is made of it.
// Shapes      Up to 1024 experts, 32 chosen, 32 groups.
// Status      Proven in tests/simt; not yet run on a GPU.
// Source      Written for this project.
#pragma once
#include "kernels/layer/cuda/elements.cuh"
#include "kernels/layer/cuda/reduce.cuh"
#include "kernels/layer/cuda/router.h"

namespace assay::layer_cuda {

inline constexpr unsigned kAllLanes = 0xffffffffU;

/// Orders as the number does; 0 is below every number's, and NaN's above.
__device__ __forceinline__ std::uint32_t key_of(float x) {
  if (isnan(x)) return 0xffffffffU;
  const std::uint32_t bits = __float_as_uint(x + 0.F);  // -0 becomes 0
  return bits & 0x80000000U ? ~bits : bits | 0x80000000U;
}
__device__ __forceinline__ float value_of(std::uint32_t key) {  // of a key that is not 0
  return __uint_as_float(key & 0x80000000U ? key & 0x7fffffffU : ~key);
}

__device__ __forceinline__ float router_sigmoid(float x) {
  return ptx::reciprocal_approximate(1.F + ptx::exp2_approximate(x * -1.4426950408889634F));
}
/// exp(x - max)
__device__ __forceinline__ float exponential(float x, float max) {
  return ptx::exp2_approximate((x - max) * 1.4426950408889634F);
}

/// The lane's part of a token's row.
template <int kPerLane>
struct RouterRow {
  float x[kPerLane];

  template <class Element>
  __device__ __forceinline__ void load(const RouterParams& p, std::int64_t token) {
    const auto* row = static_cast<const typename Element::Storage*>(p.logits) + token * p.experts;
#pragma unroll
    for (int i = 0; i < kPerLane; ++i) x[i] = expert(i) < p.experts ? Element::load(row[expert(i)]) : -INFINITY;
  }
  static __device__ __forceinline__ int expert(int i) { return int(threadIdx.x) % 32 * kPerLane + i; }
};

/// A number of one lane of the warp, and where it is.
struct Best {
  std::uint32_t key;
  int lane, index;  // the lane that has it, and its i there
};

/// The largest key of the warp, in the lowest place where it is.
template <int kPerLane>
__device__ __forceinline__ Best best_of(const std::uint32_t (&key)[kPerLane]) {
  Best best{key[0], 0, 0};
#pragma unroll
  for (int i = 1; i < kPerLane; ++i)
    if (key[i] > best.key) best.key = key[i], best.index = i;
  const std::uint32_t mine = best.key;
  best.key = __reduce_max_sync(kAllLanes, mine);
  best.lane = __ffs(int(__ballot_sync(kAllLanes, mine == best.key))) - 1;
  best.index = __shfl_sync(kAllLanes, best.index, best.lane);
  return best;
}

template <int kPerLane>
__device__ __forceinline__ void remove(std::uint32_t (&key)[kPerLane], const Best& best) {
  if (int(threadIdx.x) % 32 != best.lane) return;
#pragma unroll
  for (int i = 0; i < kPerLane; ++i)
    if (i == best.index) key[i] = 0;
}

/// Leaves only the keys of the best groups.
template <int kPerLane>
__device__ __forceinline__ void keep_best_groups(const RouterParams& p, std::uint32_t (&key)[kPerLane]) {
  const int lane = int(threadIdx.x) % 32;
  std::uint32_t group_key[1] = {0};
  for (int group = 0; group < p.groups; ++group) {
    std::uint32_t member[kPerLane];
#pragma unroll
    for (int i = 0; i < kPerLane; ++i) {
      const auto expert = std::uint32_t(RouterRow<kPerLane>::expert(i));
      member[i] = int(p.group_size.quotient(expert)) == group ? key[i] : 0;
    }
    const Best first = best_of(member);
    remove(member, first);
    const Best second = best_of(member);
    const float sum = value_of(first.key) + (second.key != 0 ? value_of(second.key) : 0.F);
    if (lane == group) group_key[0] = key_of(sum);
  }
  unsigned kept = 0;
  for (int i = 0; i < p.top_groups; ++i) {
    const Best best = best_of(group_key);
    remove(group_key, best);
    kept |= 1U << best.lane;
  }
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    const std::uint32_t group = p.group_size.quotient(std::uint32_t(RouterRow<kPerLane>::expert(i)));
    if (group >= 32 || (kept >> group & 1) == 0) key[i] = 0;
  }
}

template <class Element, int kPerLane>
__global__ void __launch_bounds__(kRouterThreads) router_forward(RouterParams p) {
  const int lane = int(threadIdx.x) % 32;
  const std::int64_t token = (std::int64_t(blockIdx.x) * kRouterThreads + threadIdx.x) / 32;
  if (token >= p.tokens) return;
  RouterRow<kPerLane> row;
  row.template load<Element>(p, token);
  std::uint32_t key[kPerLane];
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    const int expert = row.expert(i);
    if (p.sigmoid) row.x[i] = router_sigmoid(row.x[i]);  // from here on what weights are made of
    const float bias = p.bias != nullptr && p.sigmoid && expert < p.experts ? __ldg(p.bias + expert) : 0.F;
    key[i] = expert < p.experts ? key_of(row.x[i] + bias) : 0;
  }
  if (p.groups > 1) keep_best_groups(p, key);
  int chosen = 0;  // lane s: the s-th choice
  float gate = 0.F, largest = 0.F;
  for (int s = 0; s < p.top_k; ++s) {
    const Best best = best_of(key);
    remove(key, best);
    float value = 0.F;
#pragma unroll
    for (int i = 0; i < kPerLane; ++i)
      if (i == best.index) value = row.x[i];
    value = __shfl_sync(kAllLanes, value, best.lane);
    if (s == 0) largest = value;
    if (lane == s) chosen = best.lane * kPerLane + best.index, gate = value;
  }
  if (!p.sigmoid) gate = lane < p.top_k ? exponential(gate, largest) : 0.F;
  float sum = 1.F;
  if (p.renormalise) {
    sum = warp_reduce<Sum>(lane < p.top_k ? gate : 0.F) + (p.sigmoid ? kRouterEpsilon : 0.F);
  } else if (!p.sigmoid) {
    float mine = 0.F;
#pragma unroll
    for (int i = 0; i < kPerLane; ++i) mine += exponential(row.x[i], largest);  // 0 where there is no expert
    sum = warp_reduce<Sum>(mine);
  }
  if (lane >= p.top_k) return;
  p.expert[token * p.top_k + lane] = chosen;
  p.weight[token * p.top_k + lane] = p.scale * (gate / sum);
}

/// The gradient of a chosen expert's logit (softmax over all: without the part that all have), lane s: the s-th choice.
struct ChosenGradient {
  int expert = -1;
  float value = 0.F;
  float dot = 0.F;  // sum over the chosen of g w
};

/// `max` and `sum`: of the softmax over all experts, where weights were not renormalised.
template <class Element>
__device__ __forceinline__ ChosenGradient chosen_gradient(const RouterParams& p, std::int64_t token, float max,
                                                          float sum) {
  const int lane = int(threadIdx.x) % 32;
  ChosenGradient c;
  float x = -INFINITY, g = 0.F;
  if (lane < p.top_k) {
    c.expert = p.expert[token * p.top_k + lane];
    x = Element::load(static_cast<const typename Element::Storage*>(p.logits)[token * p.experts + c.expert]);
    g = p.scale * p.dweight[token * p.top_k + lane];
  }
  if (p.sigmoid) {
    const float s = lane < p.top_k ? router_sigmoid(x) : 0.F;
    const float all = p.renormalise ? warp_reduce<Sum>(s) + kRouterEpsilon : 1.F;
    c.dot = p.renormalise ? warp_reduce<Sum>(g * (s / all)) : 0.F;
    c.value = s * (1.F - s) * ((g - c.dot) / all);
    return c;
  }
  if (p.renormalise) {
    max = __shfl_sync(kAllLanes, x, 0);  // the first choice is the largest
    const float e = lane < p.top_k ? exponential(x, max) : 0.F;
    sum = warp_reduce<Sum>(e);
  }
  const float w = lane < p.top_k ? exponential(x, max) / sum : 0.F;
  c.dot = warp_reduce<Sum>(g * w);
  c.value = p.renormalise ? w * (g - c.dot) : w * g;
  return c;
}

template <class Element, int kPerLane>
__global__ void __launch_bounds__(kRouterThreads) router_backward(RouterParams p) {
  const std::int64_t token = (std::int64_t(blockIdx.x) * kRouterThreads + threadIdx.x) / 32;
  if (token >= p.tokens) return;
  float d[kPerLane] = {};
  float max = 0.F, sum = 1.F;
  const bool all_experts = !p.sigmoid && !p.renormalise;
  if (all_experts) {
    RouterRow<kPerLane> row;
    row.template load<Element>(p, token);
    std::uint32_t key[kPerLane];
#pragma unroll
    for (int i = 0; i < kPerLane; ++i) key[i] = row.expert(i) < p.experts ? key_of(row.x[i]) : 0;
    max = value_of(best_of(key).key);
    float mine = 0.F;
#pragma unroll
    for (int i = 0; i < kPerLane; ++i) mine += d[i] = exponential(row.x[i], max);
    sum = warp_reduce<Sum>(mine);
  }
  const ChosenGradient c = chosen_gradient<Element>(p, token, max, sum);
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) d[i] = all_experts ? d[i] / sum * -c.dot : 0.F;
  for (int s = 0; s < p.top_k; ++s) {
    const int expert = __shfl_sync(kAllLanes, c.expert, s);
    const float value = __shfl_sync(kAllLanes, c.value, s);
#pragma unroll
    for (int i = 0; i < kPerLane; ++i)
      if (RouterRow<kPerLane>::expert(i) == expert) d[i] += value;
  }
  __syncwarp();  // dlogits may take the logits' place: everybody has read
  auto* row = static_cast<typename Element::Storage*>(p.dlogits) + token * p.experts;
#pragma unroll
  for (int i = 0; i < kPerLane; ++i)
    if (RouterRow<kPerLane>::expert(i) < p.experts) row[RouterRow<kPerLane>::expert(i)] = Element::store(d[i]);
}

}  // namespace assay::layer_cuda
