#include "harness/project/layer_time.h"

#include <algorithm>
#include <array>

#include "harness/project/communication.h"

namespace assay {
namespace {

constexpr double kElement = 2;  // bytes of bf16

PassTime operator+(PassTime a, const PassTime& b) {
  a.gemm += b.gemm, a.attention += b.attention, a.stream += b.stream;
  a.tensor += b.tensor, a.context += b.context, a.expert += b.expert;
  return a;
}

PassTime operator*(double f, PassTime a) {
  a.gemm *= f, a.attention *= f, a.stream *= f, a.tensor *= f, a.context *= f, a.expert *= f;
  return a;
}

/// y[rows, n] = x[rows, k] W[n, k]^T; `count` of them share the rows, as one grouped GEMM.
struct Linear {
  double rows = 0, n = 0, k = 0, count = 1;
};

/// All that one layer's time depends on.
class Layer {
 public:
  Layer(const TrainingPlan& s, const Hardware& hw, const Shares& shares, Coverage* coverage)
      : s_(s),
        m_(s.model),
        hw_(hw),
        shares_(shares),
        coverage_(coverage),
        t_(double(s.split.tensor)),
        tokens_(s.local_tokens()),
        residual_split_(s.split.sequence_parallel ? t_ : 1) {}

  LayerTime attention_block() const {
    LayerTime out;
    for (const Linear& each : attention_linears()) add(out, each, s_.precision);
    add_attention(out);
    const double heads = double(m_.heads), kv = double(m_.latent() ? m_.heads : m_.kv_heads);
    const double rope = 2 * kElement * (heads + kv) * double(m_.qk_dim()) / t_;  // read and written, both ways
    out.forward.stream = stream_seconds(tokens_ * (norm_forward() + rope), 4, hw_);
    out.backward.stream = stream_seconds(tokens_ * (norm_backward() + rope), 6, hw_);
    add_casts(out, double(m_.hidden) / residual_split_ + heads * double(m_.v_dim()) / t_,
              double(m_.hidden) / residual_split_ + (heads + 2 * kv) * double(m_.head_dim) / t_);
    if (selective() && s_.parts.norms) out.backward.stream += stream_seconds(tokens_ * norm_forward(), 1, hw_);
    if (selective() && s_.parts.latent_up && m_.latent()) {
      const Linear up = attention_linears()[2];  // keys and values; queries' is the other
      const Linear queries = attention_linears()[1];
      out.backward.gemm += forward_seconds(up, s_.precision) + forward_seconds(queries, s_.precision);
    }
    recompute_products(out, attention_products_again());
    add_tensor(out);
    add_context(out);
    return out;
  }

  LayerTime dense_block() const {
    LayerTime out;
    add_network(out, m_.dense, tokens_, t_, 1);
    out.forward.stream += stream_seconds(tokens_ * norm_forward(), 3, hw_);
    out.backward.stream += stream_seconds(tokens_ * norm_backward(), 4, hw_);
    if (selective() && s_.parts.norms) out.backward.stream += stream_seconds(tokens_ * norm_forward(), 1, hw_);
    recompute_products(out, network_products_again(m_.dense, tokens_, t_, 1));
    add_tensor(out);
    if (selective() && s_.parts.dense) out.backward = out.backward + out.forward;
    return out;
  }

