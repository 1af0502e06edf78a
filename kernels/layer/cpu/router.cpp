// The router on a CPU: token by token, every thread a part of them.
// Compiled by Highway for every instruction set and chosen at run time.
//
// What experts are ranked by becomes 32-bit keys whose order as integers is that of the numbers, so that -infinity can
// still be told from an expert already taken.  Each choice is one sweep over the keys: every lane keeps its largest and
// where it first saw it; of the lanes with the largest the lowest expert wins.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

#include "kernels/layer/cpu/elements.h"
#include "kernels/layer/cpu/token_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layer/cpu/router.cpp"
#include "kernels/layer/cpu/targets-inl.h"

HWY_BEFORE_NAMESPACE();
namespace assay::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {  // other files have names like these

#include "kernels/layer/cpu/lanes-inl.h"

using Int32 = hn::RebindToSigned<D>;
constexpr std::int32_t kTaken = std::numeric_limits<std::int32_t>::min();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kLog2E = 1.44269504f;

/// A token's numbers, each padded to whole vectors.
struct Row {
  alignas(64) float x[kRouterExperts + 16];           // logits, then what weights are made of
  alignas(64) std::int32_t key[kRouterExperts + 16];  // kTaken in padding
};

HWY_INLINE hn::Vec<Int32> key_of(Vec rank) {
  const Int32 d;
  const auto number = hn::IfThenElse(hn::IsNaN(rank), set(kInfinity), rank);
  const auto bits = hn::BitCast(d, number);
  // Negative numbers' order is the reverse of their bits'.
  return hn::Xor(bits, hn::And(hn::ShiftRight<31>(bits), hn::Set(d, 0x7fffffff)));
}

float rank_of_key(std::int32_t key) {
  const std::int32_t bits = key ^ (key >> 31 & 0x7fffffff);
  float rank;
  std::memcpy(&rank, &bits, sizeof rank);
  return rank;
}

template <class T>
void load_row(const RouterProblem& p, const T* logits, Row& row) {
  std::int64_t e = 0;
  for (; e + kLanes <= p.experts; e += kLanes) store(load(logits + e), row.x + e);
  if (e < p.experts) store(load_first(logits + e, p.experts - e, -kInfinity), row.x + e);
}

/// Keys from x, which becomes the sigmoids where they are the gate.
void rank(const RouterProblem& p, const float* bias, Row& row) {
  for (std::int64_t e = 0; e < p.experts; e += kLanes) {
    auto x = load(row.x + e);
    if (p.gate == RouterGate::sigmoid) {
      x = sigmoid<F32>(x);
      store(x, row.x + e);
      if (bias != nullptr) {
        const std::int64_t here = std::min(kLanes, p.experts - e);
        x = hn::Add(x, here == kLanes ? load(bias + e) : load_first(bias + e, here, 0));
      }
    }
    hn::StoreU(key_of(x), Int32(), row.key + e);
  }
  for (std::int64_t e = p.experts; e % kLanes != 0; ++e) row.key[e] = kTaken;
}

/// The first of the largest keys.
std::int32_t best_of(const std::int32_t* key, std::int64_t count) {
  const Int32 d;
  auto best = hn::Set(d, kTaken), at = hn::Iota(d, 0), number = at;
  const auto step = hn::Set(d, static_cast<std::int32_t>(kLanes));
  for (std::int64_t e = 0; e < count; e += kLanes, number = hn::Add(number, step)) {
    const auto x = hn::LoadU(d, key + e);
    const auto larger = hn::Gt(x, best);
    best = hn::IfThenElse(larger, x, best);
    at = hn::IfThenElse(larger, number, at);
  }
  const auto largest = hn::MaxOfLanes(d, best);
  const auto nobody = hn::Set(d, std::numeric_limits<std::int32_t>::max());
  return hn::GetLane(hn::MinOfLanes(d, hn::IfThenElse(hn::Eq(best, largest), at, nobody)));
}

/// The two largest keys.
struct BestTwo {
  std::int32_t first, second;
};
BestTwo best_two_of(const std::int32_t* key, std::int64_t count) {
  BestTwo best{kTaken, kTaken};
  for (std::int64_t e = 0; e < count; ++e) {
    best.second = std::max(best.second, std::min(best.first, key[e]));
    best.first = std::max(best.first, key[e]);
  }
  return best;
}

/// The same of whole vectors.
BestTwo best_two_of_vectors(const std::int32_t* key, std::int64_t count) {
  const Int32 d;
  auto first = hn::Set(d, kTaken), second = first;  // of each lane
  for (std::int64_t e = 0; e < count; e += kLanes) {
    const auto x = hn::LoadU(d, key + e);
    second = hn::Max(second, hn::Min(first, x));
    first = hn::Max(first, x);
  }
  const auto largest = hn::MaxOfLanes(d, first);
  const auto lane = hn::Set(d, static_cast<std::int32_t>(hn::FindFirstTrue(d, hn::Eq(first, largest))));
  // In the lane that has the largest, the second largest of all may be its own second.
  const auto rest = hn::IfThenElse(hn::Eq(hn::Iota(d, 0), lane), second, first);
  return {hn::GetLane(largest), hn::GetLane(hn::MaxOfLanes(d, rest))};
}

/// Takes the experts of all but the best groups out of the choice.
void keep_best_groups(const RouterProblem& p, Row& row) {
  alignas(64) std::int32_t group_key[kRouterExperts + 16];
  const std::int64_t size = p.group_size();
  for (std::int64_t g = 0; g < p.groups; ++g) {
    const auto [first, second] =
        size % kLanes == 0 ? best_two_of_vectors(row.key + g * size, size) : best_two_of(row.key + g * size, size);
    const float sum = rank_of_key(first) + (size > 1 ? rank_of_key(second) : 0.0f);
    alignas(64) std::int32_t lanes[kLanes];
    hn::StoreU(key_of(set(sum)), Int32(), lanes);
    group_key[g] = lanes[0];
  }
  for (std::int64_t g = p.groups; g % kLanes != 0; ++g) group_key[g] = kTaken;
  bool kept[kRouterExperts] = {};
  for (std::int64_t i = 0; i < p.top_groups; ++i) {
    const std::int32_t g = best_of(group_key, p.groups);
    kept[g] = true;
    group_key[g] = kTaken;
  }
  for (std::int64_t g = 0; g < p.groups; ++g)
    if (!kept[g]) std::fill_n(row.key + g * size, size, kTaken);
}

/// x becomes exp(x - the largest), NaN where that is infinite or not a number.
void exponentials(float* x, std::int64_t count) {
  float max = -kInfinity;
  for (std::int64_t i = 0; i < count; ++i) max = std::max(max, x[i]);
  for (std::int64_t i = 0; i < count; i += kLanes)
    store(exp2(hn::Mul(hn::Sub(load(x + i), set(max)), set(kLog2E))), x + i);
}

float sum_of(const float* x, std::int64_t count) {
  float sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += x[i];
  return sum;
}

/// What the chosen experts' gates are, and what they are divided by.  In row.x: exponentials or sigmoids of all
/// experts, or (softmax, renormalised) the chosen's logits still.
struct Chosen {
  alignas(64) float value[kRouterTopK + 16];
  float sum = 1;
};
void choose_gates(const RouterProblem& p, Row& row, const std::int32_t* expert, Chosen& chosen) {
  const bool softmax = p.gate == RouterGate::softmax;
  if (softmax && !p.renormalise) {
    exponentials(row.x, p.experts);
    chosen.sum = sum_of(row.x, p.experts);
  }
  for (std::int64_t i = 0; i < p.top_k; ++i) chosen.value[i] = row.x[expert[i]];
  if (!p.renormalise) return;
  for (std::int64_t i = p.top_k; i % kLanes != 0; ++i) chosen.value[i] = -kInfinity;
  if (softmax) exponentials(chosen.value, p.top_k);
  chosen.sum = sum_of(chosen.value, p.top_k) + (softmax ? 0 : kRouterEpsilon);
}

template <class T>
void forward_tokens(const RouterProblem& p, const RouterBuffers& b, const T* logits, PartOf part) {
  Row row;
  Chosen chosen;
  for (std::int64_t t = part.begin; t < part.end; ++t) {
    std::int32_t* expert = b.expert + t * p.top_k;
    load_row(p, logits + t * p.experts, row);
    rank(p, b.bias, row);
    if (p.groups > 1) keep_best_groups(p, row);
    for (std::int64_t i = 0; i < p.top_k; ++i) {
      expert[i] = best_of(row.key, p.experts);
      row.key[expert[i]] = kTaken;
    }
    choose_gates(p, row, expert, chosen);
    for (std::int64_t i = 0; i < p.top_k; ++i) b.weight[t * p.top_k + i] = p.scale * (chosen.value[i] / chosen.sum);
  }
}

/// x of a row that has no other use becomes dlogits.
void gradient_row(const RouterProblem& p, const std::int32_t* expert, const float* dweight, Row& row) {
  Chosen chosen;
  choose_gates(p, row, expert, chosen);
  const bool softmax = p.gate == RouterGate::softmax, everywhere = softmax && !p.renormalise;
  float g[kRouterTopK], inner = 0;
  for (std::int64_t i = 0; i < p.top_k; ++i) {
    g[i] = p.scale * dweight[i];
    inner += g[i] * (chosen.value[i] / chosen.sum);
  }
  if (!softmax && !p.renormalise) inner = 0;
  for (std::int64_t e = 0; e < p.experts; ++e) row.x[e] = everywhere ? row.x[e] / chosen.sum * -inner : 0;
  for (std::int64_t i = 0; i < p.top_k; ++i) {
    const float s = chosen.value[i], outer = softmax ? s / chosen.sum : s * (1 - s) / chosen.sum;
    row.x[expert[i]] = outer * (g[i] - inner);
  }
}

template <class T>
void backward_tokens(const RouterProblem& p, const RouterBuffers& b, const T* logits, PartOf part) {
  Row row;
  auto* dlogits = static_cast<T*>(b.dlogits);
  for (std::int64_t t = part.begin; t < part.end; ++t) {
    load_row(p, logits + t * p.experts, row);
    if (p.gate == RouterGate::sigmoid)
      for (std::int64_t e = 0; e < p.experts; e += kLanes) store(sigmoid<F32>(load(row.x + e)), row.x + e);
    gradient_row(p, b.expert + t * p.top_k, b.dweight + t * p.top_k, row);
    T* to = dlogits + t * p.experts;
    std::int64_t e = 0;
    for (; e + kLanes <= p.experts; e += kLanes) store(load(row.x + e), to + e);
    if (e < p.experts) store_first(load(row.x + e), to + e, p.experts - e);
  }
}

void router_tokens(const RouterProblem& p, const RouterBuffers& b, PartOf part) {
  with_elements(p.dtype, b.logits, [&](const auto* logits) {
    if (p.pass == LayerPass::forward)
      forward_tokens(p, b, logits, part);
    else
      backward_tokens(p, b, logits, part);
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace assay::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace assay {
namespace cpu {
HWY_EXPORT(router_tokens);

namespace {
void route(const RouterProblem& problem, const RouterBuffers& buffers, PartOf part) {
  HWY_DYNAMIC_DISPATCH(router_tokens)(problem, buffers, part);
}
}  // namespace
}  // namespace cpu

namespace {

void launch(const RouterProblem& problem, const RouterBuffers& buffers, const Target& target, Stream) {
  cpu::for_parts(target, problem.tokens, 1, [&](std::int64_t begin, std::int64_t end) {
    cpu::route(problem, buffers, {begin, end});
  });
}

}  // namespace

RouterKernel cpu_router() {
  RouterKernel row = cpu::vector_row<RouterProblem, RouterBuffers>(launch);
  row.supports = [](const RouterProblem& problem, const Target&) { return Support{reason_router_unfit(problem)}; };
  return row;
}

}  // namespace assay
#endif
