// A Llama-style decoder as far as training it on one device needs: its sizes and where its parameters lie.  What a step
// costs is harness/model's to say.
//
//   x = embedding[token]                                                       [tokens, hidden]
//   every layer: x += out(attention(rope(qkv(norm(x)))))                       causal, grouped queries
//                x += down(swiglu(gate_up(norm(x))))
//   loss = mean over tokens of cross_entropy(head(norm(x)), next token)
//
// Every linear layer y = x W^T has its W as [outputs, inputs] and no bias; embedding and head are not tied (Llama 2 and
// 3, arXiv 2307.09288 and 2407.21783).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "harness/model/transformer.h"

namespace assay {

struct TrainModel {
  std::int64_t layers = 1, hidden = 64, heads = 1, kv_heads = 1, head_dim = 64, feed_forward = 64, vocabulary = 256;

  std::int64_t q_width() const { return heads * head_dim; }
  std::int64_t kv_width() const { return kv_heads * head_dim; }
  std::int64_t qkv_width() const { return q_width() + 2 * kv_width(); }
  Transformer transformer() const;
};

inline constexpr double kNormEpsilon = 1e-5;  // Llama 3's released configuration
inline constexpr double kRopeBase = 500000;   // the same

/// One parameter tensor in the flat arrays of parameters, gradients and moments.
struct ParameterTensor {
  std::string name;  // "layer 2 qkv"
  std::int64_t rows = 0, columns = 0;
  std::int64_t offset = 0;
  double deviation = 0;  // of its initial normal values; 0: all of them 1 (gains of norms)

  std::int64_t count() const { return rows * columns; }
};

struct LayerParameters {
  ParameterTensor qkv, out, gate_up, down, attention_norm, mlp_norm;
};

/// Matrices first, then the gains of norms, which AdamW does not decay.  Every tensor begins at a multiple of 64
/// elements (256 bytes of fp32, what vector loads and tensor maps want); what lies between is zero and stays so.
struct ParameterLayout {
  explicit ParameterLayout(const TrainModel&);

  ParameterTensor embedding, head, final_norm;
  std::vector<LayerParameters> layers;
  std::int64_t decayed = 0;  // elements before the gains
  std::int64_t size = 0;     // elements of a flat array, padding included

  std::vector<const ParameterTensor*> all() const&;  // point into this layout: it must outlive them
  void all() && = delete;
};

/// Empty, or what is wrong with the sizes and what would be right.
std::string problem_of(const TrainModel&);

}  // namespace assay