  /// Experts are spread over the ranks of a stage, whole; a rank's tokens are its share of the tensor group's.
  LayerTime expert_block() const {
    LayerTime out;
    const double rows = s_.expert_imbalance * tokens_ / t_ * double(m_.experts_per_token),
                 local = double(m_.experts) / double(s_.split.expert);
    add(out, {tokens_ / t_, double(m_.experts), double(m_.hidden), 1}, Precision::bf16);
    add_network(out, m_.expert, rows, 1, local);
    if (m_.shared.size > 0) add_network(out, m_.shared, tokens_, t_, 1);
    const double permute = 4 * kElement * rows * double(m_.hidden);  // gathered and put back, read and written
    out.forward.stream += stream_seconds(tokens_ * norm_forward() + permute, 6, hw_);
    out.backward.stream += stream_seconds(tokens_ * norm_backward() + permute, 8, hw_);
    if (selective() && s_.parts.norms) out.backward.stream += stream_seconds(tokens_ * norm_forward(), 1, hw_);
    recompute_products(out, network_products_again(m_.expert, rows, 1, local));
    if (m_.shared.size > 0) add_tensor(out);
    add_exchange(out);
    if (selective() && s_.parts.experts) out.backward = out.backward + out.forward;
    return out;
  }

 private:
  double share(Precision precision) const { return shares_.compute[int(precision)] * s_.stack.compute_share; }

  // Bytes a token: a norm reads and writes (4h), the residual sum reads two and writes one (6h); backward the norm
  // reads two and writes one, and its gradient joins the residual's (6h each).  Dropout has a mask and a scale more.
  double norm_forward() const { return ((s_.stack.dropout ? 13 : 10) * double(m_.hidden)) / residual_split_; }
  double norm_backward() const { return ((s_.stack.dropout ? 15 : 12) * double(m_.hidden)) / residual_split_; }

  void add(LayerTime& out, const Linear& l, Precision precision) const {
    const double rows = l.rows / l.count;
    const auto time = [&](double m, double n, double k, GemmPass pass) {
      return gemm_seconds({{m, n, k}, precision, pass, share(precision), l.count}, hw_, coverage_);
    };
    out.forward.gemm += time(rows, l.n, l.k, GemmPass::forward);
    out.backward.gemm += time(rows, l.k, l.n, GemmPass::dgrad) + time(l.n, l.k, rows, GemmPass::wgrad);
  }

  bool selective() const { return s_.recompute == Recompute::selective; }

  double forward_seconds(const Linear& l, Precision precision) const {
    return gemm_seconds({{l.rows / l.count, l.n, l.k}, precision, GemmPass::forward, share(precision), l.count}, hw_);
  }

  /// torchtitan's selective recomputation (torchtitan/parallelisms/parallelize_llama.py, 2024-12) keeps the result of
  /// every second aten.mm, counted over q, k, v, output, gate, up, down; scaled products are not in its list, so that
  /// all narrow ones are computed again, and so is whatever is no product.
  void recompute_products(LayerTime& out, double second_ones) const {
    if (!selective() || !s_.stack.recomputes_products) return;
    out.backward.gemm += s_.precision == Precision::bf16 ? second_ones : out.forward.gemm;
    out.backward.stream += out.forward.stream;
  }
  double attention_products_again() const {  // k and output
    const double h = double(m_.hidden), d = double(m_.head_dim);
    return forward_seconds({tokens_, double(m_.kv_heads) * d / t_, h}, s_.precision) +
           forward_seconds({tokens_, h, double(m_.heads) * d / t_}, s_.precision);
  }
  double network_products_again(const FeedForward& network, double rows, double split, double count) const {  // up
    return forward_seconds({rows, double(network.size) / split, double(m_.hidden), count}, s_.precision);
  }

  std::vector<Linear> attention_linears() const {
    const double h = double(m_.hidden), a = double(m_.heads), d = double(m_.head_dim);
    if (!m_.latent()) return {{tokens_, (a + 2 * double(m_.kv_heads)) * d / t_, h}, {tokens_, h, a * d / t_}};
    const double q = double(m_.q_rank), kv = double(m_.kv_rank), v = double(m_.v_head_dim);
    return {{tokens_, q + kv + double(m_.rope_head_dim), h},
            {tokens_, a * double(m_.qk_dim()) / t_, q},
            {tokens_, a * (d + v) / t_, kv},
            {tokens_, h, a * v / t_}};
  }

