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

std::vector<Sample> samples_of(const Hardware& hw, Precision precision) {
  std::vector<Sample> out;
  for (const auto& [key, time] : hw.gemms) {
    const auto& [of, layout, m, n, k] = key;
    if (of == precision) out.push_back({{{double(m), double(n), double(k)}, of, pass_of(layout), 1}, time.seconds});
  }
  return out;
}

/// Bare kernels on data in memory: neither the stream's bandwidth nor calibration is known yet, so a shape is bound by
/// its products.  The median of what each sample says of the rate: one slow shape moves it little.
double rate_of(const std::vector<Sample>& samples, Hardware hw, const Sample* left_out) {
  std::vector<double> rates;
  for (const auto& sample : samples) {
    if (&sample == left_out) continue;
    hw.gemm_flops[int(sample.call.precision)] = 1;
    const double products = modelled_gemm_seconds(sample.call, hw) - hw.launch_seconds;
    rates.push_back(products / std::max(1e-9, sample.seconds - hw.launch_seconds));
  }
  std::nth_element(rates.begin(), rates.begin() + std::ptrdiff_t(rates.size() / 2), rates.end());
  return rates[rates.size() / 2];
}

double relative_error(const Sample& sample, const Hardware& hw) {
  return std::abs(modelled_gemm_seconds(sample.call, hw) / sample.seconds - 1);
}

}  // namespace

void fit_kernel_model(Hardware& hw) {
  double error = 0, spread = 0, fastest = 0;
  const double stream = hw.memory_bytes_per_second;
  if (!(stream > 0)) hw.memory_bytes_per_second = 1e15;  // a CPU's: measured later
  for (const Precision precision : {Precision::bf16, Precision::fp8, Precision::fp4}) {
    const auto samples = samples_of(hw, precision);
    if (samples.empty()) continue;
    Hardware trial = hw;
    for (const auto& sample : samples) {
      const auto [m, n, k] = sample.call.shape;
      fastest = std::max(fastest, 2 * m * n * k / sample.seconds);
      if (samples.size() == 1) break;
      trial.gemm_flops[int(precision)] = rate_of(samples, hw, &sample);
      error += relative_error(sample, trial);
      ++hw.fitted_on;
    }
    hw.gemm_flops[int(precision)] = rate_of(samples, hw, nullptr);
  }
  for (const auto& [key, time] : hw.gemms) spread += time.half_interval / time.seconds;
  hw.spread = spread / double(hw.gemms.size());
  hw.kernel_model_error = hw.fitted_on > 0 ? error / double(hw.fitted_on) : 0;
  if (!(hw.peak_flops > 0)) {
    hw.peak_flops = fastest;
    hw.notes.push_back("no datasheet: MFU is of the fastest GEMM that was measured");
  }
  hw.memory_bytes_per_second = stream;
}

}  // namespace assay
