#include "harness/model/transformer.h"

#include <fmt/format.h>

namespace assay {
namespace {

/// Grouped queries: QKV and output.  Latent (DeepSeek-V2, arXiv 2405.04434, section 2.1): down, up, output.
double attention_weights(const Transformer& t) {
  const double h = double(t.hidden), a = double(t.heads), d = double(t.head_dim);
  if (!t.latent()) return h * (a + 2 * double(t.kv_heads)) * d + a * d * h;
  const double q = double(t.q_rank), kv = double(t.kv_rank), v = double(t.v_head_dim);
  return h * (q + kv + double(t.rope_head_dim)) + q * a * double(t.qk_dim()) + kv * a * (d + v) + a * v * h;
}

double weights(const FeedForward& network, std::int64_t hidden) {
  return (network.gated ? 3.0 : 2.0) * double(hidden) * double(network.size);
}

/// Scale (and nothing else) of the two norms of a layer.
double norm_weights(const Transformer& t) { return 2.0 * double(t.hidden); }

/// With those that predict further tokens, which are of the last layer's kind.
double expert_layers(const Transformer& t) {
  return double(t.expert_layers() + (t.expert_layers() > 0 ? t.prediction_layers : 0));
}
double dense_layers(const Transformer& t) {
  return double(t.dense_layers + (t.expert_layers() > 0 ? 0 : t.prediction_layers));
}

/// What a token passes in one layer that has experts.
double expert_layer_per_token(const Transformer& t) {
  return double(t.hidden * t.experts) + weights(t.shared, t.hidden) +
         double(t.experts_per_token) * weights(t.expert, t.hidden);
}

}  // namespace

std::string dimension_problem(const Transformer& t) {
  constexpr std::int64_t kMostLayers = 10'000;  // what is dealt to pipelines one by one
  if (t.layers > kMostLayers) return fmt::format("/layers: {}, expected at most {}", t.layers, kMostLayers);
  if (t.kv_heads > t.heads || t.heads % t.kv_heads != 0)
    return fmt::format("/kv_heads: {} do not divide the {} heads", t.kv_heads, t.heads);
  if (t.dense.size == 0 && t.expert.size == 0) return "expected /feed_forward, /experts, or both";
  if (t.dense_layers > t.layers)
    return fmt::format("/feed_forward/layers: {}, of a model of {} layers", t.dense_layers, t.layers);
  if (t.expert.size == 0 && t.dense_layers < t.layers)
    return fmt::format("/feed_forward/layers: {} of {} layers, and no /experts for the others", t.dense_layers,
                       t.layers);
  if (t.expert.size > 0 && t.dense_layers == t.layers)
    return fmt::format(
        "/feed_forward/layers: none of the {} layers is left for the experts; say how many have the dense network",
        t.layers);
  if (t.experts_per_token > t.experts)
    return fmt::format("/experts/per_token: {}, of {} experts", t.experts_per_token, t.experts);
  return {};
}

Parameters parameters(const Transformer& t) {
  Parameters p;
  p.attention = attention_weights(t);
  p.dense = weights(t.dense, t.hidden);
  p.expert = weights(t.expert, t.hidden);
  p.experts = double(t.hidden * t.experts) + weights(t.shared, t.hidden) + double(t.experts) * p.expert;
  p.embedding = double(t.vocabulary) * double(t.hidden);
  p.head = t.tied_embedding ? 0 : p.embedding;
  p.prediction = 2 * double(t.hidden) * double(t.hidden);
  const double further = double(t.prediction_layers);
  const double rest = (double(t.layers) + further) * (p.attention + norm_weights(t)) + dense_layers(t) * p.dense +
                      p.embedding + p.head + double(t.hidden) + further * p.prediction;
  const double routed = expert_layers(t);
  p.total = rest + (routed > 0 ? routed * p.experts : 0);
  p.per_token = rest + (routed > 0 ? routed * expert_layer_per_token(t) : 0);
  return p;
}

ForwardFlops forward_flops(const Transformer& t, double sequence) {
  ForwardFlops f;
  const double further = double(t.prediction_layers), layers = double(t.layers) + further;
  double matrices = layers * attention_weights(t) + dense_layers(t) * weights(t.dense, t.hidden) +
                    further * 2 * double(t.hidden) * double(t.hidden);
  if (t.expert_layers() > 0) matrices += expert_layers(t) * expert_layer_per_token(t);
  f.linear = 2 * matrices;
  f.attention = layers * 2 * sequence * double(t.heads) * double(t.qk_dim() + t.v_dim());
  f.head = 2 * double(t.hidden) * double(t.vocabulary) * (1 + further);
  return f;
}

double training_flops(const Transformer& t, double sequence, FlopConvention convention) {
  const ForwardFlops f = forward_flops(t, sequence);
  switch (convention) {
    case FlopConvention::full_attention:
      return 3 * (f.linear + f.attention + f.head);
    case FlopConvention::causal:
      return 3 * (f.linear + f.attention / 2 + f.head);
    case FlopConvention::recomputed:
      return 4 * (f.linear + f.attention) + 3 * f.head;
    case FlopConvention::six_n:
      return 6 * parameters(t).per_token;
  }
  return 0;
}

const char* name_of(FlopConvention convention) {
  switch (convention) {
    case FlopConvention::full_attention:
      return "full attention";
    case FlopConvention::causal:
      return "causal";
    case FlopConvention::recomputed:
      return "recomputed";
    case FlopConvention::six_n:
      return "6N";
  }
  return "";
}

}  // namespace assay
