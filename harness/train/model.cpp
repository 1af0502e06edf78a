#include "harness/train/model.h"

#include <cmath>

#include <fmt/format.h>

namespace assay {
namespace {

constexpr std::int64_t kAlignment = 64;  // elements

// GPT-2's initialisation, which Llama-style code bases kept: normal of deviation 0.02, and what is added to the
// residual stream by each of its 2 * layers branches smaller by the root of their number.
constexpr double kDeviation = 0.02;

/// Hands out places in the flat array.
class Places {
 public:
  ParameterTensor next(std::string name, std::int64_t rows, std::int64_t columns, double deviation) {
    ParameterTensor tensor{std::move(name), rows, columns, end_, deviation};
    end_ += (tensor.count() + kAlignment - 1) / kAlignment * kAlignment;
    return tensor;
  }
  std::int64_t end() const { return end_; }

 private:
  std::int64_t end_ = 0;
};

}  // namespace

ParameterLayout::ParameterLayout(const TrainModel& model) {
  Places places;
  const double branch = kDeviation / std::sqrt(2.0 * double(model.layers));
  embedding = places.next("embedding", model.vocabulary, model.hidden, kDeviation);
  layers.resize(std::size_t(model.layers));
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const std::string of = fmt::format("layer {} ", l);
    layers[l].qkv = places.next(of + "qkv", model.qkv_width(), model.hidden, kDeviation);
    layers[l].out = places.next(of + "out", model.hidden, model.q_width(), branch);
    layers[l].gate_up = places.next(of + "gate_up", 2 * model.feed_forward, model.hidden, kDeviation);
    layers[l].down = places.next(of + "down", model.hidden, model.feed_forward, branch);
  }
  head = places.next("head", model.vocabulary, model.hidden, kDeviation);
  decayed = places.end();
  for (std::size_t l = 0; l < layers.size(); ++l) {
    layers[l].attention_norm = places.next(fmt::format("layer {} attention norm", l), 1, model.hidden, 0);
    layers[l].mlp_norm = places.next(fmt::format("layer {} mlp norm", l), 1, model.hidden, 0);
  }
  final_norm = places.next("final norm", 1, model.hidden, 0);
  size = places.end();
}

std::vector<const ParameterTensor*> ParameterLayout::all() const& {
  std::vector<const ParameterTensor*> out = {&embedding};
  for (const LayerParameters& layer : layers)
    for (const ParameterTensor* one : {&layer.qkv, &layer.out, &layer.gate_up, &layer.down}) out.push_back(one);
  out.push_back(&head);
  for (const LayerParameters& layer : layers)
    for (const ParameterTensor* one : {&layer.attention_norm, &layer.mlp_norm}) out.push_back(one);
  out.push_back(&final_norm);
  return out;
}

Transformer TrainModel::transformer() const {
  Transformer out;
  out.layers = layers, out.hidden = hidden, out.heads = heads, out.kv_heads = kv_heads;
  out.head_dim = head_dim, out.vocabulary = vocabulary;
  out.dense = {true, feed_forward};
  out.dense_layers = layers;
  return out;
}

std::string problem_of(const TrainModel& m) {
  if (m.heads % m.kv_heads != 0) return fmt::format("heads={} is not a multiple of kv_heads={}", m.heads, m.kv_heads);
  if (m.head_dim % 2 != 0) return fmt::format("head_dim={} is odd, and RoPE turns pairs of elements", m.head_dim);
  return {};
}

}  // namespace assay
