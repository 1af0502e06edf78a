// What a training step is asked to be.
#pragma once
#include <cstdint>
#include <string>

#include "harness/train/model.h"
#include "kernels/common/dtype.h"

namespace assay {

/// What backward finds from forward, and what it computes once more.
enum class Checkpointing : std::uint8_t {
  none,       // everything is kept
  selective,  // norms and SwiGLU, which cost no product, are computed again from what is kept
  full,       // of a layer only its input is kept; but for the last product, all of its forward pass runs again
};
inline constexpr const char* kCheckpointings[] = {"none", "selective", "full"};
constexpr const char* name(Checkpointing c) { return kCheckpointings[static_cast<int>(c)]; }

/// AdamW with Llama's moments (arXiv 2302.13971, 2.3) and its clipping.  The learning rate is constant: runs are short.
struct OptimizerSettings {
  float beta1 = 0.9F, beta2 = 0.95F, epsilon = 1e-8F;
  double learning_rate = 1e-3;
  double weight_decay = 0.1;
  float max_norm = 1;
};

struct TrainSetup {
  TrainModel model;
  std::int64_t batch = 1;     // sequences of a step, over all ranks; a multiple of the ranks
  std::int64_t sequence = 1;  // tokens of each
  DType dtype = DType::f32;   // of parameters as products read them, and of activations
  Checkpointing checkpointing = Checkpointing::none;
  /// 0: gradients are reduced at once, after backward; else beside it, in buckets of so many bytes
  /// (gradient_buckets.h).
  std::int64_t bucket_bytes = 0;
  OptimizerSettings optimizer;
  std::uint64_t seed = 1;

  std::int64_t tokens() const { return batch * sequence; }
};

}  // namespace assay
