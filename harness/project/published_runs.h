// configs/references/training_runs.json: training runs that others published.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "harness/project/hardware.h"

namespace assay {

struct PublishedRun {
  std::string id, group, source, assumed;
  TrainingPlan setup;
  Hardware hardware;
  double step_seconds = 0;  // as published, or from tokens/s or TFLOP/s in the source's convention
  bool calibrates = false;
};

/// What of a stack is fitted on its calibrating rows.
enum class StackFactor { none, compute, gathers };

struct PublishedStack {
  Stack stack;
  StackFactor fits = StackFactor::none;
  std::string factor_of;  // whose fitted factor it takes; its own name, mostly
};

struct PublishedOrder {
  std::string faster, slower;  // ids
};

struct PublishedRuns {
  std::vector<PublishedStack> stacks;
  std::vector<PublishedRun> runs;
  std::vector<PublishedOrder> orders;
};

/// InputError naming `source` and the row.  A file of rows alone may use the shipped file's stacks and models.
PublishedRuns parse_published_runs(std::string_view text, const std::string& source);
/// The shipped ones, parsed once.
const PublishedRuns& published_runs();
/// InputError naming those there are.
const PublishedStack& stack_named(const PublishedRuns&, const std::string& name);

/// The step's tokens a second and GPU.
double tokens_per_second_per_gpu(const TrainingPlan&, double step_seconds);
/// FLOP/s of one GPU by a convention.
double flops_per_gpu(const TrainingPlan&, double step_seconds, FlopConvention);

}  // namespace assay
