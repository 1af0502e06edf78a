#include "harness/project/kernel_fit.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "harness/project/golden_section.h"
#include "harness/project/kernel_time.h"

namespace assay {
namespace {

struct Sample {
  GemmCall call;
  double seconds = 0;
};

GemmPass pass_of(const std::string& layout) {
  return layout == "tn" ? GemmPass::forward : layout == "nn" ? GemmPass::dgrad : GemmPass::wgrad;
}

std::vector<Sample> samples_of(const Hardware& hw) {
  std::vector<Sample> out;
  for (const auto& [key, time] : hw.gemms) {
    const auto& [precision, layout, m, n, k] = key;
    out.push_back({{{double(m), double(n), double(k)}, precision, pass_of(layout), 1}, time.seconds});
  }
  return out;
}

double flops_of(const Sample& s) { return 2 * s.call.shape.m * s.call.shape.n * s.call.shape.k; }

/// The rate of each precision and the bandwidth that GEMMs reach, in turns, each by the least mean absolute logarithm:
/// one odd shape moves them little.
void fit_rates(const std::vector<Sample>& samples, const Sample* left_out, Hardware& hw) {
  constexpr int kRounds = 3;
  const auto cost = [&](std::optional<Precision> of) {
    double sum = 0;
    for (const auto& sample : samples)
      if (&sample != left_out && (!of || sample.call.precision == *of))
        sum += std::abs(std::log(modelled_gemm_seconds(sample.call, hw) / sample.seconds));
    return sum;
  };
  for (int round = 0; round < kRounds; ++round) {
    for (const Precision precision : {Precision::bf16, Precision::fp8, Precision::fp4}) {
      double fastest = 0;
      for (const auto& sample : samples)
        if (sample.call.precision == precision) fastest = std::max(fastest, flops_of(sample) / sample.seconds);
      if (!(fastest > 0)) continue;
      double& rate = hw.gemm_flops[int(precision)];
      // Fill, waves and small tiles make the model's full rate more than any shape reaches.
      rate = golden_section(0.2 * fastest, 2 * fastest, [&](double value) { return rate = value, cost(precision); });
    }
    double& bytes = hw.gemm_bytes_per_second;
    constexpr double kLeastBytes = 1e9, kMostBytes = 2e13;
    const auto of_logarithm = [&](double value) { return bytes = std::exp(value), cost(std::nullopt); };
    bytes = std::exp(golden_section(std::log(kLeastBytes), std::log(kMostBytes), of_logarithm));
  }
}

}  // namespace

void fit_kernel_model(Hardware& hw) {
  const auto samples = samples_of(hw);
  double error = 0, spread = 0, fastest = 0;
  for (const auto& sample : samples) {
    fastest = std::max(fastest, flops_of(sample) / sample.seconds);
    if (samples.size() == 1) break;
    Hardware without = hw;
    without.gemms.clear(), without.attention.clear();
    fit_rates(samples, &sample, without);
    error += std::abs(modelled_gemm_seconds(sample.call, without) / sample.seconds - 1);
    ++hw.fitted_on;
  }
  fit_rates(samples, nullptr, hw);
  for (const auto& [key, time] : hw.gemms) spread += time.half_interval / time.seconds;
  hw.spread = spread / double(hw.gemms.size());
  hw.kernel_model_error = hw.fitted_on > 0 ? error / double(hw.fitted_on) : 0;
  if (hw.peak_flops > 0) return;
  hw.peak_flops = fastest;
  hw.notes.push_back("no datasheet: MFU is of the fastest GEMM that was measured");
}

}  // namespace assay
