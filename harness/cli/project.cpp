#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <set>

#include "harness/cli/cli.h"
#include "harness/cli/project_flags.h"
#include "harness/cli/selection.h"
#include "harness/cli/terminal.h"
#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/project/projection_text.h"
#include "harness/suite/models.h"

namespace assay {
namespace {

using Options = ProjectOptions;

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

}  // namespace

void add_project(CLI::App& app, const Catalog&, int& exit_code) {
  const auto options = std::make_shared<Options>();
  Options& o = *options;
  CLI::App* verb = app.add_subcommand(
      "project", "measured node, or datasheet -> a training run: time, memory, money, each with its error");
  add_project_flags(*verb, o);
  verb->callback([options, verb, &exit_code] {
    if (options->validate) expect_no_plan(*verb);
    for (const char* flag :
         {"--tp", "--pp", "--vp", "--cp", "--ep", "--micro-batch", "--zero", "--recompute", "--recompute-parts"})
      if (verb->count(flag) > 0) options->given.insert(flag);
    exit_code = options->validate ? validate_verb(*options) : project_verb(*options);
  });
}

}  // namespace assay
