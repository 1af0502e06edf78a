#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <set>

#include "harness/cli/cli.h"
#include "harness/cli/help.h"
#include "harness/cli/selection.h"
#include "harness/cli/terminal.h"
#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/project/projection_text.h"
#include "harness/suite/models.h"

namespace assay {
namespace {

struct Options {
  std::vector<std::string> results;
  std::string model, accelerator, cluster, stack = "current", validate_file;
  std::string precision = "bf16", recompute = "selective", parts, schedule = "1f1b";
  std::int64_t gpus = 0, tensor = 0, pipeline = 0, interleave = 1, context = 1, expert = 1;
  std::int64_t global_batch = 2048, micro_batch = 1, sequence = 8192, prediction = 0;
  double imbalance = 1;
  int zero = 1;
  bool no_sequence_parallel = false, json = false, search = false, sensitivity = false, validate = false;
  std::optional<double> tokens, price, failures;
  std::set<std::string> given;  // of the flags that a search would choose
  Recovery recovery;
};

template <class T>
T word(const std::string& flag, const std::string& text, const std::string& expected) {
  T value{};
  if (!parse(text, value)) throw InputError(fmt::format("{} {}: expected {}", flag, text, expected));
  return value;
}

Hardware hardware_for(const Options& o) {
  if (!o.results.empty()) {
    if (!o.accelerator.empty()) throw InputError("--accelerator: a result says what it ran on; give one of the two");
    std::vector<NamedResult> results;
    for (const auto& path : o.results) results.push_back({path, load_result(path)});
    return hardware_of(results);
  }
  if (!o.accelerator.empty()) return hardware_of(load_accelerator(o.accelerator));
  if (o.cluster.empty())
    throw InputError("what shall it run on? Give a result, --accelerator or --cluster, as in --cluster dgx-h100");
  return hardware_of(accelerator_named(load_cluster(o.cluster).accelerator));
}

/// The cluster asked for, or the shipped one of the accelerator.
void choose_cluster(const Options& o, ProjectionInput& in) {
  const Cluster* shipped = o.cluster.empty() ? cluster_of(in.hardware.name) : nullptr;
  in.has_cluster = shipped || !o.cluster.empty();
  if (in.has_cluster) {
    in.cluster = shipped ? *shipped : load_cluster(o.cluster);
    if (in.cluster.accelerator != in.hardware.name)
      in.notes.push_back(
          fmt::format("{} is a cluster of {}, the rates are of {}: its network, failures and price are taken",
                      in.cluster.name, in.cluster.accelerator, in.hardware.name));
  } else {
    in.cluster.network_bytes_per_second = {in.hardware.link_bytes_per_second, "as within a node"};
    in.cluster.nvlink_domain = in.cluster.gpus_per_node = o.gpus;
    in.notes.push_back(
        fmt::format("no cluster of {} is known: all {} devices as if in one node, without failures; --cluster "
                    "names one",
                    in.hardware.name, o.gpus));
  }
  join(in.hardware, in.cluster.network());
  if (!in.hardware.link_note.empty()) in.notes.push_back(in.hardware.link_note);
  if (o.price) in.cluster.dollars_per_gpu_hour = SourcedFigure{*o.price, "the command line"};
  if (o.failures) in.cluster.failures_per_1000_node_days = {*o.failures, "the command line"};
}

TrainingPlan plan_for(const Options& o) {
  TrainingPlan plan;
  const Model model = load_model(o.model);
  plan.model_name = model.name;
  plan.model = model.transformer();
  plan.model.prediction_layers = o.prediction;
  plan.gpus = o.gpus;
  plan.split = {std::max<std::int64_t>(1, o.tensor),
                std::max<std::int64_t>(1, o.pipeline),
                o.interleave,
                o.context,
                o.expert,
                o.zero,
                !o.no_sequence_parallel,
                word<Schedule>("--schedule", o.schedule, "1f1b, zero_bubble or dual_pipe")};
  plan.global_batch = o.global_batch, plan.micro_batch = o.micro_batch, plan.sequence = o.sequence;
  plan.precision = word<Precision>("--precision", o.precision, "bf16, fp8 or fp4");
  plan.recompute = word<Recompute>("--recompute", o.recompute, "none, selective or full");
  plan.parts = word<RecomputedParts>("--recompute-parts", o.parts,
                                     "some of norms, latent_up, activation, dense, experts, with commas between");
  if (!o.parts.empty() && plan.recompute != Recompute::selective)
    throw InputError(
        fmt::format("--recompute-parts {}: goes with --recompute selective, not {}", o.parts, o.recompute));
  plan.expert_imbalance = o.imbalance;
  plan.stack = calibration().stack(stack_named(published_runs(), o.stack));
  return plan;
}

/// Rates of kernels calibrated by what whole steps reach of them; those of a settled clock, or of a CPU, as they are.
void calibrate(ProjectionInput& in) {
  std::string note;
  in.shares = calibration().shares(in.hardware, in.plan.precision, &note);
  const bool accelerator = in.hardware.datasheet_flops[0] > 0;
  if (!accelerator || in.hardware.sustained)
    for (double& share : in.shares.compute) share = 1;
  else
    in.notes.push_back(
        fmt::format("a whole step reaches {:.3f} of what GEMMs reach alone (fitted: assay project --validate)",
                    in.shares.compute[int(in.plan.precision)]));
  if (!note.empty() && accelerator && !in.hardware.sustained) in.notes.push_back(note);
}

ProjectionInput input_for(const Options& o) {
  if (o.model.empty())
    throw InputError("--model: which? " + std::string("--model llama3-70b, for one; --help tells more"));
  if (o.gpus == 0) throw InputError("--gpus: how many? --gpus 1024, for one");
  ProjectionInput in;
  in.plan = plan_for(o);
  if (const std::string problem = range_problem(in.plan); !problem.empty()) throw InputError(problem);
  in.hardware = hardware_for(o);
  in.recovery = o.recovery;
  in.tokens = o.tokens;
  if (!(in.hardware.gemm_flops[int(in.plan.precision)] > 0))
    throw InputError(fmt::format("--precision {}: {} has no such rate; bf16 works", o.precision, in.hardware.name));
  std::set<Precision> used = {Precision::bf16, in.plan.precision};  // the head is bf16 in any case
  for (const Precision precision : used)
    if (const std::string& note = in.hardware.rate_notes[int(precision)]; !note.empty()) in.notes.push_back(note);
  choose_cluster(o, in);
  calibrate(in);
  return in;
}

int validate_verb(const Options& o) {
  std::optional<PublishedRuns> theirs;  // outlives what refers to its rows
  if (!o.validate_file.empty()) {
    theirs = parse_published_runs(read_file(o.validate_file), o.validate_file);
    for (auto& run : theirs->runs) run.calibrates = false;  // only the shipped rows fit anything
  }
  const Validation v = theirs ? validate_runs(*theirs, calibration()) : shipped_validation();
  o.json ? print(validation_json(v)) : print_text(validation_text(v));
  return int(v.passed() ? ExitCode::ok : ExitCode::verdict_failed);
}

/// Of what a search chooses, that which the command line says.
SearchLimits limits_of(const Options& o, const TrainingPlan& plan) {
  const auto given = [&](const char* flag, std::int64_t value) { return o.given.contains(flag) ? value : 0; };
  SearchLimits out{given("--tp", o.tensor),
                   given("--pp", o.pipeline),
                   given("--vp", o.interleave),
                   given("--cp", o.context),
                   given("--ep", o.expert),
                   given("--micro-batch", o.micro_batch),
                   std::nullopt,
                   std::nullopt};
  if (o.given.contains("--zero")) out.zero = o.zero;
  if (o.given.contains("--recompute") || o.given.contains("--recompute-parts")) out.recompute = plan.recompute;
  return out;
}

int project_verb(const Options& o) {
  ProjectionPage page;
  page.input = input_for(o);
  const bool undecided = o.tensor == 0 && o.pipeline == 0;
  constexpr std::size_t kShown = 5;
  if (o.search || undecided) {
    page.search = search(page.input, kShown, limits_of(o, page.input.plan));
    page.input.plan = page.search->best.front();
    if (page.search->fewer)
      page.input.notes.push_back(fmt::format("{} of the {} GPUs would be faster, {:.4g} s a step: {}",
                                             page.search->fewer->gpus, o.gpus, page.search->fewer_seconds,
                                             describe(*page.search->fewer)));
  }
  ProjectionInput& in = page.input;
  expect_possible(in.plan);
  expect_fits(in.plan, in.hardware);
  in.error = projection_error(in.plan, in.hardware, in.shares, &in.error_source);
  for (auto& note : plan_notes(in)) in.notes.push_back(std::move(note));
  page.projection = project(page.input);
  if (o.sensitivity) page.sensitivity = sensitivity(page.input);
  o.json ? print(projection_json(page)) : print_text(projection_text(page));
  return int(ExitCode::ok);
}

CLI::Option* add_name(CLI::App* verb, const char* flag, std::string& name, const char* description) {
  return verb->add_option(flag, name, description)->type_name("NAME")->check(not_empty("a name"));
}

CLI::Option* add_file(CLI::App* verb, const char* flag, std::string& name, const char* description) {
  return add_name(verb, flag, name, description)->type_name("FILE|NAME");
}

CLI::Option* add_count(CLI::App* verb, const char* flag, std::int64_t& count, const char* description) {
  constexpr std::int64_t kMost = 1'000'000'000;  // range_problem's; no help to a reader
  return verb->add_option(flag, count, description)->type_name("N")->check(whole_between(1, kMost).description(""));
}

/// --validate projects the published runs: a plan beside it would be left out without a word.
void expect_no_plan(const CLI::App& verb) {
  const std::set<std::string> fitting = {"--validate", "--runs", "--json", "--quiet"};
  for (const auto* option : verb.get_options())
    if (option->count() > 0 && !fitting.count(option->get_name()))
      throw InputError(fmt::format("--validate: projects published runs, and goes with --runs and --json alone, not {}",
                                   option->get_name()));
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

void add_project(CLI::App& app, const Catalog&, int& exit_code) {
  const auto options = std::make_shared<Options>();
  Options& o = *options;
  CLI::App* verb = app.add_subcommand(
      "project", "measured node, or datasheet -> a training run: time, memory, money, each with its error");
  verb->add_option("result", o.results, "results of one device: GEMM, attention, all-reduce, peak")->check(not_empty());
  constexpr std::int64_t kMostGpus = 1 << 20;  // range_problem's
  add_file(verb, "--model", o.model, "of the model that is trained, or a file like those of configs/models");
  verb->add_option("--gpus", o.gpus, "of the whole run")->type_name("N")->check(whole_between(1, kMostGpus));
  add_file(verb, "--accelerator", o.accelerator,
           "rates of its datasheet and as published, instead of a result's; or a file like those of "
           "configs/accelerators");
  add_file(verb, "--cluster", o.cluster,
           "network, failures and price, or a file like those of configs/clusters; default: the first of the "
           "accelerator");
  add_split(verb, o);
  add_money(verb, o);
  verb->add_flag("--search", o.search,
                 "the fastest parallelism that fits in memory, and the next best; taken where neither --tp nor --pp is "
                 "given; what else is said of the split stays");
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
  verb->callback([options, verb, &exit_code] {
    if (options->validate) expect_no_plan(*verb);
    for (const char* flag :
         {"--tp", "--pp", "--vp", "--cp", "--ep", "--micro-batch", "--zero", "--recompute", "--recompute-parts"})
      if (verb->count(flag) > 0) options->given.insert(flag);
    exit_code = options->validate ? validate_verb(*options) : project_verb(*options);
  });
}

}  // namespace assay