  void add_attention(LayerTime& out) const {
    AttentionCall call;
    call.batch = double(s_.micro_batch);
    call.heads = double(m_.heads) / t_;
    call.kv_heads = double(m_.latent() ? m_.heads : m_.kv_heads) / t_;
    call.queries = double(s_.sequence) / double(s_.split.context);
    call.keys = double(s_.sequence);
    call.qk_dim = double(m_.qk_dim()), call.v_dim = double(m_.v_dim());
    call.flash = s_.stack.flash_attention, call.dropout = s_.stack.dropout;
    call.compute_share = share(Precision::bf16), call.kernel_share = s_.stack.attention_share;
    out.forward.attention = attention_seconds(call, hw_, coverage_);
    call.backward = true;
    out.backward.attention = attention_seconds(call, hw_, coverage_);
    // Flash attention recomputes scores by itself; without it, selective recomputation does (Korthikanti et al., 5).
    if (!call.flash && s_.recompute == Recompute::selective) out.backward.attention += out.forward.attention;
  }

  void add_network(LayerTime& out, const FeedForward& network, double rows, double split, double count) const {
    const double f = double(network.size) / split, wide = network.gated ? 2 * f : f, h = double(m_.hidden);
    add(out, {rows, wide, h, count}, s_.precision);
    add(out, {rows, h, f, count}, s_.precision);
    // The activation reads its input and writes its output; backward it reads both and the gradient, and writes one.
    out.forward.stream += stream_seconds(rows * kElement * (wide + f), 1, hw_);
    out.backward.stream += stream_seconds(rows * kElement * (2 * wide + f), 1, hw_);
    if (selective() && s_.parts.activation) out.backward.stream += stream_seconds(rows * kElement * (wide + f), 1, hw_);
    const double in = split > 1 ? h / residual_split_ : h;
    add_casts_of(out, rows, in + f, in + wide);
  }

  void add_casts(LayerTime& out, double forward, double backward) const {
    add_casts_of(out, tokens_, forward, backward);
  }
  /// bf16 is read, and written narrow twice: as it is and transposed, for the weights' gradient.
  void add_casts_of(LayerTime& out, double rows, double forward, double backward) const {
    if (s_.precision == Precision::bf16) return;
    const double bytes = kElement + 2 * (s_.precision == Precision::fp8 ? 1.0 : 0.5625);
    out.forward.stream += stream_seconds(rows * forward * bytes, 2, hw_);
    out.backward.stream += stream_seconds(rows * backward * bytes, 2, hw_);
  }

  /// One all-reduce forward and one backward for each block, or their halves: gather and scatter, and one gather again
  /// for the weights' gradient (Korthikanti et al., 4.2.2).
  void add_tensor(LayerTime& out) const {
    if (t_ <= 1) return;
    const double half = gather_seconds(tokens_ * double(m_.hidden) * kElement, tensor_group(s_), hw_);
    const double exposed = 1 - s_.stack.tensor_overlap + shares_.contention * s_.stack.tensor_overlap;
    out.forward.tensor += 2 * half * exposed;
    out.backward.tensor += (s_.split.sequence_parallel ? 3 : 2) * half * exposed;
  }

  /// Keys and values pass round the ring under attention; gradients of both come back.
  void add_context(LayerTime& out) const {
    if (s_.split.context <= 1) return;
    const double kv = double(m_.latent() ? m_.heads : m_.kv_heads);
    const double bytes = double(s_.sequence * s_.micro_batch) * kv * double(m_.qk_dim() + m_.v_dim()) * kElement / t_;
    const double once = gather_seconds(bytes, context_group(s_), hw_), pieces = double(s_.split.context);
    out.forward.context = exposed_seconds(once, out.forward.attention, pieces, shares_.contention);
    out.backward.context = exposed_seconds(2 * once, out.backward.attention, pieces, shares_.contention);
  }

