// The contract of a mixture of experts' router: which experts a token goes to, and with what weight.
// Row-major, packed:
//   logits, dlogits   [tokens, experts]   in the problem's type (the product of the tokens and the router's matrix)
//   bias              [experts]           fp32, sigmoid only: moves the choice, not the weights; may be null
//   expert            [tokens, top_k]     int32, the best first
//   weight, dweight   [tokens, top_k]     fp32
//
//   gate      what is ranked   weight, before scale                   renormalised: divided by
//   softmax   x_e              p_e = exp(x_e) / sum_i exp(x_i)        sum over the chosen of p
//   sigmoid   s_e + bias_e     s_e = 1 / (1 + exp(-x_e))              sum over the chosen of s, + 1e-20
// Mixtral (arXiv 2401.04088, section 2.1): softmax, renormalised, 2 of 8.  DeepSeek-V3 (arXiv 2412.19437, section 2.1.2
// and its published inference code): sigmoid with bias, renormalised, scale 2.5, 8 of 256 in 8 groups.
// With groups > 1 (sigmoid only) experts of one group are neighbours; only those of the top_groups best groups can be
// chosen, a group being as good as the sum of its two best ranked experts (of its one, where it has no more).
//
// Ties go to the lower number, of experts and of groups.  NaN ranks as +infinity, so that it is chosen and seen.
// What is ranked is fp32: softmax ranks the logits themselves, exactly; sigmoid what the kernel computed, so that two
// kernels may differ where two experts are closer than rounding (router_allows says whether they do only there).
//
// Backward, the choice being constant, with g = scale dweight of a chosen expert and w its weight before scale:
//   softmax, renormalised   dx_e = w_e (g_e - sum_i g_i w_i)                  of the chosen, else 0
//   softmax                 dx_e = p_e ([e chosen] g_e - sum_i g_i p_i)       of all experts
//   sigmoid, renormalised   dx_e = s_e (1 - s_e) (g_e - sum_i g_i w_i) / (sum_i s_i + 1e-20)     of the chosen, else 0
//   sigmoid                 dx_e = s_e (1 - s_e) g_e                          of the chosen, else 0
// Load-balancing losses add to dlogits outside.
//
// Arithmetic is fp32.  The same bits every time and for every number of threads.
//
// Bytes that must move, with e the type's size: forward tokens (e experts + 8 top_k); backward tokens (2 e experts +
// 8 top_k).  FLOP are not counted.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/layer/layer.h"

namespace assay {

enum class RouterGate : std::uint8_t { softmax, sigmoid };

constexpr const char* name(RouterGate g) { return g == RouterGate::softmax ? "softmax" : "sigmoid"; }

inline constexpr float kRouterEpsilon = 1e-20f;       // DeepSeek's: a sum of chosen sigmoids may be 0
inline constexpr std::int64_t kRouterExperts = 1024;  // at most: a warp holds 32 of them a lane
inline constexpr std::int64_t kRouterTopK = 32;       // at most

struct RouterProblem {
  LayerPass pass = LayerPass::forward;
  std::int64_t tokens = 1, experts = 8, top_k = 2;  // 1 <= top_k <= experts
  RouterGate gate = RouterGate::softmax;
  bool renormalise = true;
  float scale = 1;
  std::int64_t groups = 1, top_groups = 1;  // experts is a multiple of groups; top_groups hold top_k experts at least
  DType dtype = DType::f32;                 // of logits and dlogits: f32 or bf16

  std::int64_t group_size() const { return experts / groups; }
  double bytes() const {
    const double row = double(experts) * double(size_bytes(dtype)) * (pass == LayerPass::forward ? 1 : 2);
    return double(tokens) * (row + 8 * double(top_k));
  }
};

/// Empty where the numbers fit each other; else what does not.
std::string reason_router_unfit(const RouterProblem&);

/// On the device the kernel runs on; backward reads what forward left in `expert`.
struct RouterBuffers {
  const void* logits = nullptr;
  const float* bias = nullptr;  // null: zeros
  std::int32_t* expert = nullptr;
  float* weight = nullptr;         // forward
  const float* dweight = nullptr;  // backward
  void* dlogits = nullptr;         // backward
};

using RouterOperation = Operation<RouterBuffers>;
using RouterKernel = Kernel<RouterProblem, RouterBuffers>;

/// Every router kernel of this build, ours first.  A kernel of both passes is one row.
const std::vector<RouterKernel>& router_kernels();

/// Empty where `expert` [top_k] is what an fp32 router may choose for token `t` and in that order: exactly the
/// reference's, but where exact ranks are closer than the errors of a sigmoid.  Else what is wrong.
std::string router_allows(const RouterProblem&, const RouterBuffers& host, std::int64_t t, const std::int32_t* expert);

/// The choice in fp64, ties and NaN as above.  [top_k]
std::vector<std::int32_t> router_reference_choice(const RouterProblem&, const RouterBuffers& host, std::int64_t t);
/// The weights of the experts in `expert` [top_k].
LayerRow router_reference_weights(const RouterProblem&, const RouterBuffers& host, std::int64_t t,
                                  const std::int32_t* expert);
/// dlogits of token `t` for the choice in host.expert.  [experts]
LayerRow router_reference_dlogits(const RouterProblem&, const RouterBuffers& host, std::int64_t t);

}  // namespace assay
