#include "tests/kernels/attention/gradients.h"

#include <cmath>
#include <cstdio>
#include <limits>
#include <random>

namespace assay::test {
namespace {

std::vector<unsigned char> normal_array(DType dtype, std::int64_t count, std::mt19937_64& generator, double factor) {
  std::normal_distribution<double> normal;
  std::vector<unsigned char> array(static_cast<std::size_t>(storage_bytes(dtype, count)));
  for (std::int64_t i = 0; i < count; ++i) store_element(dtype, array.data(), i, factor * normal(generator));
  return array;
}

/// Everything but o and lse.
GradientInputs normal_operands(const AttentionProblem& p, unsigned seed, double q_factor, double k_factor) {
  std::mt19937_64 generator(seed);
  GradientInputs inputs;
  inputs.q = normal_array(p.dtype, p.q_elements(), generator, q_factor);
  inputs.k = normal_array(p.dtype, p.k_elements(), generator, k_factor);
  inputs.v = normal_array(p.dtype, p.v_elements(), generator, 1);
  inputs.d_o = normal_array(p.dtype, p.o_elements(), generator, 1);
  return inputs;
}

/// Keeps the worst of the rows that it is shown.
class Comparison {
 public:
  explicit Comparison(DType dtype) : dtype_(dtype) {}

  /// `row` of `got` starts at element `first`; `head` and `position` say which it is.
  void add(const char* name, const std::vector<unsigned char>& got, std::int64_t first, const AllowedRow& row,
           std::int64_t b, std::int64_t head, std::int64_t position) {
    for (std::size_t c = 0; c < row.value.size(); ++c) {
      const double value = load_element(dtype_, got.data(), first + static_cast<std::int64_t>(c));
      if (value == row.value[c]) continue;
      double ratio = std::abs(value - row.value[c]) / row.allowed[c];
      if (std::isnan(ratio)) ratio = std::numeric_limits<double>::infinity();
      if (!(ratio > worst_.error_over_allowed)) continue;
      char text[256];
      std::snprintf(text, sizeof text, "%s of batch %d head %d row %d column %d is %.9g, expected %.9g +- %.3g", name,
                    int(b), int(head), int(position), int(c), value, row.value[c], row.allowed[c]);
      worst_ = {ratio, text};
    }
  }

  const WorstGradient& worst() const { return worst_; }

 private:
  DType dtype_;
  WorstGradient worst_;
};

}  // namespace

AttentionBuffers GradientInputs::host() const {
  AttentionBuffers buffers;
  buffers.q = q.data(), buffers.k = k.data(), buffers.v = v.data(), buffers.d_o = d_o.data();
  // Forward's outputs, which backward only reads.
  buffers.o = const_cast<unsigned char*>(o.data()), buffers.lse = const_cast<float*>(lse.data());
  return buffers;
}

GradientInputs normal_gradient_inputs(const AttentionProblem& p, unsigned seed, double q_factor, double k_factor) {
  GradientInputs inputs = normal_operands(p, seed, q_factor, k_factor);
  run_forward(p, inputs);
  return inputs;
}

GradientInputs constant_logit_gradient_inputs(const AttentionProblem& p, unsigned seed, double logit) {
  GradientInputs inputs = normal_operands(p, seed, 1, 1);
  const double root = std::sqrt(std::abs(logit) / p.scale());  // q_0 k_0 scale = logit
  for (std::int64_t i = 0; i < p.q_elements(); i += p.head_dim) store_element(p.dtype, inputs.q.data(), i, root);
  for (std::int64_t i = 0; i < p.k_elements(); i += p.head_dim)
    store_element(p.dtype, inputs.k.data(), i, logit < 0 ? -root : root);
  run_forward(p, inputs);
  return inputs;
}

void run_forward(const AttentionProblem& p, GradientInputs& inputs) {
  inputs.o.assign(static_cast<std::size_t>(storage_bytes(p.dtype, p.o_elements())), 0xff);
  inputs.lse.assign(static_cast<std::size_t>(p.lse_elements()), std::nanf(""));
  for (std::int64_t b = 0; b < p.batch; ++b)
    for (std::int64_t h = 0; h < p.heads; ++h)
      for (std::int64_t i = 0; i < p.queries(b); ++i) {
        const AttentionRow row = attention_reference(p, inputs.q.data(), inputs.k.data(), inputs.v.data(), b, h, i);
        for (std::size_t c = 0; c < row.o.size(); ++c)
          store_element(p.dtype, inputs.o.data(), p.o_index(b, i, h) + static_cast<std::int64_t>(c), row.o[c]);
        inputs.lse[static_cast<std::size_t>(p.lse_index(b, h, i))] = static_cast<float>(row.lse);
      }
}

Gradients poisoned_gradients(const AttentionProblem& p) {
  const auto poisoned = [&](std::int64_t elements) {
    return std::vector<unsigned char>(static_cast<std::size_t>(storage_bytes(p.dtype, elements)), 0xff);
  };
  return {poisoned(p.q_elements()), poisoned(p.k_elements()), poisoned(p.v_elements())};
}

WorstGradient worst_gradient(const AttentionProblem& p, const GradientInputs& inputs, const Gradients& got) {
  const AttentionBuffers host = inputs.host();
  Comparison comparison(p.dtype);
  for (std::int64_t b = 0; b < p.batch; ++b) {
    for (std::int64_t h = 0; h < p.heads; ++h)
      for (std::int64_t i = 0; i < p.queries(b); ++i)
        comparison.add("dq", got.dq, p.q_index(b, i, h), attention_reference_dq(p, host, b, h, i), b, h, i);
    for (std::int64_t h = 0; h < p.kv_heads; ++h)
      for (std::int64_t j = 0; j < p.keys(b); ++j) {
        const AttentionKeyGradients row = attention_reference_dkv(p, host, b, h, j);
        comparison.add("dk", got.dk, p.k_index(b, j, h), row.dk, b, h, j);
        comparison.add("dv", got.dv, p.v_index(b, j, h), row.dv, b, h, j);
      }
  }
  return comparison.worst();
}

std::string gradient_mismatch(const AttentionProblem& p, const GradientInputs& inputs, const Gradients& got) {
  const WorstGradient worst = worst_gradient(p, inputs, got);
  return worst.error_over_allowed <= 1 ? std::string() : "wrong result: " + worst.where;
}

std::string gradient_case_name(const AttentionProblem& p) {
  std::string text = std::string(name(p.dtype)) + "_d" + std::to_string(p.head_dim);
  if (p.value_dim() != p.head_dim) text += "_v" + std::to_string(p.value_dim());
  text += "_b" + std::to_string(p.batch) + "_h" + std::to_string(p.heads) + "_kv" + std::to_string(p.kv_heads) + "_" +
          std::to_string(p.seq_q) + "x" + std::to_string(p.seq_kv);
  if (p.causal) text += "_causal";
  if (p.window > 0) text += "_window" + std::to_string(p.window);
  if (p.packed()) text += "_packed";
  if (p.deterministic) text += "_deterministic";
  return text;
}

}  // namespace assay::test
