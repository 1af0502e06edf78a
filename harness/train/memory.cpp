#include "harness/train/memory.h"

#include <functional>

#include "kernels/layer/adamw.h"
#include "kernels/layer/grad_norm.h"

namespace assay {
namespace {

/// Takes `bytes` for a use and returns where they are: a backend's, or nowhere while only counting.
using Take = std::function<void*(MemoryUse, std::int64_t bytes)>;

class Shapes {
 public:
  Shapes(const TrainSetup& setup, int ranks, const Take& take)
      : s_(setup), m_(setup.model), tokens_(setup.tokens() / ranks), take_(take) {}

  StepTensors make() {
    take_states();
    take_layers();
    take_ends();
    take_temporaries();
    return t_;
  }

 private:
  void* typed(MemoryUse use, std::int64_t elements) { return take_(use, storage_bytes(s_.dtype, elements)); }
  float* floats(MemoryUse use, std::int64_t elements) { return static_cast<float*>(take_(use, 4 * elements)); }

  void take_states() {
    const std::int64_t size = ParameterLayout(m_).size;
    t_.master = floats(s_.dtype == DType::f32 ? MemoryUse::parameters : MemoryUse::optimizer, size);
    t_.parameters = s_.dtype == DType::f32 ? t_.master : typed(MemoryUse::parameters, size);
    t_.gradients = floats(MemoryUse::gradients, size);
    t_.moment1 = floats(MemoryUse::optimizer, size);
    t_.moment2 = floats(MemoryUse::optimizer, size);
  }

  /// What costs no product to make again.
  void take_cheap(LayerActivations& a, MemoryUse use) {
    a.normed = typed(use, tokens_ * m_.hidden);
    a.normed_middle = typed(use, tokens_ * m_.hidden);
    a.activated = typed(use, tokens_ * m_.feed_forward);
  }

  void take_dear(LayerActivations& a, MemoryUse use) {
    a.rstd = floats(use, tokens_);
    a.q = typed(use, tokens_ * m_.q_width());
    a.k = typed(use, tokens_ * m_.kv_width());
    a.v = typed(use, tokens_ * m_.kv_width());
    a.o = typed(use, tokens_ * m_.q_width());
    a.lse = floats(use, tokens_ * m_.heads);
    a.middle = typed(use, tokens_ * m_.hidden);
    a.rstd_middle = floats(use, tokens_);
    a.gate_up = typed(use, tokens_ * 2 * m_.feed_forward);
  }

  void take_layers() {
    const Checkpointing kept = s_.checkpointing;
    LayerActivations shared;
    if (kept != Checkpointing::none) take_cheap(shared, MemoryUse::temporary);
    if (kept == Checkpointing::full) take_dear(shared, MemoryUse::temporary);
    for (std::int64_t l = 0; l < m_.layers; ++l) {
      LayerActivations a = shared;
      a.x = typed(MemoryUse::activations, tokens_ * m_.hidden);
      if (kept == Checkpointing::none) take_cheap(a, MemoryUse::activations);
      if (kept != Checkpointing::full) take_dear(a, MemoryUse::activations);
      t_.layers.push_back(a);
    }
  }

  void take_ends() {
    constexpr MemoryUse kept = MemoryUse::activations, small = MemoryUse::temporary;
    t_.last = typed(kept, tokens_ * m_.hidden);
    t_.normed_last = typed(kept, tokens_ * m_.hidden);
    t_.rstd_last = floats(kept, tokens_);
    t_.logits = typed(kept, tokens_ * m_.vocabulary);
    t_.loss = floats(kept, tokens_);
    t_.lse = floats(kept, tokens_);
    t_.tokens = static_cast<std::int32_t*>(take_(kept, 4 * tokens_));
    t_.targets = static_cast<std::int32_t*>(take_(kept, 4 * tokens_));
    t_.loss_scale = floats(small, 1);
    t_.norm_result = take_(small, std::int64_t(sizeof(GradNorm)));
    t_.norm_pointers = take_(small, std::int64_t(sizeof(void*)));
    t_.norm_elements = static_cast<std::int64_t*>(take_(small, 8));
    t_.step_decayed = take_(small, std::int64_t(sizeof(AdamWStep)));
    t_.step_gains = take_(small, std::int64_t(sizeof(AdamWStep)));
    t_.rope_cos = floats(small, s_.sequence * m_.head_dim / 2);
    t_.rope_sin = floats(small, s_.sequence * m_.head_dim / 2);
  }

  void take_temporaries() {
    constexpr MemoryUse use = MemoryUse::temporary;
    t_.qkv = typed(use, tokens_ * m_.qkv_width());
    for (void** one : {&t_.branch, &t_.d_stream, &t_.d_middle, &t_.d_normed}) *one = typed(use, tokens_ * m_.hidden);
    for (void** one : {&t_.d_o, &t_.d_q}) *one = typed(use, tokens_ * m_.q_width());
    for (void** one : {&t_.d_k, &t_.d_v}) *one = typed(use, tokens_ * m_.kv_width());
    t_.d_activated = typed(use, tokens_ * m_.feed_forward);
    t_.d_gate_up = typed(use, tokens_ * 2 * m_.feed_forward);
  }

  const TrainSetup& s_;
  const TrainModel& m_;
  const std::int64_t tokens_;
  const Take& take_;
  StepTensors t_;
};

}  // namespace

MemoryBytes step_bytes(const TrainSetup& setup, int ranks) {
  MemoryBytes bytes;
  const Take count = [&](MemoryUse use, std::int64_t size) -> void* {
    bytes[use] += std::size_t(size);
    return nullptr;
  };
  Shapes(setup, ranks, count).make();
  return bytes;
}

StepMemory::StepMemory(const TrainSetup& setup, int ranks, Backend& backend) : backend_(backend) {
  const Take take = [&](MemoryUse use, std::int64_t size) {
    bytes_[use] += std::size_t(size);
    buffers_.push_back(backend_.allocate(std::size_t(size)));
    return buffers_.back().data();
  };
  tensors_ = Shapes(setup, ranks, take).make();
  poison();
}

void StepMemory::poison() {
  for (const Buffer& buffer : buffers_) backend_.fill(buffer, 0xff);
}

}  // namespace assay
