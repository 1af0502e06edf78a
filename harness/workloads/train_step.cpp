#include "harness/workloads/train_step.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "harness/core/error.h"
#include "harness/train/equality.h"
#include "harness/train/verify.h"
#include "harness/workloads/kernel_rows.h"
#include "harness/workloads/train_step_details.h"

namespace assay {
namespace {

constexpr std::int64_t kMostRanks = 4096;
// The corpus is lower-case English in bytes: 'z' is 122.
constexpr std::int64_t kLeastVocabulary = 128;

TrainSetup setup_of(const Case& point) {
  TrainSetup out;
  TrainModel& m = out.model;
  m.layers = point.number("layers"), m.hidden = point.number("hidden"), m.heads = point.number("heads");
  m.kv_heads = point.number("kv_heads"), m.head_dim = point.number("head_dim");
  m.feed_forward = point.number("feed_forward"), m.vocabulary = point.number("vocabulary");
  out.batch = point.number("batch"), out.sequence = point.number("sequence");
  out.dtype = point.dtype;
  out.bucket_bytes = point.number_or("bucket_bytes", 0);
  out.seed = point.seed;
  const std::string word = point.word("checkpointing");
  for (const Checkpointing one : {Checkpointing::none, Checkpointing::selective, Checkpointing::full})
    if (word == name(one)) out.checkpointing = one;
  return out;
}

int ranks_of(const Case& point) { return int(std::max<std::int64_t>(point.number("ranks"), 1)); }

Work work_of(const Case& point, int) {
  const TrainSetup setup = setup_of(point);
  Work work;
  work.flops = training_flops(setup.model.transformer(), double(setup.sequence), FlopConvention::causal) *
               double(setup.tokens()) / ranks_of(point);
  work.convention =
      "flops = of one rank's share of the batch, forward and backward (twice forward), matrix products only, "
      "attention's "
      "visible half (\"causal\"); recomputation is not counted";
  return work;
}

class TrainStepRun final : public Workload {
 public:
  TrainStepRun(const Case& point, WorkloadContext& context, const StepKernels& kernels)
      : point_(point),
        backend_(context.backend),
        communicator_(context.communicator),
        step_(setup_of(point), kernels, context.backend, context.communicator),
        peak_(measured_peak(point.dtype, context.backend, context.communicator)) {}

  Work work() const override { return work_of(point_, communicator_.size()); }
  int sets() const override { return 1; }
  void launch(int) override { step_.run(); }
  bool probe_placement() const override { return backend_.target().threads > 1 || communicator_.size() > 1; }
  std::string description() const override { return step_.description(); }

  Check check(const std::vector<std::int64_t>& launches) override {
    const std::vector<double> timed = step_.losses();
    const std::string timed_state = step_.state_digest();
    Check check;
    if (std::int64_t(timed.size()) != launches.at(0))
      check.fail_outside(fmt::format("{} steps were launched and {} ran", launches[0], timed.size()));
    check_gradients(check);
    check_update(check);
    repeat(check, timed, timed_state);
    learn(check);
    return check;
  }

  std::vector<Detail> details() override {
    std::vector<Detail> out = {{"loss_first", curve_.front(), {}},
                               {"loss_last", last_loss_, {}},  // mean of the last five
                               {"loss_steps", double(curve_.size()), {}},
                               {"loss_least_possible", step_.corpus().entropy_per_byte(), {}},
                               {"loss_required", learnt_loss(step_.corpus(), curve_.front()), {}}};
    out.push_back({"gradients_compared", double(coverage_.elements), {}});
    out.push_back({"gradients", double(coverage_.of_elements), {}});
    out.push_back({"gradient_tokens_compared", double(coverage_.tokens), {}});
    for (Detail& one : train_step_details(step_, peak_, backend_, communicator_)) out.push_back(std::move(one));
    out.insert(out.end(), beside_cpu_.details.begin(), beside_cpu_.details.end());
    return out;
  }

  std::optional<LossCurve> losses() override { return loss_curve(all_losses_, beside_cpu_.losses); }

 private:
  /// On the first batch and the initial parameters.  Rank 0 compares; the others must have its bits.
  void check_gradients(Check& check) {
    step_.reset();
    step_.run_gradients();
    const std::string digest = step_.gradient_digest();
    check.include_digest(digest.data(), digest.size());
    expect_of_all(check, digest, "the gradients after the all-reduce");
    const bool all = reference_cost(step_.setup()) <= kReferenceBudget;
    if (all && communicator_.is_root()) coverage_ = compare_gradients(check, step_);
    communicator_.barrier();
    compare_slope(check, step_, communicator_);
    if (!all) coverage_ = compare_sampled_gradients(check, step_, communicator_);
  }

  void check_update(Check& check) {
    compare_update(check, step_, communicator_);
    communicator_.barrier();
    expect_of_all(check, step_.state_digest(), "the parameters and moments after two steps");
  }

  void expect_of_all(Check& check, const std::string& digest, const char* what) {
    if (digest != communicator_.broadcast(digest))
      check.fail_outside(fmt::format("{} are other bytes than rank 0's", what));
  }

  /// The same steps again must leave the same bits.
  void repeat(Check& check, const std::vector<double>& timed, const std::string& timed_state) {
    step_.reset();
    for (std::size_t i = 0; i < timed.size(); ++i) {
      step_.run();
      check.compare(step_.losses().back(), timed[i], 0,
                    [&] { return fmt::format("loss of step {}, repeated", i + 1); });
    }
    if (step_.state_digest() != timed_state)
      check.fail_outside(
          fmt::format("{} steps, repeated from the start, left other parameters or moments", timed.size()));
  }

