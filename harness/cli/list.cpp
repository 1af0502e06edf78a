#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "harness/cli/cli.h"
#include "harness/cli/selection.h"
#include "harness/cli/terminal.h"
#include "harness/core/units.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

std::string work_text(const Work& work) {
  if (work.flops > 0) return fmt::format("{:.3g} GFLOP", work.flops * 1e-9);
  return work.bytes > 0 ? format_bytes(std::size_t(work.bytes)) : std::string("-");
}

Json to_json(const PlannedCase& planned) {
  const bool runs = planned.support.ok();
  return {{"id", planned.point.id()},
          {"workload", planned.point.workload},
          {"kernel", planned.point.kernel},
          {"vendor", planned.vendor},
          {"device", planned.point.device_name()},
          {"dtype", name(planned.point.dtype)},
          {"labels", planned.point.labels},
          {"flops", planned.work.flops},
          {"bytes", planned.work.bytes},
          {"runs", runs},
          {"reason", planned.support.reason}};
}

std::string as_text(const std::vector<PlannedCase>& planned, const Suite& suite) {
  std::string out;
  std::size_t run = 0, widest = 0;
  for (const auto& one : planned) widest = std::max(widest, one.point.id().size());
  for (const auto& one : planned) {
    run += one.support.ok();
    out += fmt::format("{:<{}}  {:>14}  {}\n", one.point.id(), widest, work_text(one.work),
                       one.support.ok() ? std::string("runs") : "skipped: " + one.support.reason);
  }
  for (const auto& note : suite.notes) out += "left out: " + note + "\n";
  return out + fmt::format("suite {}: {} cases, {} run here, {} are skipped\n", suite.name, planned.size(), run,
                           planned.size() - run);
}

void list(const Selection& selection, bool json, const Catalog& workloads) {
  Machine machine(selection.threads);
  const Suite suite = select_cases(selection, workloads, machine);
  const auto communicator = make_communicator();
  const auto planned = plan(suite, workloads, machine, *communicator);
  if (!json) return print(as_text(planned, suite));
  Json out = Json::array();
  for (const auto& one : planned) out.push_back(to_json(one));
  print(out.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace

void add_list(CLI::App& app, const Catalog& workloads, int&) {
  struct Options {
    Selection selection;
    bool json = false;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("list", "the cases a run would measure, or why it would skip them");
  add_selection(*verb, options->selection);
  verb->add_flag("--json", options->json, "as a JSON array");
  verb->callback([options, &workloads] { list(options->selection, options->json, workloads); });
}

}  // namespace assay
