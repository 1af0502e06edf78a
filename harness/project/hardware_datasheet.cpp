#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "harness/core/error.h"
#include "harness/project/hardware.h"
#include "harness/suite/published.h"

namespace assay {
namespace {

// What published GEMM rates are of their peaks (configs/published/mamf.json: 0.69 to 0.87), for accelerators that have
// no published rate.
constexpr double kUsualGemmShare = 0.75;
// Streams reach about this of the datasheet's bandwidth (BabelStream's and our own copies).
constexpr double kStreamShare = 0.9;
// FlashAttention-3 on an H100, heads of 128 (arXiv 2407.08608, figures 5 and 6): causal forward 423, 521, 579, 602 and
// 616 TFLOP/s at 1k to 16k are within 3 % of 625 s / (s + 400).  Backward is published without a mask, 424 to 561, 575
// s / (s + 320); the mask costs it here what it costs forward (648 without, at 16k): 553 s / (s + 600).  Of 989 each.
constexpr double kAttentionForward = 0.632, kAttentionBackward = 0.56;
// Where GEMMs reach less of their peak than an H100's (configs/published: 794.5 of 989.5), attention does too.
constexpr double kGemmOfH100 = 0.803;
constexpr double kForwardRamp = 400, kBackwardRamp = 600;
constexpr double kLaunchSeconds = 3e-6;  // between kernels of one stream, launched ahead
// Busbw of large all-reduces is this of the links' payload rate (configs/references: 0.97 to 1.0).
constexpr double kBusShare = 0.97;

DType dtype_of(Precision precision) {
  return precision == Precision::bf16 ? DType::bf16 : precision == Precision::fp8 ? DType::e4m3 : DType::e2m1;
}

/// Square tiles of 128 x 256 keep the tensor cores of Ampere and Hopper fed; Blackwell's pairs work on 256 x 256.
std::vector<GemmTile> tiles_of(int generation) {
  if (generation >= 10) return {{256, 256, 1.0}, {128, 256, 0.95}, {128, 128, 0.8}};
  if (generation >= 9) return {{128, 256, 1.0}, {128, 128, 0.85}, {64, 64, 0.5}};
  return {{128, 256, 1.0}, {128, 128, 0.93}, {64, 64, 0.7}};
}

double published_rate(const std::string& accelerator, DType dtype) {
  for (const auto& rate : published_matmul_rates())
    if (rate.accelerator == accelerator && rate.dtype == dtype) return rate.flops_per_second;
  return 0;
}

/// Board power, W, for energy (NVIDIA datasheets: A100 SXM, H100 and H200 SXM, B200, GB200 a GPU, GB300 a GPU; AMD's:
/// MI300X, MI325X, MI355X).
double watts_of(const std::string& name) {
  static const std::map<std::string, double> known = {
      {"a100", 400},   {"h100", 700},    {"h200", 700},   {"b200", 1000},   {"gb200", 1200},
      {"gb300", 1400}, {"b300", 1100},   {"l40s", 350},   {"rtx4090", 450}, {"rtx5090", 575},
      {"mi300x", 750}, {"mi325x", 1000}, {"mi355x", 1400}};
  const auto found = known.find(name);
  return found == known.end() ? 0 : found->second;
}

void read_gemm_rates(const Accelerator& accelerator, Hardware& hw) {
  for (const Precision precision : {Precision::bf16, Precision::fp8, Precision::fp4}) {
    const DType dtype = dtype_of(precision);
    const double peak = accelerator.peak(dtype).value_or(0), published = published_rate(accelerator.name, dtype);
    hw.datasheet_flops[int(precision)] = peak;
    hw.gemm_flops[int(precision)] = published > 0 ? published : peak * kUsualGemmShare;
    if (peak > 0 && published == 0)
      hw.rate_notes[int(precision)] = fmt::format("no published {} GEMM rate of {}: {:.0f} % of its peak is taken",
                                                  name_of(precision), accelerator.full_name, 100 * kUsualGemmShare);
  }
}

}  // namespace

Hardware hardware_of(const Accelerator& accelerator) {
  Hardware hw;
  hw.name = accelerator.name;
  hw.source = fmt::format("datasheet of {}, GEMM rates as published (configs/published), nothing measured here",
                          accelerator.full_name);
  hw.generation = accelerator.compute_capability / 10;
  hw.multiprocessors = accelerator.multiprocessors > 0 ? accelerator.multiprocessors : 128;
  hw.peak_flops = accelerator.peak(DType::bf16).value_or(0);
  if (!(hw.peak_flops > 0))
    throw InputError(fmt::format("{} has no bf16 peak in configs/accelerators", accelerator.full_name));
  read_gemm_rates(accelerator, hw);
  hw.tiles = tiles_of(hw.generation);
  hw.memory_bytes_per_second = kStreamShare * accelerator.memory_bytes_per_second;
  hw.memory_bytes = accelerator.memory_bytes;
  hw.attention_forward = kAttentionForward * hw.peak_flops;
  hw.attention_backward = kAttentionBackward * hw.peak_flops;
  if (hw.generation == 0) {  // another maker's
    hw.attention_forward = std::min(hw.attention_forward, kAttentionForward / kGemmOfH100 * hw.gemm_flops[0]);
    hw.attention_backward = std::min(hw.attention_backward, kAttentionBackward / kGemmOfH100 * hw.gemm_flops[0]);
  }
  hw.forward_ramp = kForwardRamp, hw.backward_ramp = kBackwardRamp;
  hw.launch_seconds = kLaunchSeconds;
  constexpr double kPcieBytes = 25e9;  // PCIe 4.0 x16, payload; for those that have no links of their own
  hw.link_bytes_per_second =
      accelerator.interconnect ? kBusShare * accelerator.interconnect->bytes_per_second() : kPcieBytes;
  if (!accelerator.interconnect)
    hw.link_note = fmt::format("no links of {} are known: the {:.0f} GB/s of PCIe 4.0 are taken", accelerator.full_name,
                               kPcieBytes / 1e9);
  hw.watts = watts_of(accelerator.name);
  return hw;
}

void join(Hardware& hw, const Network& network) {
  hw.domain = network.domain;
  hw.network_bytes_per_second = network.bytes_per_second;
  if (!(network.link_bytes_per_second > 0) || hw.links_measured) return;
  hw.link_bytes_per_second = network.link_bytes_per_second;
  hw.link_note.clear();
}

}  // namespace assay
