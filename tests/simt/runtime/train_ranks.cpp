// A few training steps of step_sm80 on functional GPUs, one for each rank of the launcher that started this.
// usage: train_ranks BUCKET_BYTES     (0: gradients are summed after backward)
// Rank 0 prints as JSON: the mean losses, each rank's digest of its parameters and moments, and the same of a
// repetition.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <nlohmann/json.hpp>

#include "harness/runner/runner.h"
#include "harness/train/step.h"
#include "harness/train/verify.h"

namespace assay {
namespace {

constexpr int kSteps = 2;
constexpr double kDeadline = 100;  // seconds

/// Of four sequences, so that four ranks have one each.
TrainSetup small(std::int64_t bucket_bytes) {
  TrainSetup setup;
  TrainModel& m = setup.model;
  m.layers = 1, m.hidden = 64, m.heads = 2, m.kv_heads = 1, m.head_dim = 64, m.feed_forward = 64, m.vocabulary = 128;
  setup.batch = 4, setup.sequence = 16, setup.dtype = DType::bf16, setup.bucket_bytes = bucket_bytes;
  return setup;
}

Case case_of_ranks(int ranks) {
  Case point;
  point.device = Device::gpu, point.axes = {{"ranks", std::int64_t(ranks)}};
  return point;
}

std::vector<std::string> train(TrainStep& step, Communicator& ranks) {
  step.reset();
  for (int i = 0; i < kSteps; ++i) step.run();
  ranks.barrier();  // with steps in flight: nobody waits for them before this
  step.losses();
  return ranks.gather(step.state_digest());
}

int train_and_print(std::int64_t bucket_bytes) {
  static std::atomic<bool> interrupted{false};
  Machine machine(1);
  const auto ranks = make_communicator(kDeadline, interrupted);
  return run_together(*ranks, [&] {
    machine.share_gpus(*ranks);
    Backend& backend = machine.backend_for(case_of_ranks(ranks->size()));
    TrainStep step(small(bucket_bytes), *find_step_kernels("step_sm80"), backend, *ranks);
    const auto states = train(step, *ranks);
    const auto losses = mean_over_ranks(*ranks, step.losses());
    const auto again = ranks->size() > 1 ? train(step, *ranks) : states;
    step.reset();
    step.run_gradients();
    Check check;  // against the whole batch's gradients in fp64
    if (ranks->is_root()) compare_gradients(check, step);
    int buckets = 0;
    for (const StepOp* op : step.ops()) buckets += op->alone ? 1 : 0;
    const nlohmann::json out = {{"ranks", ranks->size()},
                                {"losses", losses},
                                {"states", states},
                                {"again", again},
                                {"buckets", buckets},
                                {"gradients", check.describe()},
                                {"gradients_right", check.ok()}};
    if (ranks->is_root()) std::printf("%s\n", out.dump().c_str());
    return 0;
  });
}

}  // namespace
}  // namespace assay

int main(int count, char** words) {
  try {
    return assay::train_and_print(count == 2 ? std::atoll(words[1]) : 0);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "train_ranks: %s\n", error.what());
    return 1;
  }
}