  void learn(Check& check) {
    while (step_.steps() < kLearningSteps) step_.run();
    std::vector<double> mine = step_.losses();
    mine.resize(std::max(mine.size(), std::size_t(kLearningSteps)), NAN);  // a step without a loss has not learnt
    check.include_digest(mine.data(), kLearningSteps * sizeof(double));    // as many however many were sampled
    all_losses_ = mean_over_ranks(communicator_, mine);
    curve_.assign(all_losses_.begin(), all_losses_.begin() + kLearningSteps);
    beside_cpu_ = compare_with_cpu(check, step_.setup(), curve_, backend_.target(), communicator_);
    constexpr std::ptrdiff_t kLast = 5;
    const double last = std::accumulate(curve_.end() - kLast, curve_.end(), 0.0) / double(kLast);
    const double bound = learnt_loss(step_.corpus(), curve_.front());
    last_loss_ = last;
    if (!(last < bound))
      check.fail_outside(fmt::format("the loss went from {:.4f} to {:.4f} in {} steps, expected below {:.4f}",
                                     curve_.front(), last, curve_.size(), bound));
  }

  const Case point_;
  Backend& backend_;
  Communicator& communicator_;
  TrainStep step_;
  UnitsPeak peak_;  // before the step was timed
  GradientCoverage coverage_;
  std::vector<double> all_losses_;  // of each step that was trained, over all ranks
  std::vector<double> curve_;       // of the first kLearningSteps
  double last_loss_ = 0;
  BesideCpu beside_cpu_;  // of a GPU's losses
};

std::string validate(const Case& point) {
  const TrainSetup setup = setup_of(point);
  if (point.cache != Cache::hot) return "a step goes on from the memory that the last one left: cache=hot";
  if (point.data != Fill::normal) return "parameters start normal, and the text is a corpus: data=normal";
  if (setup.model.vocabulary < kLeastVocabulary)
    return fmt::format("vocabulary={}, and the corpus has bytes: at least {}", setup.model.vocabulary,
                       kLeastVocabulary);
  if (setup.batch % ranks_of(point) != 0)
    return fmt::format("batch={} is not a multiple of ranks={}", setup.batch, ranks_of(point));
  return problem_of(setup.model);
}

Support supports(const std::vector<StepKernels>& kernels, const Case& point, const Target& target,
                 const Communicator& communicator) {
  const StepKernels* kernel = find_row(kernels, point.kernel);
  if (!kernel) return Support::no("no kernel " + point.kernel + " in this build");
  if (kernel->device != target.device)
    return Support::no(
        fmt::format("{} runs on a {}, not on a {}", point.kernel, name(kernel->device), name(target.device)));
  const int ranks = ranks_of(point);
  if (ranks != communicator.size())
    return Support::no(
        fmt::format("ranks={0}, and there is {1} process: start it with mpirun -n {0}", ranks, communicator.size()));
  if (const std::int64_t batch = point.number("batch"); batch % ranks != 0)
    return Support::no(fmt::format("batch={} is not a multiple of {} ranks", batch, ranks));
  if (ranks == 1 && point.number_or("bucket_bytes", 0) > 0)
    return Support::no("bucket_bytes: one rank has no gradients to sum");
  return step_support(*kernel, setup_of(point), ranks, target);
}

AxisSpec count(std::string name, std::string meaning) {
  return AxisSpec{std::move(name), std::move(meaning), {}, 1, std::int64_t(1) << 24, std::nullopt};
}

std::vector<AxisSpec> axes() {
  return {
      count("layers", "decoder layers"),
      count("hidden", "width of the residual stream"),
      count("heads", "query heads"),
      count("kv_heads", "key-value heads; divides heads"),
      count("head_dim", "elements of a head; even"),
      count("feed_forward", "width between the MLP's products (gated)"),
      count("vocabulary", "rows of the embedding and of the head"),
      count("batch", "sequences of a step, over all ranks; a multiple of them"),
      count("sequence", "tokens of a sequence"),
      {"ranks", "data-parallel processes; 0: all of the launcher", {}, 0, kMostRanks, AxisValue(std::int64_t(0))},
      {"checkpointing",
       "none; selective: norms and SwiGLU are computed again in backward; full: all of a layer from its input",
       {std::begin(kCheckpointings), std::end(kCheckpointings)},
       0,
       0,
       AxisValue("none")},
      {"bucket_bytes",
       "0: gradients are summed over ranks after backward; else beside it, in buckets of so many bytes (PyTorch: 25Mi)",
       {},
       0,
       std::int64_t(1) << 40,
       AxisValue(std::int64_t(0)),
       true},
  };
}

}  // namespace

WorkloadKind train_step_workload(const std::vector<StepKernels>& kernels) {
  WorkloadKind kind;
  kind.name = "train_step";
  kind.meaning = "a step of training a Llama-style model: forward, backward, all-reduce, clipping, AdamW";
  kind.axes = axes();
  kind.kernels = kernel_specs(kernels);
  kind.validate = validate;
  kind.rank_per_process = true;
  kind.resolve = [](Case& point, int offered) {
    for (CaseAxis& axis : point.axes)
      if (axis.name == "ranks" && axis.value == AxisValue(std::int64_t(0)))
        axis.value = std::int64_t(std::max(offered, 1));
  };
  kind.set_bytes = [](const Case& point) { return step_bytes(setup_of(point), ranks_of(point)).total(); };
  kind.work = work_of;
  kind.supports = [&kernels](const Case& point, const Target& target, const Communicator& communicator) {
    return supports(kernels, point, target, communicator);
  };
  kind.make = [&kernels](const Case& point, WorkloadContext& context) -> std::unique_ptr<Workload> {
    return std::make_unique<TrainStepRun>(point, context, kernel_named(kernels, point.kernel));
  };
  return kind;
}

}  // namespace assay
