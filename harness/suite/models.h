// configs/models: dimensions of named models, and the GEMM and attention shapes their training needs.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/transformer.h"
#include "kernels/attention/attention.h"
#include "kernels/gemm/gemm.h"

namespace assay {

struct ModelGemm {
  std::string label;  // "llama3-70b/qkv/forward/tp8", "mixtral-8x7b/expert_down/wgrad/ep8"
  std::string layer;  // "qkv", "attn_out", "gate_up", "down", "head", ...
  std::string pass;   // "forward", "dgrad", "wgrad"
  std::int64_t m = 0, n = 0, k = 0;
  GemmLayout layout = GemmLayout::tn;
};

/// The layers of a rank's experts, as one grouped GEMM; any pass.
struct ModelGroupedGemm {
  std::string label;                                // "deepseek-v3/expert_down/ep64"
  std::string layer;                                // "expert_gate_up", "expert_down", ...
  std::int64_t groups = 0, rows = 0, n = 0, k = 0;  // rows of all groups together
};

struct ModelAttention {
  std::string label;  // "llama3-70b/attention/tp8"
  std::int64_t heads = 0, kv_heads = 0, head_dim = 0;
  std::int64_t head_dim_v = 0;  // of values; 0: head_dim
};

struct Model {
  std::string name, full_name, source;
  std::int64_t layers = 0, hidden = 0, heads = 0, kv_heads = 0, head_dim = 0, vocabulary = 0;
  // The rest of the file (feed-forward, experts, latent attention) is interpreted by models.cpp.
  std::string text;

  /// Per-rank GEMMs of one layer and the head, for `tokens` tokens of one rank's step; InputError where a degree does
  /// not divide the model.  Experts see their mean share of the tokens of all `expert_parallel` ranks (0: the degree in
  /// the model's file); they are not split by tensor parallelism.
  std::vector<ModelGemm> gemms(std::int64_t tensor_parallel, std::int64_t tokens,
                               std::int64_t expert_parallel = 0) const;
  bool has_routed_experts() const;
  /// Its arithmetic: parameters, FLOP of a token.
  Transformer transformer() const;
  /// One rank's routed experts when every rank has `tokens` tokens and experts are, over all ranks, equally wanted;
  /// InputError for a model that has none.
  std::vector<ModelGroupedGemm> grouped_gemms(std::int64_t tokens, std::int64_t expert_parallel = 0) const;
  /// Of latent attention as training does it: every head has keys and values of its own, queries and keys wider by the
  /// part that carries the position.  InputError where the degree does not divide the heads.
  ModelAttention attention(std::int64_t tensor_parallel) const;
};

const std::vector<Model>& models();
/// InputError naming the models there are.
/// Of a file of one's own; InputError naming `source` and the place.
Model parse_model(std::string_view text, const std::string& source);
/// By name, or from a file (names_file).
Model load_model(const std::string& name);
const Model& find_model(std::string_view name);

}  // namespace assay
