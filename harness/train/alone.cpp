#include "harness/train/alone.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace assay {
namespace {

constexpr int kPairs = 3;  // with something beside and without
// A sum over ranks runs beside launches that outlast it, and a few turns of the scheduler, whose slices are some 3 ms.
constexpr double kOutlasts = 3, kLeastCompany = 10e-3;

double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ptrdiff_t(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void launch_alone(const StepOp& op) { op.alone ? op.alone() : op.launch(); }

}  // namespace

LaunchesAlone::LaunchesAlone(const TrainStep& step, const std::vector<TrainStep::TimedOp>& timed, Backend& backend,
                             Communicator& communicator)
    : backend_(backend), communicator_(communicator), ops_(step.ops()) {
  std::map<std::string, std::size_t> place;
  bool beside = false;
  for (const StepOp* op : ops_) {
    const auto [at, fresh] = place.try_emplace(op->what, kernels_.size());
    if (fresh) kernels_.emplace_back();
    kernels_[at->second].launches.push_back(op);
    kernel_of_.push_back(at->second);
    if (op->alone) beside = true;
    if (beside && !op->alone && op->kind == KernelClass::communication) wait_ = op;
  }
  for (const auto& [op, seconds] : timed) kernels_[place.at(op->what)].within += seconds;
  choose_others();
}

/// The kernel that most of the step is spent in, and that most of it between the first sum beside it and the wait is;
/// rank 0's choice.
void LaunchesAlone::choose_others() {
  const auto longest = [&](auto begin, auto end) {
    std::vector<double> within(kernels_.size(), 0.0);
    for (auto i = begin; i != end; ++i)
      if ((*i)->kind != KernelClass::communication) {
        const std::size_t kernel = kernel_of_[std::size_t(i - ops_.begin())];
        within[kernel] = kernels_[kernel].within;
      }
    const auto most = std::max_element(within.begin(), within.end()) - within.begin();
    return std::size_t(communicator_.broadcast(double(most)));
  };
  between_ = longest(ops_.begin(), ops_.end());
  if (!wait_) return;
  const auto beside = std::find_if(ops_.begin(), ops_.end(), [](const StepOp* op) { return bool(op->alone); });
  company_ = longest(beside, std::find(beside, ops_.end(), wait_));
}

/// Of every launch once.
double LaunchesAlone::alone(const Kernel& kernel) {
  const std::vector<const StepOp*>& others = kernels_[between_].launches;
  std::vector<double> samples;
  for (std::size_t i = 0; i < kernel.launches.size(); ++i) {
    others[(i + others.size() / 2) % others.size()]->launch();  // far from the same layer's
    backend_.synchronize();
    if (kernel.launches[i]->kind == KernelClass::communication) communicator_.barrier();
    samples.push_back(backend_.time([&] { launch_alone(*kernel.launches[i]); }));
  }
  return median(std::move(samples));
}

/// What the company's launches take longer with `beside`, which takes `seconds` alone, started before the first.
double LaunchesAlone::lost(const StepOp& beside, double seconds) {
  const Kernel& company = kernels_[company_];
  const double one = company.within / double(company.launches.size());
  const auto launches = std::size_t(std::ceil(std::max(kOutlasts * seconds, kLeastCompany) / one));
  const auto compute = [&] {
    for (std::size_t i = 0; i < launches; ++i) company.launches[i % company.launches.size()]->launch();
  };
  const auto together = [&](const auto& work) {
    communicator_.barrier();
    return backend_.time(work);
  };
  std::vector<double> differences;
  for (int pair = 0; pair < kPairs; ++pair) {
    const double without = together(compute);
    differences.push_back(together([&] {
                            beside.launch();
                            compute();
                            wait_->launch();
                          }) -
                          without);
  }
  return median(std::move(differences));
}

std::vector<ProjectedLaunch> LaunchesAlone::measure() {
  std::vector<ProjectedLaunch> of_kernel;
  for (const Kernel& kernel : kernels_) {
    ProjectedLaunch one;
    one.seconds = alone(kernel);
    const StepOp& op = *kernel.launches.front();
    if (op.alone) one.way = ProjectedLaunch::Way::beside, one.lost = lost(op, one.seconds);
    if (&op == wait_) one.way = ProjectedLaunch::Way::waits;
    of_kernel.push_back(one);
  }
  std::vector<ProjectedLaunch> out;
  for (const std::size_t kernel : kernel_of_) out.push_back(of_kernel[kernel]);
  return out;
}

}  // namespace assay
