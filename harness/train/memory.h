// Memory of a training step on one device, and its arithmetic without allocating any.
#pragma once
#include <cstdint>
#include <deque>
#include <vector>

#include "harness/backends/backend.h"
#include "harness/train/setup.h"

namespace assay {

enum class MemoryUse : std::uint8_t { parameters, gradients, optimizer, activations, temporary };
inline constexpr const char* kMemoryUses[] = {"parameters", "gradients", "optimizer", "activations", "temporary"};

struct MemoryBytes {
  std::size_t of[std::size(kMemoryUses)] = {};
  std::size_t& operator[](MemoryUse use) { return of[static_cast<int>(use)]; }
  std::size_t total() const {
    std::size_t sum = 0;
    for (const std::size_t bytes : of) sum += bytes;
    return sum;
  }
};

/// Activations of one layer, [tokens, ...] each.  Where they are not kept, several layers share one tensor.
struct LayerActivations {
  void* x = nullptr;                              // [hidden]: the layer's input
  void* normed = nullptr;                         // [hidden]
  float* rstd = nullptr;                          // one a token
  void *q = nullptr, *k = nullptr, *v = nullptr;  // [heads or kv_heads, head_dim]
  void* o = nullptr;                              // [heads, head_dim]
  float* lse = nullptr;                           // [batch, heads, sequence]
  void* middle = nullptr;                         // [hidden]: x and what attention added
  void* normed_middle = nullptr;
  float* rstd_middle = nullptr;
  void* gate_up = nullptr;    // [2 feed_forward]
  void* activated = nullptr;  // [feed_forward]
};

/// Everything a step reads and writes, for one rank's share of the batch.  Flat arrays as ParameterLayout has them.
struct StepTensors {
  float *master = nullptr, *gradients = nullptr, *moment1 = nullptr, *moment2 = nullptr;
  void* parameters = nullptr;  // in the setup's type; master where that is f32
  std::vector<LayerActivations> layers;
  void* last = nullptr;  // [tokens, hidden]: what the last layer leaves
  void* normed_last = nullptr;
  float* rstd_last = nullptr;
  void* logits = nullptr;                 // [tokens, vocabulary], becomes its gradient
  float *loss = nullptr, *lse = nullptr;  // [tokens]
  std::int32_t *tokens = nullptr, *targets = nullptr;
  float* loss_scale = nullptr;                          // 1 / tokens of the whole batch
  void* norm_result = nullptr;                          // GradNorm
  void* norm_pointers = nullptr;                        // [1] pointer to gradients
  std::int64_t* norm_elements = nullptr;                // [1]
  void *step_decayed = nullptr, *step_gains = nullptr;  // AdamWStep
  float *rope_cos = nullptr, *rope_sin = nullptr;       // [sequence, head_dim / 2]
  // Reused by every layer.
  void* qkv = nullptr;     // [tokens, qkv_width], and its gradient
  void* branch = nullptr;  // [tokens, hidden]: what attention or the MLP adds
  void *d_stream = nullptr, *d_middle = nullptr, *d_normed = nullptr;  // [tokens, hidden]
  void *d_o = nullptr, *d_q = nullptr, *d_k = nullptr, *d_v = nullptr;
  void *d_activated = nullptr, *d_gate_up = nullptr;
};

/// What StepMemory takes, by use.
MemoryBytes step_bytes(const TrainSetup&, int ranks);

/// Owns them.
class StepMemory {
 public:
  StepMemory(const TrainSetup&, int ranks, Backend&);
  const StepTensors& tensors() const { return tensors_; }
  const MemoryBytes& bytes() const { return bytes_; }
  /// Every byte of it 0xff, which is NaN in every float type: what is read before it was written shows.
  void poison();

 private:
  Backend& backend_;
  std::deque<Buffer> buffers_;
  StepTensors tensors_;
  MemoryBytes bytes_;
};

}  // namespace assay
