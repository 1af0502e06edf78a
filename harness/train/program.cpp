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

#include <map>
#include <tuple>
#include <utility>

#include "harness/train/columns.h"
#include "kernels/layer/adamw.h"
#include "kernels/layer/cross_entropy.h"
#include "kernels/layer/embedding.h"
#include "kernels/layer/grad_norm.h"
#include "kernels/layer/rms_norm.h"
#include "kernels/layer/rope.h"
#include "kernels/layer/swiglu.h"

namespace assay {
namespace {

class Builder {
 public:
  Builder(const TrainSetup& setup, const StepKernels& kernels, const StepTensors& tensors, Backend& backend,
          Communicator& communicator)
      : s_(setup),
        m_(setup.model),
        kernels_(kernels),
        t_(tensors),
        backend_(backend),
        target_(backend.target()),
        stream_(backend.stream()),
        communicator_(communicator),
        layout_(setup.model),
        tokens_(setup.tokens() / communicator.size()) {}

  StepProgram build() {
    into_ = &out_.forward;
    add(KernelClass::optimizer, "clear gradients", [this] { return zero_floats(t_.gradients, layout_.size, target_); });
    embed(LayerPass::forward);
    for (std::size_t l = 0; l < t_.layers.size(); ++l) forward_layer(l);
    forward_end();
    into_ = &out_.backward;
    backward_end();
    for (std::size_t l = t_.layers.size(); l-- > 0;) backward_layer(l);
    embed(LayerPass::backward);
    into_ = &out_.reduce;
    if (communicator_.size() > 1) reduce();
    into_ = &out_.update;
    update();
    return std::move(out_);
  }

 private:
  /// `make` returns what launches.
  template <class Make>
  void add(KernelClass kind, std::string what, Make make) {
    into_->push_back({kind, std::move(what), make()});
  }

  /// A prepared operation of our kernel for the problem; one for all layers that have the same, by `what`.
  template <class Row, class Problem, class Buffers>
  void add_own(KernelClass kind, const std::string& what, const std::vector<Row>& rows, const Problem& problem,
               DType dtype, const Buffers& buffers) {
    auto& known = prepared<Buffers>()[what];
    if (!known)
      known = own_kernel(rows, problem, dtype, target_, what.c_str()).prepare(problem, target_, {buffers}, stream_);
    into_->push_back(
        {kind, what, [operation = known, buffers, stream = stream_] { operation->launch(buffers, stream); }});
  }

  template <class Buffers>
  std::map<std::string, std::shared_ptr<Operation<Buffers>>>& prepared() {
    return std::get<std::map<std::string, std::shared_ptr<Operation<Buffers>>>>(prepared_);
  }

  const void* weights(const ParameterTensor& p) const {
    return static_cast<const std::byte*>(t_.parameters) + storage_bytes(s_.dtype, p.offset);
  }
  float* gradient(const ParameterTensor& p) const { return t_.gradients + p.offset; }
  /// The second of two halves of rows that are `width` each.
  void* half(void* rows, std::int64_t width) const {
    return static_cast<std::byte*>(rows) + storage_bytes(s_.dtype, width);
  }

  void gemm(const std::string& what, GemmLayout layout, std::int64_t m, std::int64_t n, std::int64_t k, const void* a,
            const void* b, void* d) {
    GemmProblem problem;
    problem.m = m, problem.n = n, problem.k = k, problem.layout = layout, problem.dtype = s_.dtype;
    const GemmBuffers buffers{a, b, d};
    auto& known = prepared<GemmBuffers>()[what];
    if (!known) {
      const GemmKernel& row = named_kernel(gemm_kernels(), kernels_.gemm, problem, target_, what.c_str());
      known = row.prepare(problem, target_, {buffers}, stream_);
      if (const double work = double(m) * double(n) * double(k); work > largest_) {
        largest_ = work;
        out_.description = what + ": " + known->description();
      }
    }
    into_->push_back({KernelClass::gemm, what,
                      [operation = known, buffers, stream = stream_] { operation->launch(buffers, stream); }});
  }

  // y[tokens, n] = x[tokens, k] w[n, k]^T
  void linear(const std::string& what, const ParameterTensor& w, const void* x, void* y) {
    gemm(what + " forward", GemmLayout::tn, tokens_, w.rows, w.columns, x, weights(w), y);
  }
  // dx[tokens, k] = dy[tokens, n] w[n, k];  dw[n, k] += dy[tokens, n]^T x[tokens, k]
  void linear_backward(const std::string& what, const ParameterTensor& w, const void* x, const void* dy, void* dx) {
    gemm(what + " dgrad", GemmLayout::nn, tokens_, w.columns, w.rows, dy, weights(w), dx);
    gemm(what + " wgrad", GemmLayout::nt, w.rows, w.columns, tokens_, dy, x, gradient(w));
  }

