// The command line: one file per verb.  A verb throws Error; run_command_line turns it into one line and an exit code.
#pragma once
#include <string>
#include <vector>

#include "harness/workloads/workload.h"

namespace CLI {
class App;
}

namespace assay {

/// Parses and dispatches.  `arguments` are those after the program's name.  `workloads` is the catalog the verbs see
/// (tests pass one with planted kernels).
int run_command_line(const std::vector<std::string>& arguments, const Catalog& workloads);

// Each registers its subcommand, whose callback runs it.
void add_devices(CLI::App&, const Catalog&, int& exit_code);
void add_list(CLI::App&, const Catalog&, int& exit_code);
void add_run(CLI::App&, const Catalog&, int& exit_code, const std::vector<std::string>& arguments);
void add_compare(CLI::App&, const Catalog&, int& exit_code);
void add_export(CLI::App&, const Catalog&, int& exit_code);
void add_validate(CLI::App&, const Catalog&, int& exit_code);
void add_fleet(CLI::App&, const Catalog&, int& exit_code);
void add_bundle(CLI::App&, const Catalog&, int& exit_code);
void add_project(CLI::App&, const Catalog&, int& exit_code);
void add_report(CLI::App&, const Catalog&, int& exit_code);
void add_table(CLI::App&, const Catalog&, int& exit_code);
void add_check(CLI::App&, const Catalog&, int& exit_code);

}  // namespace assay
