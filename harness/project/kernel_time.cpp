#include "harness/project/kernel_time.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace assay {
namespace {

/// Share of an incomplete last wave that is really lost: stream-K and split-K schedules fill part of it.
constexpr double kWaveLoss = 0.7;

double operand_bytes(Precision precision) {
  switch (precision) {
    case Precision::bf16:
      return 2;
    case Precision::fp8:
      return 1;
    case Precision::fp4:
      return 0.5625;  // a byte of scale for 16 elements
  }
  return 2;
}

const char* layout_of(GemmPass pass) {
  return pass == GemmPass::forward ? "tn" : pass == GemmPass::dgrad ? "nn" : "nt";  // as configs/models derives them
}

/// Of a rank's experts, where they were measured so; shapes turned back to the layer's rows, n and k.
const MeasuredTime* measured_groups(const GemmCall& call, const Hardware& hw) {
  if (hw.groups.empty() || call.groups == 1) return nullptr;
  const auto [m, n, k] = call.shape;
  const auto find = [&](const char* pass, double rows, double out, double in) {
    const auto at = hw.groups.find({call.precision, pass, std::llround(call.groups), std::llround(rows * call.groups),
                                    std::llround(out), std::llround(in)});
    return at == hw.groups.end() ? nullptr : &at->second;
  };
  switch (call.pass) {
    case GemmPass::forward:
      return find("forward", m, n, k);
    case GemmPass::dgrad:
      return find("dgrad", m, k, n);
    case GemmPass::wgrad:
      return find("wgrad", k, m, n);
  }
  return nullptr;
}

}  // namespace

double modelled_gemm_seconds(const GemmCall& call, const Hardware& hw) {
  const auto [m, n, k] = call.shape;
  const double rate = hw.gemm_flops[int(call.precision)] * call.compute_share;
  double compute = std::numeric_limits<double>::infinity();
  for (const GemmTile& tile : hw.tiles) {
    const double waves = call.groups * std::ceil(m / tile.m) * std::ceil(n / tile.n) / hw.multiprocessors;
    const double counted = waves + kWaveLoss * (std::ceil(waves) - waves);
    compute = std::min(
        compute, counted * hw.multiprocessors * 2.0 * tile.m * tile.n * (k + hw.gemm_fill) / (rate * tile.efficiency));
  }
  // A weight's gradient is added to what fp32 holds already: read and written.
  const double result = m * n * (call.pass == GemmPass::wgrad ? 8 : 2);
  const double bytes = call.groups * ((m * k + n * k) * operand_bytes(call.precision) + result);
  const double stream = hw.gemm_bytes_per_second > 0 ? hw.gemm_bytes_per_second : hw.memory_bytes_per_second;
  return std::max(compute, bytes / stream) + hw.launch_seconds;
}

double gemm_seconds(const GemmCall& call, const Hardware& hw, Coverage* coverage) {
  if (const MeasuredTime* time = measured_groups(call, hw)) {
    if (coverage) ++coverage->measured;
    return time->seconds / call.compute_share;
  }
  if (!hw.gemms.empty()) {
    const auto [m, n, k] = call.shape;
    const auto found =
        hw.gemms.find({call.precision, layout_of(call.pass), std::llround(m), std::llround(n), std::llround(k)});
    if (found != hw.gemms.end()) {
      if (coverage) ++coverage->measured;
      return call.groups * found->second.seconds / call.compute_share;  // one after the other
    }
  }
  if (coverage) ++coverage->modelled;
  return modelled_gemm_seconds(call, hw);
}

double attention_seconds(const AttentionCall& call, const Hardware& hw, Coverage* coverage) {
  if (call.flash && !hw.attention.empty() && call.queries == call.keys) {
    const auto found = hw.attention.find({call.backward ? "backward" : "forward", std::llround(call.heads),
                                          std::llround(call.kv_heads), std::llround(call.queries),
                                          std::llround(call.qk_dim), std::llround(call.batch)});
    if (found != hw.attention.end()) {
      if (coverage) ++coverage->measured;
      return found->second.seconds / call.compute_share;
    }
  }
  if (coverage) ++coverage->modelled;
  const double pairs = call.batch * call.heads * call.queries * call.keys;
  if (call.flash) {
    // Two products forward, five backward (Dao et al., arXiv 2205.14135), of the visible half.
    const double flops = (call.backward ? 2.5 : 1) * 0.5 * pairs * 2 * (call.qk_dim + call.v_dim);
    const double rate = call.backward ? hw.attention_backward : hw.attention_forward;
    const double ramp = 1 + (call.backward ? hw.backward_ramp : hw.forward_ramp) / std::max(1.0, call.keys);
    return flops * ramp / (rate * call.kernel_share * call.compute_share) + hw.launch_seconds;
  }
  // Batched GEMMs with a short k run at about 0.6 of large ones; bf16 scores pass memory 6 times forward (written,
  // scaled softmax read and written, dropout read and written, read) and 8 backward.
  constexpr double kBatchedGemm = 0.6, kForwardPasses = 6, kBackwardPasses = 8, kScoreBytes = 2;
  const double products = pairs * 2 * (call.qk_dim + call.v_dim) * (call.backward ? 2 : 1);
  const double passes = call.backward ? kBackwardPasses : kForwardPasses;
  return products / (hw.gemm_flops[0] * kBatchedGemm * call.compute_share) +
         pairs * kScoreBytes * passes / hw.memory_bytes_per_second;
}

double stream_seconds(double bytes, double kernels, const Hardware& hw) {
  return bytes / hw.memory_bytes_per_second + kernels * hw.launch_seconds;
}

}  // namespace assay
