#include "harness/cli/project_flags.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "harness/cli/help.h"
#include "harness/cli/selection.h"
#include "harness/core/error.h"

namespace assay {
namespace {

using Options = ProjectOptions;

CLI::Option* add_name(CLI::App* verb, const char* flag, std::string& name, const char* description) {
  return verb->add_option(flag, name, description)->type_name("NAME")->check(not_empty("a name"));
}

CLI::Option* add_count(CLI::App* verb, const char* flag, std::int64_t& count, const char* description) {
  constexpr std::int64_t kMost = 1'000'000'000;  // range_problem's; no help to a reader
  return verb->add_option(flag, count, description)->type_name("N")->check(whole_between(1, kMost).description(""));
}

void add_split(CLI::App* verb, Options& o) {
  add_count(verb, "--tp", o.tensor, "tensor parallel; without --tp and --pp the best split is searched for");
  add_count(verb, "--pp", o.pipeline, "pipeline stages");
  add_count(verb, "--vp", o.interleave, "chunks of layers a stage: interleaving")->capture_default_str();
  add_count(verb, "--cp", o.context, "context parallel")->capture_default_str();
  add_count(verb, "--ep", o.expert, "expert parallel")->capture_default_str();
  verb->add_option("--zero", o.zero,
                   "0: nothing; 1: the optimizer split over data parallel; 2: and gradients; 3: and weights (FSDP)")
      ->type_name("STAGE")
      ->check(whole_between(0, 3))
      ->capture_default_str();
  add_name(verb, "--schedule", o.schedule, "of the pipeline: 1f1b, zero_bubble, dual_pipe")->capture_default_str();
  verb->add_flag("--no-sequence-parallel", o.no_sequence_parallel, "norms and residuals whole on every tensor rank");
  add_count(verb, "--global-batch", o.global_batch, "sequences a step")->capture_default_str();
  add_count(verb, "--micro-batch", o.micro_batch, "sequences at once on a GPU")->capture_default_str();
  add_count(verb, "--seq", o.sequence, "tokens of a sequence")->capture_default_str();
  add_name(verb, "--precision", o.precision, "of linear layers: bf16, fp8, fp4")->capture_default_str();
  add_name(verb, "--recompute", o.recompute, "what the backward pass computes again: none, selective, full")
      ->capture_default_str();
  verb->add_option("--recompute-parts", o.parts,
                   "with --recompute selective, beside scores: norms, latent_up, activation, dense, experts")
      ->type_name("PART,PART");
  verb->add_option("--mtp", o.prediction, "layers of multi-token prediction")
      ->type_name("N")
      ->check(whole_between(0, 64))
      ->capture_default_str();
  verb->add_option("--expert-imbalance", o.imbalance, "tokens of the busiest rank's experts over the mean rank's")
      ->type_name("RATIO")
      ->check(between(1, 1000))
      ->capture_default_str();
  add_name(verb, "--stack", o.stack, "what the software does (configs/references/training_runs.json)")
      ->capture_default_str();
}

void add_money(CLI::App* verb, Options& o) {
  // No run has more; nearer to the ends of a double, products of these would be infinite.
  constexpr double kMostTokens = 1e18, kMostDollars = 1e6, kMostFailures = 1e6, kMostSeconds = 1e6;
  constexpr double kLeastDollars = 1e-4, kLeastFailures = 1e-6, kLeastSeconds = 1e-3;
  verb->add_option("--tokens", o.tokens, "of the whole run, as in 15.6e12: days, energy, money")
      ->type_name("N")
      ->check(between(1, kMostTokens));
  verb->add_option("--price", o.price, "dollars a GPU-hour; default: the cluster's")
      ->type_name("DOLLARS")
      ->check(between(kLeastDollars, kMostDollars));
  verb->add_option("--failures", o.failures, "in 1000 node-days; default: the cluster's")
      ->type_name("N")
      ->check(between(kLeastFailures, kMostFailures));
  verb->add_option("--checkpoint-seconds", o.recovery.checkpoint_seconds, "that training stands still for a checkpoint")
      ->type_name("SECONDS")
      ->check(between(kLeastSeconds, kMostSeconds))
      ->capture_default_str();
  verb->add_option("--restart-seconds", o.recovery.restart_seconds, "from a failure to the next step")
      ->type_name("SECONDS")
      ->check(between(kLeastSeconds, kMostSeconds))
      ->capture_default_str();
}

}  // namespace

void expect_no_plan(const CLI::App& verb) {
  const std::set<std::string> fitting = {"--validate", "--runs", "--json", "--quiet"};
  for (const auto* option : verb.get_options())
    if (option->count() > 0 && !fitting.count(option->get_name()))
      throw InputError(fmt::format("--validate: projects published runs, and goes with --runs and --json alone, not {}",
                                   option->get_name()));
}

void add_project_flags(CLI::App& app, ProjectOptions& o) {
  CLI::App* const verb = &app;
  verb->add_option("result", o.results, "results of one device: GEMM, attention, all-reduce, peak")->check(not_empty());
  constexpr std::int64_t kMostGpus = 1 << 20;  // range_problem's
  add_name(verb, "--model", o.model, "what is trained: of configs/models, or the path of a file like those");
  verb->add_option("--gpus", o.gpus, "of the whole run")->type_name("N")->check(whole_between(1, kMostGpus));
  add_name(
      verb, "--accelerator", o.accelerator,
      "its datasheet's and published rates, instead of a result's; or the path of a file like configs/accelerators");
  add_name(verb, "--cluster", o.cluster,
           "network, failures and price: of configs/clusters, or the path of a file like those; default: the first of "
           "the accelerator");
  add_split(verb, o);
  add_money(verb, o);
  verb->add_flag("--search", o.search, "the fastest parallelism that fits in memory; what else is said of it stays");
  verb->add_flag("--sensitivity", o.sensitivity, "what faster GEMMs, memory, links or NICs would gain");
  auto* validate = verb->add_flag("--validate", o.validate, "its own error on published training runs");
  verb->add_option("--runs", o.validate_file, "with --validate: runs of this file instead (schema training_runs)")
      ->type_name("FILE")
      ->needs(validate)
      ->check(not_empty());
  verb->add_flag("--json", o.json, "for programs");
  verb->footer(
      "Examples:\n  assay project --cluster dgx-h100 --model llama3-70b --gpus 1024 --tokens 15e12\n"
      "  assay project node.json --model llama3-8b --gpus 64 --tp 2 --sensitivity\n" +
      shipped_names("Models", "models") + "\n" + shipped_names("Clusters", "clusters") + "\n" +
      shipped_names("Accelerators", "accelerators"));
}

}  // namespace assay