  /// Of x; with a `branch`, of x + branch, which `sum` keeps.
  void norm(const ParameterTensor& gain, const void* x, const void* branch, void* sum, void* y, float* rstd) {
    RmsNormProblem p;
    p.tokens = tokens_, p.hidden = m_.hidden, p.dtype = s_.dtype, p.epsilon = float(kNormEpsilon);
    p.residual = branch != nullptr;
    RmsNormBuffers b;
    b.x = x, b.residual = branch, b.weight = weights(gain), b.sum = sum, b.y = y, b.rstd = rstd;
    add_own(KernelClass::pointwise, branch ? "add and norm forward" : "norm forward", rms_norm_kernels(), p, s_.dtype,
            b);
  }
  /// dx = norm'(dy), and what came by the skip connection where there is any.
  void norm_backward(const ParameterTensor& gain, const void* x, float* rstd, const void* dy, const void* skipped,
                     void* dx) {
    RmsNormProblem p;
    p.tokens = tokens_, p.hidden = m_.hidden, p.dtype = s_.dtype, p.epsilon = float(kNormEpsilon);
    p.pass = LayerPass::backward, p.residual = skipped != nullptr;
    RmsNormBuffers b;
    b.x = x, b.weight = weights(gain), b.rstd = rstd, b.dy = dy, b.d_sum = skipped, b.dx = dx, b.dw = gradient(gain);
    add_own(KernelClass::pointwise, skipped ? "add and norm backward" : "norm backward", rms_norm_kernels(), p,
            s_.dtype, b);
  }

  void rope(const char* tensor, std::int64_t heads, LayerPass pass, void* x) {
    RopeProblem p;
    p.tokens = tokens_, p.heads = heads, p.head_dim = m_.head_dim, p.positions = s_.sequence;
    p.dtype = s_.dtype, p.pass = pass;
    RopeBuffers b;
    b.cos = t_.rope_cos, b.sin = t_.rope_sin;
    (pass == LayerPass::forward ? b.x : b.dy) = x;
    (pass == LayerPass::forward ? b.y : b.dx) = x;
    add_own(KernelClass::pointwise, std::string("rope ") + tensor + " " + name(pass), rope_kernels(), p, s_.dtype, b);
  }

  void swiglu(LayerPass pass, const LayerActivations& a) {
    SwigluProblem p;
    p.tokens = tokens_, p.ffn = m_.feed_forward, p.row_stride = 2 * m_.feed_forward, p.dtype = s_.dtype, p.pass = pass;
    SwigluBuffers b;
    b.gate = a.gate_up, b.up = half(a.gate_up, m_.feed_forward), b.y = a.activated;
    if (pass == LayerPass::backward)
      b.dy = t_.d_activated, b.d_gate = t_.d_gate_up, b.d_up = half(t_.d_gate_up, m_.feed_forward);
    add_own(KernelClass::pointwise, std::string("swiglu ") + name(pass), swiglu_kernels(), p, s_.dtype, b);
  }

  void attention(AttentionPass pass, const LayerActivations& a) {
    AttentionProblem p;
    p.batch = s_.batch / communicator_.size(), p.heads = m_.heads, p.kv_heads = m_.kv_heads;
    p.seq_q = p.seq_kv = s_.sequence, p.head_dim = m_.head_dim, p.causal = true, p.dtype = s_.dtype, p.pass = pass;
    p.deterministic = pass == AttentionPass::backward;
    AttentionBuffers b;
    b.q = a.q, b.k = a.k, b.v = a.v, b.o = a.o, b.lse = a.lse;
    if (pass == AttentionPass::backward) b.d_o = t_.d_o, b.dq = t_.d_q, b.dk = t_.d_k, b.dv = t_.d_v;
    const std::string what = std::string("attention ") + name(pass);
    auto& known = prepared<AttentionBuffers>()[what];
    if (!known)
      known = named_kernel(attention_kernels(), kernels_.attention, p, target_, what.c_str())
                  .prepare(p, target_, {b}, stream_);
    into_->push_back(
        {KernelClass::attention, what, [operation = known, b, stream = stream_] { operation->launch(b, stream); }});
  }

  void embed(LayerPass pass) {
    EmbeddingProblem p;
    p.pass = pass, p.tokens = tokens_, p.vocab = m_.vocabulary, p.dim = m_.hidden, p.dtype = s_.dtype;
    EmbeddingBuffers b;
    b.ids = t_.tokens, b.w = weights(layout_.embedding), b.y = t_.layers.front().x;
    b.dy = t_.d_stream, b.dw = gradient(layout_.embedding);
    add_own(KernelClass::pointwise, std::string("embedding ") + name(pass), embedding_kernels(), p, s_.dtype, b);
  }

