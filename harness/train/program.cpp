// How the step is launched.  Sums of the skip connections are part of the norms that follow them, forward and backward.
//
//   forward, layer l                                         backward
//   x, normed = norm(middle + branch of l - 1)               d_middle = d_stream + norm'(d_normed)
//   q, k, v = split(qkv(normed)); rope(q), rope(k)           d_qkv = merge(rope'(d_q), rope'(d_k), d_v)
//   o = attention(q, k, v)                                   d_q, d_k, d_v = attention'(d_o)
//   branch = out(o)                                          d_o = out'(d_middle)
//   middle, normed_middle = norm(x + branch)                 d_middle = d_stream + norm'(d_normed)
//   branch = down(swiglu(gate_up(normed_middle)))            d_normed = gate_up'(swiglu'(down'(d_stream)))
#include "harness/train/program.h"

#include "harness/train/launches.h"

namespace assay {
namespace {

class Builder : StepLaunches {
 public:
  using StepLaunches::StepLaunches;

  StepProgram build() {
    StepProgram out;
    clear_gradients();
    embed(LayerPass::forward);
    for (std::size_t l = 0; l < t_.layers.size(); ++l) forward_layer(l);
    forward_end();
    out.forward = take();
    backward_end();
    for (std::size_t l = t_.layers.size(); l-- > 0;) backward_layer(l);
    embed(LayerPass::backward);
    out.backward = take();
    if (communicator_.size() > 1) reduce();
    out.reduce = take();
    update();
    out.update = take();
    prepare_all();
    out.description = description_;
    return out;
  }

 private:
  void forward_layer(std::size_t l) {
    const LayerActivations& a = t_.layers[l];
    const LayerParameters& p = layout_.layers[l];
    if (l == 0)
      norm(p.attention_norm, a.x, nullptr, nullptr, a.normed, a.rstd);
    else
      norm(p.attention_norm, t_.layers[l - 1].middle, t_.branch, a.x, a.normed, a.rstd);
    attention_and_gate(a, p);
    linear("down", p.down, a.activated, t_.branch);
  }

  /// A layer from its normed input to what its last product takes.
  void attention_and_gate(const LayerActivations& a, const LayerParameters& p) {
    linear("qkv", p.qkv, a.normed, t_.qkv);
    split_qkv(a);
    rope("q", m_.heads, LayerPass::forward, a.q);
    rope("k", m_.kv_heads, LayerPass::forward, a.k);
    attention(AttentionPass::forward, a);
    linear("out", p.out, a.o, t_.branch);
    norm(p.mlp_norm, a.x, t_.branch, a.middle, a.normed_middle, a.rstd_middle);
    linear("gate_up", p.gate_up, a.normed_middle, a.gate_up);
    swiglu(LayerPass::forward, a);
  }

  void forward_end() {
    norm(layout_.final_norm, t_.layers.back().middle, t_.branch, t_.last, t_.normed_last, t_.rstd_last);
    linear("head", layout_.head, t_.normed_last, t_.logits);
    cross_entropy();
  }

  void backward_end() {
    linear_backward("head", layout_.head, t_.normed_last, t_.logits, t_.d_normed);
    norm_backward(layout_.final_norm, t_.last, t_.rstd_last, t_.d_normed, nullptr, t_.d_stream);
  }

  /// What forward computed and did not keep.
  void recompute(const LayerActivations& a, const LayerParameters& p) {
    if (s_.checkpointing == Checkpointing::none) return;
    norm(p.attention_norm, a.x, nullptr, nullptr, a.normed, a.rstd);
    if (s_.checkpointing == Checkpointing::full) return attention_and_gate(a, p);
    norm(p.mlp_norm, a.middle, nullptr, nullptr, a.normed_middle, a.rstd_middle);
    swiglu(LayerPass::forward, a);
  }

  void backward_layer(std::size_t l) {
    const LayerActivations& a = t_.layers[l];
    const LayerParameters& p = layout_.layers[l];
    recompute(a, p);
    linear_backward("down", p.down, a.activated, t_.d_stream, t_.d_activated);
    swiglu(LayerPass::backward, a);
    linear_backward("gate_up", p.gate_up, a.normed_middle, t_.d_gate_up, t_.d_normed);
    norm_backward(p.mlp_norm, a.middle, a.rstd_middle, t_.d_normed, t_.d_stream, t_.d_middle);
    linear_backward("out", p.out, a.o, t_.d_middle, t_.d_o);
    attention(AttentionPass::backward, a);
    rope("q", m_.heads, LayerPass::backward, t_.d_q);
    rope("k", m_.kv_heads, LayerPass::backward, t_.d_k);
    merge_qkv();
    linear_backward("qkv", p.qkv, a.normed, t_.qkv, t_.d_normed);
    norm_backward(p.attention_norm, a.x, a.rstd, t_.d_normed, t_.d_middle, t_.d_stream);
  }
};

}  // namespace

StepProgram make_program(const TrainSetup& setup, const StepKernels& kernels, const StepTensors& tensors,
                         Backend& backend, Communicator& communicator) {
  return Builder(setup, kernels, tensors, backend, communicator).build();
}

}  // namespace assay
