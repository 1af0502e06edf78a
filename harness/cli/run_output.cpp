#include "harness/cli/run_output.h"

#include <fmt/format.h>

#include "harness/cli/terminal.h"
#include "harness/core/file.h"
#include "harness/publish/endurance.h"
#include "harness/publish/export/nccl_tests.h"
#include "harness/publish/fastest.h"
#include "harness/publish/overlap.h"
#include "harness/publish/stragglers.h"
#include "harness/publish/table/table.h"
#include "harness/publish/train_step.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

std::string after_a_line(const std::string& text) { return text.empty() ? text : fmt::format("\n{}", text); }

/// Why it is not complete.
std::string ended_early(const Result& result) {
  const auto run = result.provenance.value("run", nlohmann::ordered_json::object());
  return run.is_object() ? run.value("ended_early", std::string("interrupted")) : "interrupted";
}

/// What has no cases that a --resume could do later.
bool is_one_stretch(const Suite& suite) { return suite.soak || suite.selftest || suite.together; }

}  // namespace

void publish(const Result& result, const Suite& suite, const fs::path& out, const fs::path& run_out,
             const std::string& format) {
  const auto rows = table_rows({result});
  const std::string overlap = to_overlap_table(rows), steps = to_train_step_text(result);
  const std::string fastest =
      suite.search ? to_fastest(rows, suite.search->workload, published_matmul_rates()) : std::string();
  const std::string stragglers = result.stragglers ? to_text(*result.stragglers) : std::string();
  const std::string more = after_a_line(fastest) + to_soak_summary(result) + to_selftest_summary(result) +
                           to_together_summary(result) + after_a_line(overlap) + after_a_line(steps) +
                           after_a_line(stragglers);
  fs::path markdown = out, google = out;
  markdown += ".md";
  google.replace_extension(".gbench.json");
  write_file_atomically(markdown, to_markdown(rows) + more);
  write_file_atomically(google, to_google_benchmark(result));
  if (format == kJson) return print(out == run_out ? to_table_json(rows) : "");  // one array, whatever the rounds
  const bool as_nccl_tests = format == kNcclTests;
  const char* const remark = as_nccl_tests ? "# " : "";  // to a script that reads the table
  print_text(as_nccl_tests ? to_nccl_tests({result}) : to_console(rows, terminal_style()) + more + "\n");
  print_text(fmt::format("{0}result: {1}\n{0}table: {2}\n{0}for Google Benchmark's compare.py: {3}\n", remark,
                         out.string(), markdown.string(), google.string()));
  if (result.complete) return;
  const std::string rest = fmt::format("{} finished; the rest: assay run with the same arguments, --out {} --resume",
                                       result.records.size(), run_out.string());
  print(fmt::format(
      "{}{}: {}\n", remark, ended_early(result),
      is_one_stretch(suite) ? "the result holds what was measured until then, and cannot be continued" : rest));
}

}  // namespace assay
