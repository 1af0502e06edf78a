// A transformer's arithmetic: parameters and the FLOP of training a token, in each convention that people publish.
// Only matrix products count, as everywhere in the literature; norms, activations and the softmax do not.
#pragma once
#include <array>
#include <cstdint>
#include <string>

namespace assay {

struct FeedForward {
  bool gated = true;      // two input projections (SwiGLU); false: one
  std::int64_t size = 0;  // 0: there is none
};

/// The dimensions of configs/models.
struct Transformer {
  std::int64_t layers = 0, hidden = 0, heads = 0, kv_heads = 0, head_dim = 0, vocabulary = 0;
  FeedForward dense;              // in `dense_layers` of the layers
  std::int64_t dense_layers = 0;  // all, unless some have experts instead
  FeedForward expert, shared;     // one of `experts`; what every token passes beside them
  std::int64_t experts = 0, experts_per_token = 0;
  std::int64_t routing_nodes = 0;  // a token's experts sit on this many nodes at most; 0: on any
  /// Layers that predict further tokens (multi-token prediction): each a layer of the last kind, a projection from two
  /// hidden states to one, and a pass of the head; embedding and head are shared.
  std::int64_t prediction_layers = 0;
  // Latent attention; all 0 where there is none.
  std::int64_t q_rank = 0, kv_rank = 0, rope_head_dim = 0, v_head_dim = 0;
  bool tied_embedding = false;  // the head is the embedding's matrix

  bool latent() const { return kv_rank > 0; }
  std::int64_t expert_layers() const { return experts > 0 ? layers - dense_layers : 0; }
  std::int64_t qk_dim() const { return head_dim + rope_head_dim; }  // of a query or a key
  std::int64_t v_dim() const { return latent() ? v_head_dim : head_dim; }
};

/// Dimensions that no model can have, by their keys in configs/models; empty where there is none.
std::string dimension_problem(const Transformer&);

/// Elements of weights.  `per_token` are those a token passes: of the experts, only the chosen ones.  Layers that
/// predict further tokens are in both where the model has them.
struct Parameters {
  double attention = 0;   // of one layer
  double dense = 0;       // of one layer that has the dense network
  double expert = 0;      // of one routed expert
  double experts = 0;     // of one layer that has experts: router, shared and all routed ones
  double embedding = 0;   // input
  double head = 0;        // 0 where tied
  double prediction = 0;  // projection of one layer that predicts a further token
  double total = 0, per_token = 0;
};
Parameters parameters(const Transformer&);

/// The four conventions in which model FLOP/s and MFU are published.
enum class FlopConvention {
  full_attention,  // 6 FLOP a weight in a product, attention as if nothing were masked: PaLM (arXiv 2204.02311, B),
                   // Korthikanti et al. (2205.05198, A)
  causal,          // half of attention: current Megatron-LM and Megatron Bridge
  recomputed,      // full attention, and every layer's forward twice: Narayanan et al. (2104.04473, section 3.4)
  six_n,           // 6 times the parameters a token passes
};
inline constexpr std::array kFlopConventions = {FlopConvention::full_attention, FlopConvention::causal,
                                                FlopConvention::recomputed, FlopConvention::six_n};
/// "full attention", "causal", "recomputed", "6N".
const char* name_of(FlopConvention);

/// Forward FLOP of one token.
struct ForwardFlops {
  double linear = 0;     // of all layers: their matrices
  double attention = 0;  // of all layers: scores and weighted values, nothing masked
  double head = 0;
};
ForwardFlops forward_flops(const Transformer&, double sequence);

/// Forward and backward of one token; a backward is twice its forward.
double training_flops(const Transformer&, double sequence, FlopConvention);

}  // namespace assay