  std::vector<Columns> qkv_columns(void* q, void* k, void* v) const {
    return {{q, m_.q_width()}, {k, m_.kv_width()}, {v, m_.kv_width()}};
  }
  void split_qkv(const LayerActivations& a) {
    add(KernelClass::pointwise, "split qkv",
        [&] { return split_columns(t_.qkv, qkv_columns(a.q, a.k, a.v), tokens_, s_.dtype, target_); });
  }
  void merge_qkv() {
    add(KernelClass::pointwise, "merge qkv",
        [&] { return merge_columns(t_.qkv, qkv_columns(t_.d_q, t_.d_k, t_.d_v), tokens_, s_.dtype, target_); });
  }

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
    CrossEntropyProblem p;
    p.tokens = tokens_, p.vocab = m_.vocabulary, p.dtype = s_.dtype;
    CrossEntropyBuffers b;
    b.logits = t_.logits, b.labels = t_.targets, b.loss = t_.loss, b.lse = t_.lse, b.scale = t_.loss_scale;
    add_own(KernelClass::cross_entropy, "cross_entropy", cross_entropy_kernels(), p, s_.dtype, b);
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

  /// One all-reduce of all gradients, after backward: nothing hides it.
  void reduce() {
    CollectiveProblem p;
    p.operation = Collective::all_reduce, p.count = layout_.size, p.dtype = DType::f32, p.in_place = true;
    p.peers.ranks = communicator_.size(), p.peers.first_local = communicator_.rank(), p.peers.local = 1;
    p.peers.mpi = true, p.peers.one_host = communicator_.one_host(), p.peers.shared_name = communicator_.group_name();
    CollectiveBuffers b;
    b.input = {t_.gradients}, b.output = {t_.gradients}, b.streams = {stream_};
    const CollectiveKernel& row =
        named_kernel(collective_kernels(), kernels_.all_reduce, p, target_, "all-reduce of gradients");
    std::shared_ptr<CollectiveOperation> operation = row.prepare(p, target_, {b}, stream_);
    add(KernelClass::communication, "all_reduce",
        [&] { return [operation, b, stream = stream_] { operation->launch(b, stream); }; });
  }

  void update() {
    GradNormProblem norm;
    norm.elements = {layout_.size}, norm.max_norm = s_.optimizer.max_norm;
    const GradNormBuffers gradients{static_cast<const void* const*>(t_.norm_pointers), t_.norm_elements,
                                    static_cast<GradNorm*>(t_.norm_result)};
    add_own(KernelClass::optimizer, "grad_norm", grad_norm_kernels(), norm, DType::f32, gradients);
    adamw("adamw", 0, layout_.decayed, t_.step_decayed);
    adamw("adamw of gains", layout_.decayed, layout_.size, t_.step_gains);
  }

  void adamw(const char* what, std::int64_t begin, std::int64_t end, const void* step) {
    AdamWProblem p;
    p.elements = end - begin, p.dtype = s_.dtype;
    AdamWBuffers b;
    b.master = t_.master + begin, b.gradient = t_.gradients + begin;
    b.m = t_.moment1 + begin, b.v = t_.moment2 + begin;
    if (p.has_master()) b.param = static_cast<std::byte*>(t_.parameters) + storage_bytes(s_.dtype, begin);
    b.step = static_cast<const AdamWStep*>(step);
    b.gradient_scale = &static_cast<const GradNorm*>(t_.norm_result)->clip;
    add_own(KernelClass::optimizer, what, adamw_kernels(), p, s_.dtype, b);
  }

  const TrainSetup& s_;
  const TrainModel& m_;
  const StepKernels& kernels_;
  const StepTensors& t_;
  Backend& backend_;
  const Target target_;
  const Stream stream_;
  Communicator& communicator_;
  const ParameterLayout layout_;
  const std::int64_t tokens_;  // of this rank
  StepProgram out_;
  std::vector<StepOp>* into_ = nullptr;
  double largest_ = 0;
  std::tuple<
      std::map<std::string, std::shared_ptr<GemmOperation>>, std::map<std::string, std::shared_ptr<AttentionOperation>>,
      std::map<std::string, std::shared_ptr<RmsNormOperation>>, std::map<std::string, std::shared_ptr<RopeOperation>>,
      std::map<std::string, std::shared_ptr<SwigluOperation>>,
      std::map<std::string, std::shared_ptr<EmbeddingOperation>>,
      std::map<std::string, std::shared_ptr<CrossEntropyOperation>>,
      std::map<std::string, std::shared_ptr<GradNormOperation>>, std::map<std::string, std::shared_ptr<AdamWOperation>>>
      prepared_;
};

}  // namespace

StepProgram make_program(const TrainSetup& setup, const StepKernels& kernels, const StepTensors& tensors,
                         Backend& backend, Communicator& communicator) {
  return Builder(setup, kernels, tensors, backend, communicator).build();
}

}  // namespace assay
