#include "harness/train/reference.h"

#include "harness/train/reference_gradients.h"
#include "harness/train/reference_ops.h"

namespace assay {
namespace {

using namespace reference;

/// What a layer's backward pass needs of its forward pass.
struct LayerValues {
  Matrix input, normed, qkv, o, middle, normed_middle, gate_up, activated;
};

void add(Matrix& to, const Matrix& what) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += what[i];
}

class ReferenceStep {
 public:
  ReferenceStep(const TrainModel& model, const std::vector<double>& parameters, const TrainBatch& batch)
      : m_(model), layout_(model), w_(parameters), batch_(batch), rows_(batch.size()) {}

  /// Leaves the gradient of the logits.
  double forward() {
    Matrix x(static_cast<std::size_t>(rows_ * m_.hidden));
    for (std::int64_t i = 0; i < rows_; ++i)
      for (std::int64_t c = 0; c < m_.hidden; ++c)
        x[std::size_t(i * m_.hidden + c)] = at(layout_.embedding)[batch_.tokens[std::size_t(i)] * m_.hidden + c];
    for (const LayerParameters& layer : layout_.layers) x = forward(layer, std::move(x));
    last_ = std::move(x);
    normed_ = norm(last_, at(layout_.final_norm), rows_, m_.hidden);
    d_logits_ = linear(normed_, at(layout_.head), rows_, m_.vocabulary, m_.hidden);
    logits_size_ = root_mean_square(d_logits_);
    return cross_entropy(d_logits_, batch_.targets, m_.vocabulary);
  }

  void backward(GradientTaker& take) {
    take.head(layout_.head, d_logits_, logits_size_, normed_);
    Matrix dx = linear_backward(d_logits_, at(layout_.head), rows_, m_.vocabulary, m_.hidden);
    dx = norm_backward(take, layout_.final_norm, dx, last_);
    for (std::size_t l = layout_.layers.size(); l-- > 0;)
      dx = backward(take, layout_.layers[l], values_[l], std::move(dx));
    take.rows(layout_.embedding, dx, batch_.tokens);
  }

 private:
  const double* at(const ParameterTensor& tensor) const { return w_.data() + tensor.offset; }

  Matrix forward(const LayerParameters& p, Matrix x) {
    LayerValues v;
    v.input = std::move(x);
    v.normed = norm(v.input, at(p.attention_norm), rows_, m_.hidden);
    v.qkv = linear(v.normed, at(p.qkv), rows_, m_.qkv_width(), m_.hidden);
    rope(m_, v.qkv, rows_, batch_.sequence, 1);
    v.o = attention(m_, v.qkv, batch_.batch, batch_.sequence);
    v.middle = linear(v.o, at(p.out), rows_, m_.hidden, m_.q_width());
    add(v.middle, v.input);
    v.normed_middle = norm(v.middle, at(p.mlp_norm), rows_, m_.hidden);
    v.gate_up = linear(v.normed_middle, at(p.gate_up), rows_, 2 * m_.feed_forward, m_.hidden);
    v.activated = swiglu(v.gate_up, rows_, m_.feed_forward);
    Matrix y = linear(v.activated, at(p.down), rows_, m_.hidden, m_.feed_forward);
    add(y, v.middle);
    values_.push_back(std::move(v));
    return y;
  }

  Matrix backward(GradientTaker& take, const LayerParameters& p, const LayerValues& v, Matrix dy) {
    const std::int64_t f = m_.feed_forward;
    take.product(p.down, dy, v.activated, {m_.hidden});
    Matrix d = linear_backward(dy, at(p.down), rows_, m_.hidden, f);
    d = swiglu_backward(d, v.gate_up, rows_, f);
    take.product(p.gate_up, d, v.normed_middle, {f, f});
    d = linear_backward(d, at(p.gate_up), rows_, 2 * f, m_.hidden);
    Matrix middle = norm_backward(take, p.mlp_norm, d, v.middle);
    add(middle, dy);
    take.product(p.out, middle, v.o, {m_.hidden});
    d = linear_backward(middle, at(p.out), rows_, m_.hidden, m_.q_width());
    d = attention_backward(m_, d, v.qkv, batch_.batch, batch_.sequence);
    rope(m_, d, rows_, batch_.sequence, -1);
    take.product(p.qkv, d, v.normed, {m_.q_width(), m_.kv_width(), m_.kv_width()});
    d = linear_backward(d, at(p.qkv), rows_, m_.qkv_width(), m_.hidden);
    Matrix dx = norm_backward(take, p.attention_norm, d, v.input);
    add(dx, middle);
    return dx;
  }

  Matrix norm_backward(GradientTaker& take, const ParameterTensor& gain, const Matrix& dy, const Matrix& x) {
    take.gains(gain, dy, normalised(x, rows_, m_.hidden));
    return reference::norm_backward(dy, x, at(gain), rows_, m_.hidden);
  }

  const TrainModel& m_;
  const ParameterLayout layout_;
  const std::vector<double>& w_;
  const TrainBatch& batch_;
  const std::int64_t rows_;
  std::vector<LayerValues> values_;
  Matrix last_, normed_, d_logits_;
  double logits_size_ = 0;
};

}  // namespace

double reference_loss(const TrainModel& model, const std::vector<double>& parameters, const TrainBatch& batch) {
  return ReferenceStep(model, parameters, batch).forward();
}

ReferenceGradients reference_gradients(const TrainModel& model, const std::vector<double>& parameters,
                                       const TrainBatch& batch) {
  ReferenceStep step(model, parameters, batch);
  const double loss = step.forward();
  AllGradients all(std::int64_t(parameters.size()));
  step.backward(all);
  return {loss, all.take()};
}

double reference_gradients(const TrainModel& model, const std::vector<double>& parameters, const TrainBatch& batch,
                           std::vector<GradientSample>& samples) {
  ReferenceStep step(model, parameters, batch);
  const double loss = step.forward();
  SampledGradients some(samples);
  step.backward(some);
  return loss;
}

}  // namespace assay
