#include "harness/suite/messages.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/core/error.h"

namespace assay {
namespace {

constexpr std::int64_t kBucketElements = 40'000'000;  // Megatron-LM's default for up to 40 data-parallel ranks

std::int64_t layer_weights(const Model& model, std::int64_t tensor_parallel) {
  std::int64_t elements = 0;
  for (const ModelGemm& gemm : model.gemms(tensor_parallel, 1))
    if (gemm.pass == "forward" && gemm.layer != "head" && !gemm.layer.starts_with("expert_"))
      elements += gemm.n * gemm.k;
  return elements;
}

std::int64_t share(const Model& model, std::int64_t elements, std::int64_t tensor_parallel) {
  if (elements % tensor_parallel == 0) return elements / tensor_parallel;
  throw InputError(fmt::format("{}: tensor_parallel {} does not divide {} elements of activations", model.name,
                               tensor_parallel, elements));
}

}  // namespace

std::vector<ModelMessage> messages_of(const Model& model, std::string_view operation, std::int64_t tensor_parallel,
                                      std::int64_t tokens) {
  std::vector<ModelMessage> all;
  const auto add = [&](const char* message, std::int64_t elements, const std::string& split = {}) {
    all.push_back({fmt::format("{}/{}{}", model.name, message, split), message, elements});
  };
  const std::string split = fmt::format("/tp{}", tensor_parallel);
  const std::int64_t activations = tokens * model.hidden;
  if (operation == "send_recv") add("activations", share(model, activations, tensor_parallel), split);
  if (operation == "all_reduce" || operation == "all_gather" || operation == "reduce_scatter") {
    add("activations", activations);
    const std::int64_t layer = layer_weights(model, tensor_parallel);
    add("layer_weights", layer, split);
    add("gradient_bucket", std::min(kBucketElements, model.layers * layer), split);
  }
  if (operation == "all_to_all" && model.has_routed_experts())
    for (const ModelGroupedGemm& gemm : model.grouped_gemms(tokens))
      if (gemm.k == model.hidden) add("tokens_to_experts", gemm.rows * gemm.k);
  return all;
}

}  // namespace assay
