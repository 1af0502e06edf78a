// What ranks send each other while a model is trained, by operation.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/suite/models.h"

namespace assay {

struct ModelMessage {
  std::string label;          // "llama3-70b/layer_weights/tp8"
  std::string message;        // "activations", "layer_weights", ...
  std::int64_t elements = 0;  // of S, the operation's largest buffer; its type is the case's
};

/// The messages of one operation (a workload's name; none for one that training does not use):
///
///   activations    all_reduce after a row-split layer, or the all_gather before and reduce_scatter after one where
///                  sequences are split too (Korthikanti et al., arXiv 2205.05198): tokens x hidden over the
///                  tensor-parallel ranks; send_recv to the next pipeline stage: a rank's share of them
///   layer_weights  of one layer without its routed experts, split over the tensor-parallel ranks: what sharded
///                  data parallelism gathers before using it, and reduces (gradients) after
///   gradient_bucket   gradients that data parallelism reduces at a time: Megatron-LM's 40 million elements, or all of
///                  the rank's layers where they are fewer
///   tokens_to_experts   all_to_all to the routed experts and back: per_token copies of every token
///
/// InputError where a degree does not divide the model.  Models without routed experts have no tokens_to_experts.
std::vector<ModelMessage> messages_of(const Model&, std::string_view operation, std::int64_t tensor_parallel,
                                      std::int64_t tokens);

}  // namespace assay