  /// Tokens to their experts and back, and their gradients the other way.  What overlaps runs under the compute of
  /// another microbatch's layer, as far as there is that much.
  void add_exchange(LayerTime& out) const {
    const double tokens = s_.expert_imbalance * tokens_ / t_, wide = kElement * double(m_.hidden);
    const double scales = 4.0 / 128;  // of 8-bit tokens: one for 128 elements (DeepSeek-V3, section 3.3.2)
    const double narrow = s_.stack.narrow_dispatch ? (1 + scales) * double(m_.hidden) : wide;
    const double there = dispatch_seconds(tokens, narrow, s_, hw_), back = dispatch_seconds(tokens, wide, s_, hw_);
    out.forward.expert += there + back;
    out.backward.expert += there + back;
  }

  const TrainingPlan& s_;
  const Transformer& m_;
  const Hardware& hw_;
  const Shares& shares_;
  Coverage* coverage_;
  const double t_, tokens_, residual_split_;
};

/// What the experts' exchange adds: the part that does not overlap, or has no compute left to run under, and the
/// slowing of the compute above the rest.
void expose_exchange(LayerTime& layer, const TrainingPlan& s, const Shares& shares) {
  const double overlap = s.split.schedule == Schedule::dual_pipe ? 1 : s.stack.expert_overlap;
  const double all = layer.forward.expert + layer.backward.expert;
  const double window = layer.forward.compute() + layer.backward.compute();
  const double alone = std::max((1 - overlap) * all, all - window);
  const double exposed = (alone + shares.contention * (all - alone)) / all;
  layer.forward.expert *= exposed, layer.backward.expert *= exposed;
}

}  // namespace

LayerTime layer_time(const TrainingPlan& s, const Hardware& hw, const Shares& shares, Coverage* coverage) {
  const Layer layer(s, hw, shares, coverage);
  LayerTime out;
  const auto join = [&](double part, const LayerTime& block) {
    out.forward = out.forward + part * block.forward;
    out.backward = out.backward + part * block.backward;
  };
  join(1, layer.attention_block());
  const double dense = double(s.model.dense_layers) / double(s.model.layers);
  if (dense > 0) join(dense, layer.dense_block());
  if (s.model.expert_layers() > 0) join(1 - dense, layer.expert_block());
  if (s.recompute == Recompute::full) out.backward = out.backward + out.forward;
  if (s.model.expert_layers() > 0 && s.split.expert > 1) expose_exchange(out, s, shares);
  return out;
}

LayerTime head_time(const TrainingPlan& s, const Hardware& hw, const Shares& shares, Coverage* coverage) {
  const double tokens = s.local_tokens(), wide = double(s.local_vocabulary());
  const double h = double(s.model.hidden), share = shares.compute[0] * s.stack.compute_share;
  const auto time = [&](double m, double n, double k, GemmPass pass) {
    return gemm_seconds({{m, n, k}, Precision::bf16, pass, share}, hw, coverage);
  };
  LayerTime out;
  out.forward.gemm = time(tokens, wide, h, GemmPass::forward);
  out.backward.gemm = time(tokens, h, wide, GemmPass::dgrad) + time(wide, h, tokens, GemmPass::wgrad);
  // Loss over the vocabulary: logits read twice (maximum with sum, then gradient) and the gradient written, bf16.
  out.forward.stream = stream_seconds(tokens * wide * kElement, 2, hw);
  out.backward.stream = stream_seconds(tokens * wide * 2 * kElement, 2, hw);
  const double further = double(s.model.prediction_layers);
  if (further == 0) return out;
  out.forward = (1 + further) * out.forward, out.backward = (1 + further) * out.backward;
  const double split = h / double(s.split.tensor);  // of the projection from two hidden states to one
  out.forward.gemm += further * time(tokens, split, 2 * h, GemmPass::forward);
  out.backward.gemm +=
      further * (time(tokens, 2 * h, split, GemmPass::dgrad) + time(split, 2 * h, tokens, GemmPass::wgrad));
  return out;
}

}  // namespace assay
