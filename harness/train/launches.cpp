#include "harness/train/launches.h"

namespace assay {

void StepLaunches::clear_gradients() {
  ops_.push_back({KernelClass::optimizer, "clear gradients", clear_floats(t_.gradients, layout_.size, backend_)});
}

void StepLaunches::gemm(const std::string& what, GemmLayout layout, std::int64_t m, std::int64_t n, std::int64_t k,
                        const void* a, const void* b, void* d) {
  GemmProblem problem;
  problem.m = m, problem.n = n, problem.k = k, problem.layout = layout, problem.dtype = s_.dtype;
  const GemmBuffers buffers{a, b, d};
  add_together(KernelClass::gemm, what, named_kernel(gemm_kernels(), kernels_.gemm, problem, target_, what.c_str()),
               problem, buffers);
  if (const double work = double(m) * double(n) * double(k); work > largest_work_)
    largest_work_ = work, largest_ = what;
}

void StepLaunches::linear(const std::string& what, const ParameterTensor& w, const void* x, void* y) {
  gemm(what + " forward", GemmLayout::tn, tokens_, w.rows, w.columns, x, weights(w), y);
}

void StepLaunches::linear_backward(const std::string& what, const ParameterTensor& w, const void* x, const void* dy,
                                   void* dx) {
  gemm(what + " dgrad", GemmLayout::nn, tokens_, w.columns, w.rows, dy, weights(w), dx);
  gemm(what + " wgrad", GemmLayout::nt, w.rows, w.columns, tokens_, dy, x, gradient(w));
  written(w);
}

void StepLaunches::norm(const ParameterTensor& gain, const void* x, const void* branch, void* sum, void* y,
                        float* rstd) {
  RmsNormProblem p;
  p.tokens = tokens_, p.hidden = m_.hidden, p.dtype = s_.dtype, p.epsilon = float(kNormEpsilon);
  p.residual = branch != nullptr;
  RmsNormBuffers b;
  b.x = x, b.residual = branch, b.weight = weights(gain), b.sum = sum, b.y = y, b.rstd = rstd;
  add_own(KernelClass::pointwise, branch ? "add and norm forward" : "norm forward", rms_norm_kernels(), p, s_.dtype, b);
}

void StepLaunches::norm_backward(const ParameterTensor& gain, const void* x, float* rstd, const void* dy,
                                 const void* skipped, void* dx) {
  RmsNormProblem p;
  p.tokens = tokens_, p.hidden = m_.hidden, p.dtype = s_.dtype, p.epsilon = float(kNormEpsilon);
  p.pass = LayerPass::backward, p.residual = skipped != nullptr;
  RmsNormBuffers b;
  b.x = x, b.weight = weights(gain), b.rstd = rstd, b.dy = dy, b.d_sum = skipped, b.dx = dx, b.dw = gradient(gain);
  add_own(KernelClass::pointwise, skipped ? "add and norm backward" : "norm backward", rms_norm_kernels(), p, s_.dtype,
          b);
  written(gain);
}

void StepLaunches::rope(const char* tensor, std::int64_t heads, LayerPass pass, void* x) {
  RopeProblem p;
  p.tokens = tokens_, p.heads = heads, p.head_dim = m_.head_dim, p.positions = s_.sequence;
  p.dtype = s_.dtype, p.pass = pass;
  RopeBuffers b;
  b.cos = t_.rope_cos, b.sin = t_.rope_sin;
  (pass == LayerPass::forward ? b.x : b.dy) = x;
  (pass == LayerPass::forward ? b.y : b.dx) = x;
  add_own(KernelClass::pointwise, std::string("rope ") + tensor + " " + name(pass), rope_kernels(), p, s_.dtype, b);
}

void StepLaunches::swiglu(LayerPass pass, const LayerActivations& a) {
  SwigluProblem p;
  p.tokens = tokens_, p.ffn = m_.feed_forward, p.row_stride = 2 * m_.feed_forward, p.dtype = s_.dtype, p.pass = pass;
  SwigluBuffers b;
  b.gate = a.gate_up, b.up = half(a.gate_up, m_.feed_forward), b.y = a.activated;
  if (pass == LayerPass::backward)
    b.dy = t_.d_activated, b.d_gate = t_.d_gate_up, b.d_up = half(t_.d_gate_up, m_.feed_forward);
  add_own(KernelClass::pointwise, std::string("swiglu ") + name(pass), swiglu_kernels(), p, s_.dtype, b);
}

void StepLaunches::attention(AttentionPass pass, const LayerActivations& a) {
  const AttentionProblem p = step_attention(s_, communicator_.size(), pass);
  AttentionBuffers b;
  b.q = a.q, b.k = a.k, b.v = a.v, b.o = a.o, b.lse = a.lse;
  if (pass == AttentionPass::backward) b.d_o = t_.d_o, b.dq = t_.d_q, b.dk = t_.d_k, b.dv = t_.d_v;
  const std::string what = std::string("attention ") + name(pass);
  add_together(KernelClass::attention, what,
               named_kernel(attention_kernels(), kernels_.attention_of(pass), p, target_, what.c_str()), p, b);
}

void StepLaunches::embed(LayerPass pass) {
  EmbeddingProblem p;
  p.pass = pass, p.tokens = tokens_, p.vocab = m_.vocabulary, p.dim = m_.hidden, p.dtype = s_.dtype;
  EmbeddingBuffers b;
  b.ids = t_.tokens, b.w = weights(layout_.embedding), b.y = t_.layers.front().x;
  b.dy = t_.d_stream, b.dw = gradient(layout_.embedding);
  add_own(KernelClass::pointwise, std::string("embedding ") + name(pass), embedding_kernels(), p, s_.dtype, b);
  if (pass == LayerPass::backward) written(layout_.embedding);
}

void StepLaunches::qkv_columns(ColumnsPass pass, void* q, void* k, void* v) {
  const ColumnsProblem p{pass, tokens_, {m_.q_width(), m_.kv_width(), m_.kv_width()}, s_.dtype};
  add_own(KernelClass::pointwise, std::string(name(pass)) + " qkv", columns_kernels(), p, s_.dtype,
          ColumnsBuffers{t_.qkv, {q, k, v}});
}

void StepLaunches::split_qkv(const LayerActivations& a) { qkv_columns(ColumnsPass::split, a.q, a.k, a.v); }
void StepLaunches::merge_qkv() { qkv_columns(ColumnsPass::merge, t_.d_q, t_.d_k, t_.d_v); }

void StepLaunches::cross_entropy() {
  CrossEntropyProblem p;
  p.tokens = tokens_, p.vocab = m_.vocabulary, p.dtype = s_.dtype;
  CrossEntropyBuffers b;
  b.logits = t_.logits, b.labels = t_.targets, b.loss = t_.loss, b.lse = t_.lse, b.scale = t_.loss_scale;
  add_own(KernelClass::cross_entropy, "cross_entropy", cross_entropy_kernels(), p, s_.dtype, b);
}

void StepLaunches::update() {
  GradNormProblem norm;
  norm.elements = {layout_.size}, norm.max_norm = s_.optimizer.max_norm;
  const GradNormBuffers gradients{static_cast<const void* const*>(t_.norm_pointers), t_.norm_elements,
                                  static_cast<GradNorm*>(t_.norm_result)};
  add_own(KernelClass::optimizer, "grad_norm", grad_norm_kernels(), norm, DType::f32, gradients);
  adamw("adamw", 0, layout_.decayed, t_.step_decayed);
  adamw("adamw of gains", layout_.decayed, layout_.size, t_.step_gains);
}

void StepLaunches::adamw(const char* what, std::int64_t begin, std::int64_t end, const void* step) {
  AdamWProblem p;
  p.elements = end - begin, p.dtype = s_.dtype;
  p.beta1 = s_.optimizer.beta1, p.beta2 = s_.optimizer.beta2, p.epsilon = s_.optimizer.epsilon;
  AdamWBuffers b;
  b.master = t_.master + begin, b.gradient = t_.gradients + begin;
  b.m = t_.moment1 + begin, b.v = t_.moment2 + begin;
  if (p.has_master()) b.param = static_cast<std::byte*>(t_.parameters) + storage_bytes(s_.dtype, begin);
  b.step = static_cast<const AdamWStep*>(step);
  b.gradient_scale = &static_cast<const GradNorm*>(t_.norm_result)->clip;
  add_own(KernelClass::optimizer, what, adamw_kernels(), p, s_.dtype, b);
}

void StepLaunches::prepare_all() {
  for (auto& [what, operation] : std::get<Together<GemmBuffers>>(together_)) {
    operation->prepare();
    if (what == largest_) description_ = what + ": " + operation->description();
  }
  for (auto& [what, operation] : std::get<Together<AttentionBuffers>>(together_)) operation->prepare();
}

}  // namespace assay
