// A workload small enough to check by hand, with kernels that are right, and kernels with one fault each.
#pragma once
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "harness/core/error.h"
#include "harness/measure/sampler.h"
#include "harness/workloads/workload.h"

namespace assay {

/// out[i] = 2 in[i].
inline void planted_double(const std::string& kernel, const float* in, float* out, std::int64_t n) {
  if (kernel == "throws") throw std::runtime_error("the planted launch fails");
  if (kernel == "never_writes") return;
  if (kernel == "slow") ::usleep(2000);
  if (kernel == "hangs") ::pause();
  for (std::int64_t i = 0; i < n; ++i) out[i] = 2 * in[i];
  if (kernel == "wrong") out[n / 2] += 1;
  if (kernel == "nan") out[n - 1] = std::numeric_limits<float>::quiet_NaN();
}

class PlantedWorkload final : public Workload {
 public:
  PlantedWorkload(const Case& point, WorkloadContext& context)
      : kernel_(point.kernel),
        n_(point.number("n")),
        backend_(context.backend),
        rank_(context.communicator.rank()),
        in_(backend_.allocate(std::size_t(n_) * sizeof(float))),
        out_(backend_.allocate(std::size_t(n_) * sizeof(float))) {
    if (kernel_ == "no_memory") throw MeasureError("64 GiB are needed, and 1 GiB is free");
    if (kernel_ == "library_refuses") throw Unsupported("the library has nothing for this");
    for (std::int64_t i = 0; i < n_; ++i) values_.push_back(float(i % 31));
    backend_.copy_in(in_, values_.data(), in_.bytes());
    backend_.fill(out_, 0xff);
  }
  Work work() const override { return work_of(n_); }
  int sets() const override { return 1; }
  void launch(int) override {
    const bool at_fault = kernel_ != "wrong_on_rank_1" || rank_ != 1;
    planted_double(at_fault ? kernel_ : "wrong", static_cast<const float*>(in_.data()),
                   static_cast<float*>(out_.data()), n_);
  }
  Check check(const std::vector<std::int64_t>& launches) override {
    Check check;
    if (kernel_ == "checks_nothing") return check;
    if (kernel_ == "check_throws") throw std::runtime_error("the planted check fails");
    if (launches.at(0) < 1) throw std::logic_error("checked without a launch");
    std::vector<float> got(values_.size());
    backend_.copy_out(got.data(), out_, out_.bytes());
    for (std::size_t i = 0; i < got.size(); ++i)
      check.compare(got[i], 2.0 * values_[i], 1e-6, [&] { return "out[" + std::to_string(i) + "]"; });
    check.digest = "00";
    return check;
  }
  std::string description() const override { return "planted " + kernel_; }
  std::vector<Detail> details() override {
    if (kernel_ == "details_throw") throw std::runtime_error("the planted details fail");
    return {{"algorithm", "planted " + kernel_, {}}};
  }
  static Work work_of(std::int64_t n) { return {double(n), double(n) * 2 * sizeof(float), "n products", 0}; }

 private:
  std::string kernel_;
  std::int64_t n_;
  Backend& backend_;
  int rank_;
  Buffer in_, out_;
  std::vector<float> values_;
};

inline WorkloadKind planted_kind(const std::vector<std::string>& kernels) {
  WorkloadKind kind;
  kind.name = "planted";
  kind.meaning = "out = 2 in";
  kind.axes = {{"n", "elements", {}, 1, std::int64_t(1) << 40, std::nullopt}};
  for (const auto& name : kernels)
    kind.kernels.push_back(
        {name, name == "on_gpu" ? Device::gpu : Device::cpu, name.rfind("lib_", 0) == 0, {DType::f32}});
  kind.validate = [](const Case&) { return std::string(); };
  kind.set_bytes = [](const Case& point) { return std::size_t(point.number("n")) * 2 * sizeof(float); };
  kind.work = [](const Case& point, int) { return PlantedWorkload::work_of(point.number("n")); };
  kind.supports = [](const Case& point, const Target&, const Communicator&) {
    return point.kernel == "unsupported" ? Support::no("needs a machine of the future") : Support::yes();
  };
  kind.make = [](const Case& point, WorkloadContext& context) -> std::unique_ptr<Workload> {
    return std::make_unique<PlantedWorkload>(point, context);
  };
  return kind;
}

inline Case planted_case(const std::string& kernel, std::int64_t n = 64) {
  Case point;
  point.workload = "planted";
  point.kernel = kernel;
  point.device = kernel == "on_gpu" ? Device::gpu : Device::cpu;
  point.cache = Cache::hot;
  point.axes = {{"n", n}};
  return point;
}

/// Some milliseconds a case.
inline SamplingRule quick_rule() {
  SamplingRule rule;
  rule.min_samples = 3;
  rule.max_samples = 8;
  rule.relative_half_width = 0.5;
  rule.wall_seconds = 0.05;
  rule.timeout_seconds = 20;
  rule.warmup_seconds = 0;
  rule.sustained_seconds = 0;
  return rule;
}

}  // namespace assay
