// Time of one kernel of a training step: measured where the shape was, else modelled.
#pragma once
#include "harness/project/hardware.h"

namespace assay {

enum class GemmPass { forward, dgrad, wgrad };

struct GemmCall {
  GemmSize shape;
  Precision precision = Precision::bf16;
  GemmPass pass = GemmPass::forward;
  double compute_share = 1;  // of the hardware's rate (calibration.h)
  double groups = 1;         // of that shape each, in one launch: a rank's experts
};

/// Counts how many GEMMs of a step were measured at exactly their shape.
struct Coverage {
  int measured = 0, modelled = 0;
};

/// Roofline with tiles and waves: max(compute, memory) + launch.
///   compute = waves * SMs * 2 tile_m tile_n (k + fill) / rate, of the best tile; groups fill waves together
///   memory  = (a + b + d) / stream
double modelled_gemm_seconds(const GemmCall&, const Hardware&);
/// Measured where the hardware has the shape.
double gemm_seconds(const GemmCall&, const Hardware&, Coverage* = nullptr);

struct AttentionCall {
  double batch = 1, heads = 1, kv_heads = 1, queries = 0, keys = 0, qk_dim = 128, v_dim = 128;
  bool backward = false, flash = true, dropout = false;
  double compute_share = 1;
  double kernel_share = 1;  // of the published rate of attention (training_plan.h)
};
/// Causal.  Flash: FLOP over the rate; else two GEMMs and the passes over the scores that a fused softmax needs.
double attention_seconds(const AttentionCall&, const Hardware&, Coverage* = nullptr);

/// Kernels bound by memory: `bytes` moved by `kernels` launches.
double stream_seconds(double bytes, double kernels, const Hardware&);

}  // namespace assay
