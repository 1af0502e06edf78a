// Any result that can be read can be published in every form, judged and compared: what cannot be said of it is an
// InputError in one line, and nothing else comes out.
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "harness/core/error.h"
#include "harness/project/hardware.h"
#include "harness/publish/bundle/redact.h"
#include "harness/publish/comparison_text.h"
#include "harness/publish/export/bencher.h"
#include "harness/publish/export/nccl_tests.h"
#include "harness/publish/plausibility.h"
#include "harness/publish/report/report.h"
#include "harness/publish/table/accelerator_rows.h"
#include "harness/publish/table/row_extras.h"
#include "harness/publish/table/table.h"
#include "harness/publish/verdict_texts.h"
#include "harness/verdict/compare.h"
#include "harness/verdict/learn.h"
#include "harness/verdict/verdict.h"
#include "tests/fuzz/fuzz_target.h"

namespace assay {
namespace {

constexpr const char* kName = "fuzz";
constexpr std::size_t kPageBytes = 100'000;

bool is_json(const std::string& text) { return nlohmann::json::accept(text); }

void publish_tables(const Result& result) {
  auto rows = table_rows({result});
  require(rows.size() == result.records.size(), "each case is a row");
  add_prices({parse_price("cpu=1,source=a list,date=2026"), parse_price("h200=3,source=a list,date=2026")}, rows);
  to_markdown(rows), to_latex(rows), to_csv(rows), to_console(rows, {80, true});
  require(is_json(to_table_json(rows)), "a table is JSON");
  require(is_json(to_bencher(rows)), "Bencher's form is JSON");
  to_markdown(accelerator_rows(rows));
  require(is_json(to_google_benchmark(result)), "Google Benchmark's form is JSON");
  to_nccl_tests({result});
}

Verdict judged(const Result& result) {
  CheckOptions how;
  how.unsealed = true;
  Verdict out;
  out.judgements = judge(result, kName, expectations_for(result.provenance), how);
  out.sort_worst_first();
  require(is_json(to_json(out)), "a verdict is JSON");
  to_console(out), to_junit(out), to_prometheus(out);
  return out;
}

void report(const Result& result, std::string_view text) {
  Report out;
  out.results.push_back({kName, std::string(text), "", result});
  out.verdict = judged(result);
  out.results_given = 1;
  const nlohmann::ordered_json data = report_data(out);
  require(packed(data).find_first_of("<>&") == std::string::npos, "no text ends the script that it stands in");
  require(is_json(data.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)),
          "a page's data is JSON");
  if (text.size() < kPageBytes) to_report(out, kPageBytes);
}

void compare_with_itself(const Result& result) {
  const Comparison out = compare({{{kName, result}}, {{kName, result}}}, {});
  require(out.count(Change::faster) == 0 && out.count(Change::slower) == 0, "nothing is faster than itself");
  require(is_json(to_comparison_json(out)), "a comparison is JSON");
  to_console(out);
}

void redact(const Result& result) {
  Pseudonyms names;
  names.collect(result);
  names.assign();
  parse_result(to_text(names.redact(result, kName)), kName);
}

void learn_from(const Result& result) {
  LearnOptions how;
  how.unsealed = true;
  const std::string text = to_text(learn({{kName, result}}, how));
  require(to_text(parse_expectations(text, kName)) == text, "expectations written and read again are the same");
}

/// What a verb does with the file; it may refuse it, in one line.
template <class Verb>
void attempt(Verb&& verb) {
  try {
    verb();
  } catch (const Error& error) {
    require_message(error.what(), "");
  }
}

}  // namespace
}  // namespace assay

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace assay;
  const std::string_view text = as_text(data, size);
  attempt([&] { examine(text, kName, "2026-12-01T00:00:00Z"); });
  attempt([&] {
    const Result result = parse_result(text, kName);
    attempt([&] { publish_tables(result); });
    attempt([&] { report(result, text); });
    attempt([&] { compare_with_itself(result); });
    attempt([&] { redact(result); });
    attempt([&] { learn_from(result); });
    attempt([&] { hardware_of({{kName, result}}); });
  });
  return 0;
}
