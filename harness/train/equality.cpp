#include "harness/train/equality.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "harness/train/step.h"
#include "harness/train/verify.h"

namespace assay {
namespace {

constexpr const char* kDetail = "loss_difference_from_cpu";

std::vector<double> losses_of_cpu(const TrainSetup& setup, std::int64_t steps) {
  const auto backend = make_cpu_backend(0);  // pins this thread; its end lets go
  const auto alone = make_single_communicator();
  TrainStep step(setup, *find_step_kernels("step_cpu"), *backend, *alone);
  while (step.steps() < steps) step.run();
  return step.losses();
}

}  // namespace

double allowed_loss_difference(const TrainSetup& setup, double first, double loss) {
  const double start = ParameterLayout(setup.model).head.deviation * std::sqrt(double(setup.model.hidden));
  return 2 * allowed_gradient_error(setup) * (start + 2 * std::abs(first - loss)) / std::sqrt(double(setup.tokens()));
}

BesideCpu compare_with_cpu(Check& check, const TrainSetup& setup, const std::vector<double>& losses,
                           const Target& target, Communicator& communicator) {
  if (target.device == Device::cpu) return {};
  const std::int64_t steps = std::min(kStepsBesideCpu, std::int64_t(losses.size()));
  if (double(steps) * reference_cost(setup) > kCpuStepsBudget)
    return {{{kDetail, {}, "the model is too large to be trained on this CPU beside"}}, {}};
  double largest = 0;
  std::vector<double> expected;
  if (communicator.is_root()) {
    expected = losses_of_cpu(setup, steps);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      check.compare(losses[i], expected[i], allowed_loss_difference(setup, expected[0], expected[i]),
                    [&] { return fmt::format("loss of step {}, on a CPU", i + 1); });
      const double difference = std::abs(losses[i] - expected[i]);
      if (std::isnan(difference) || difference > largest) largest = difference;  // a NaN stays
    }
  }
  communicator.barrier();
  return {{{kDetail, largest, {}}}, std::move(expected)};
}

}  // namespace assay
