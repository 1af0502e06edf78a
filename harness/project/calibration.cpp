#include "harness/project/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "harness/project/golden_section.h"

namespace assay {
namespace {

using Rows = std::vector<const PublishedRun*>;

constexpr double kUsualCompute = 0.9;     // where no row of any generation tells
constexpr double kUsualContention = 0.3;  // between Calculon's 0.15 on NVLink and what large runs show
constexpr int kRounds = 3;                // of fitting all factors in turns; the third changes none by 0.1 %

void fit_one(Factor& factor, double low, double high, const Rows& rows,
             const std::function<double(const PublishedRun&)>& project) {
  factor.fitted_on.clear();
  for (const PublishedRun* row : rows) factor.fitted_on.push_back(row->id);
  factor.value = golden_section(low, high, [&](double value) {
    factor.value = value;
    double cost = 0;
    for (const PublishedRun* row : rows) {
      const double off = std::log(project(*row) / row->step_seconds);
      cost += off * off;
    }
    return cost;
  });
}

Rows select(const Rows& rows, const std::function<bool(const PublishedRun&)>& wanted) {
  Rows out;
  for (const PublishedRun* row : rows)
    if (wanted(*row)) out.push_back(row);
  return out;
}

}  // namespace

Calibration Calibration::fit(const PublishedRuns& runs, const std::string& left_out) {
  Calibration out;
  out.contention_ = {"slowing by hidden communication", kUsualContention, {}};
  Rows rows;
  for (const auto& run : runs.runs)
    if (run.calibrates && run.id != left_out) rows.push_back(&run);
  for (const auto& each : runs.stacks) {
    if (each.fits == StackFactor::none) continue;
    const char* what =
        each.fits == StackFactor::compute ? "share of the compute rate" : "share of the bus its gathers reach";
    out.stacks_[each.stack.name] = {fmt::format("stack {}: {}", each.stack.name, what), 1, {}};
    out.stack_kinds_[each.stack.name] = each.fits;
  }
  out.fit_all(runs, rows);
  return out;
}

void Calibration::fit_all(const PublishedRuns& runs, const Rows& rows) {
  const auto project = [&](const PublishedRun& run) { return step_seconds(run, runs); };
  const auto fitted_stack = [&](const PublishedRun& run) { return stacks_.contains(run.setup.stack.name); };
  for (int round = 0; round < kRounds; ++round) {
    for (const Precision precision : {Precision::bf16, Precision::fp8, Precision::fp4}) {
      std::vector<int> generations;
      for (const PublishedRun* row : rows)
        if (std::find(generations.begin(), generations.end(), row->hardware.generation) == generations.end())
          generations.push_back(row->hardware.generation);
      for (const int generation : generations) {
        const Rows mine = select(rows, [&](const PublishedRun& run) {
          return run.hardware.generation == generation && run.setup.precision == precision && !fitted_stack(run);
        });
        if (mine.empty()) continue;
        Factor& factor = compute_[{generation, precision}];
        factor.name = fmt::format("generation {} {}: share of the GEMM rate", generation, name_of(precision));
        fit_one(factor, 0.3, 1.3, mine, project);
      }
    }
    // Where nothing else changes with the size: many data-parallel replicas of the same pipeline.
    const Rows wide = select(rows, [&](const PublishedRun& run) {
      return run.setup.split.pipeline > 1 && run.setup.data_parallel() > 1 && !fitted_stack(run);
    });
    if (wide.size() > 1) fit_one(contention_, 0.01, 0.8, wide, project);
    for (auto& [name, factor] : stacks_) {
      const Rows mine = select(rows, [&](const PublishedRun& run) { return run.setup.stack.name == name; });
      if (!mine.empty()) fit_one(factor, 0.02, 1.3, mine, project);
    }
  }
}

const Factor* Calibration::nearest(int generation, Precision precision) const {
  const Factor* best = nullptr;
  double least = std::numeric_limits<double>::infinity();
  for (const auto& [key, factor] : compute_) {
    // Of another maker's, of which no run is published: the least that any reaches, as nothing says that it reaches
    // more.
    const double generations = generation == 0 ? factor.value : std::abs(key.generation - generation);
    const double far = 100 * std::abs(int(key.precision) - int(precision)) + generations;
    if (far < least) least = far, best = &factor;
  }
  return best;
}

Shares Calibration::shares(const Hardware& hw, Precision precision, std::string* note) const {
  Shares out;
  out.contention = contention_.value;
  for (const Precision each : {Precision::bf16, Precision::fp8, Precision::fp4}) {
    const auto own = compute_.find({hw.generation, each});
    const Factor* factor = own != compute_.end() ? &own->second : nearest(hw.generation, each);
    out.compute[int(each)] = factor ? factor->value : kUsualCompute;
    if (note && each == precision && own == compute_.end() && factor)
      *note = fmt::format("no published run calibrates {} in {}: taken from {}", hw.name, name_of(each), factor->name);
  }
  return out;
}

Stack Calibration::stack(const PublishedStack& published) const {
  Stack out = published.stack;
  const auto factor = stacks_.find(published.factor_of);
  if (factor == stacks_.end()) return out;
  (stack_kinds_.at(published.factor_of) == StackFactor::compute ? out.compute_share : out.gather_share) =
      factor->second.value;
  return out;
}

std::vector<Factor> Calibration::factors() const {
  std::vector<Factor> out;
  for (const auto& [key, factor] : compute_) out.push_back(factor);
  if (!contention_.fitted_on.empty()) out.push_back(contention_);
  for (const auto& [name, factor] : stacks_)
    if (!factor.fitted_on.empty()) out.push_back(factor);
  return out;
}

double Calibration::step_seconds(const PublishedRun& run, const PublishedRuns& runs) const {
  TrainingPlan setup = run.setup;
  setup.stack = stack(stack_named(runs, run.setup.stack.name));
  return step_time(setup, run.hardware, shares(run.hardware, setup.precision)).total();
}

const Calibration& calibration() {
  static const Calibration fitted = Calibration::fit(published_runs());
  return fitted;
}

}  // namespace assay
