#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>

#include "harness/cli/cli.h"
#include "harness/cli/help.h"
#include "harness/cli/selection.h"
#include "harness/cli/terminal.h"
#include "harness/core/error.h"
#include "harness/core/units.h"
#include "harness/suite/accelerators.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

std::string work_text(const Work& work) {
  if (work.flops > 0) return fmt::format("{:.3g} GFLOP", work.flops * 1e-9);
  return work.bytes > 0 ? format_bytes(work.bytes) : std::string("-");
}

/// A planned case and, where it was asked for, what its kernel says of it.
struct Listed {
  PlannedCase planned;
  std::string explanation;
};

Json to_json(const Listed& listed, bool explain) {
  const PlannedCase& planned = listed.planned;
  Json out = {
      {"id", planned.point.id()},       {"workload", planned.point.workload},    {"kernel", planned.point.kernel},
      {"vendor", planned.vendor},       {"device", planned.point.device_name()}, {"dtype", name(planned.point.dtype)},
      {"labels", planned.point.labels}, {"flops", planned.work.flops},           {"bytes", planned.work.bytes},
      {"runs", planned.support.ok()},   {"reason", planned.support.reason}};
  if (explain) out["explanation"] = listed.explanation;
  return out;
}

std::string as_text(const std::vector<Listed>& all, const Suite& suite, const std::string& place) {
  std::string out;
  std::size_t run = 0, widest = 0;
  for (const auto& one : all) widest = std::max(widest, one.planned.point.id().size());
  for (const auto& [planned, explanation] : all) {
    run += planned.support.ok();
    out += fmt::format("{:<{}}  {:>14}  {}\n", planned.point.id(), widest, work_text(planned.work),
                       planned.support.ok() ? std::string("runs") : "skipped: " + planned.support.reason);
    if (!explanation.empty()) out += "    " + explanation + "\n";
  }
  for (const auto& note : suite.notes) out += "left out: " + note + "\n";
  return out + fmt::format("suite {}: {} cases, {} run {}, {} are skipped\n", suite.name, all.size(), run, place,
                           all.size() - run);
}

struct Options {
  Selection selection;
  std::string as;
  bool json = false, explain = false;
};

/// An accelerator that is not here can be asked about only where its kernels are built.
const Accelerator& described(const std::string& name, const Catalog& workloads) {
  const Accelerator& accelerator = accelerator_named(name);
  target_of(accelerator);  // throws for one that is in tables only
  for (const auto& kind : workloads)
    for (const auto& kernel : kind.kernels)
      if (kernel.device == Device::gpu) return accelerator;
  throw MeasureError(fmt::format("--as {}: this build has no kernel for GPUs: build with the CUDA toolkit", name));
}

std::vector<Listed> listed(const Options& options, const Suite& suite, const Catalog& workloads,
                           const Accelerator* accelerator, Machine& machine) {
  const std::atomic<bool> never{false};
  const auto communicator = make_communicator(kDefaultDeadline, never);
  const auto planned = accelerator ? plan_as(*accelerator, suite, workloads, machine, *communicator)
                                   : plan(suite, workloads, machine, *communicator);
  std::vector<Listed> out;
  for (const auto& one : planned) {
    out.push_back({one, {}});
    const WorkloadKind& kind = *find_workload(workloads, one.point.workload);
    if (!options.explain || !one.support.ok() || !kind.explain) continue;
    const bool there = accelerator && one.point.device == Device::gpu;
    out.back().explanation = kind.explain(one.point, there ? target_of(*accelerator) : machine.target_for(one.point));
  }
  return out;
}

void list(const Options& options, const Catalog& workloads) {
  const Accelerator* accelerator = options.as.empty() ? nullptr : &described(options.as, workloads);
  Machine machine(options.selection.threads);
  const Suite suite = select_cases(options.selection, workloads, DevicesPresent{accelerator ? 1 : machine.gpus()});
  const auto all = listed(options, suite, workloads, accelerator, machine);
  if (!options.json) return print_text(as_text(all, suite, accelerator ? "on " + accelerator->full_name : "here"));
  Json out = Json::array();
  for (const auto& one : all) out.push_back(to_json(one, options.explain));
  print(out.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace

void add_list(CLI::App& app, const Catalog& workloads, int&) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("list", "the cases a run would measure, or why it would skip them");
  add_selection(*verb, options->selection);
  verb->add_flag("--json", options->json, "as a JSON array");
  verb->add_flag("--explain", options->explain, "with what each kernel would choose, and why");
  verb->add_option("--as", options->as, "as on h100, h200, b200, ..., whatever is here")->type_name("ACCELERATOR");
  verb->footer("Example:\n  assay list gemm --explain --as h200\n" + shipped_names("Suites", "suites"));
  verb->callback([options, &workloads] { list(*options, workloads); });
}

}  // namespace assay
