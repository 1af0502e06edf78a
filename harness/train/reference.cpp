#include "harness/train/reference.h"

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
    return cross_entropy(d_logits_, batch_.targets, m_.vocabulary);
  }

  std::vector<double> backward() {
    g_.assign(w_.size(), 0.0);
    Matrix dx =
        linear_backward(d_logits_, normed_, at(layout_.head), gradient(layout_.head), rows_, m_.vocabulary, m_.hidden);
    dx = norm_backward(dx, last_, at(layout_.final_norm), gradient(layout_.final_norm), rows_, m_.hidden);
    for (std::size_t l = layout_.layers.size(); l-- > 0;) dx = backward(layout_.layers[l], values_[l], std::move(dx));
    for (std::int64_t i = 0; i < rows_; ++i)
      for (std::int64_t c = 0; c < m_.hidden; ++c)
        gradient(layout_.embedding)[batch_.tokens[std::size_t(i)] * m_.hidden + c] +=
            dx[std::size_t(i * m_.hidden + c)];
    return std::move(g_);
  }

 private:
  const double* at(const ParameterTensor& tensor) const { return w_.data() + tensor.offset; }
  double* gradient(const ParameterTensor& tensor) { return g_.data() + tensor.offset; }

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

  Matrix backward(const LayerParameters& p, const LayerValues& v, Matrix dy) {
    Matrix d = linear_backward(dy, v.activated, at(p.down), gradient(p.down), rows_, m_.hidden, m_.feed_forward);
    d = swiglu_backward(d, v.gate_up, rows_, m_.feed_forward);
    d = linear_backward(d, v.normed_middle, at(p.gate_up), gradient(p.gate_up), rows_, 2 * m_.feed_forward, m_.hidden);
    Matrix middle = norm_backward(d, v.middle, at(p.mlp_norm), gradient(p.mlp_norm), rows_, m_.hidden);
    add(middle, dy);
    d = linear_backward(middle, v.o, at(p.out), gradient(p.out), rows_, m_.hidden, m_.q_width());
    d = attention_backward(m_, d, v.qkv, batch_.batch, batch_.sequence);
    rope(m_, d, rows_, batch_.sequence, -1);
    d = linear_backward(d, v.normed, at(p.qkv), gradient(p.qkv), rows_, m_.qkv_width(), m_.hidden);
    Matrix dx = norm_backward(d, v.input, at(p.attention_norm), gradient(p.attention_norm), rows_, m_.hidden);
    add(dx, middle);
    return dx;
  }

  const TrainModel& m_;
  const ParameterLayout layout_;
  const std::vector<double>& w_;
  const TrainBatch& batch_;
  const std::int64_t rows_;
  std::vector<LayerValues> values_;
  Matrix last_, normed_, d_logits_;
  std::vector<double> g_;
};

}  // namespace

double reference_loss(const TrainModel& model, const std::vector<double>& parameters, const TrainBatch& batch) {
  return ReferenceStep(model, parameters, batch).forward();
}

ReferenceGradients reference_gradients(const TrainModel& model, const std::vector<double>& parameters,
                                       const TrainBatch& batch) {
  ReferenceStep step(model, parameters, batch);
  const double loss = step.forward();
  return {loss, step.backward()};
}

}  // namespace assay
