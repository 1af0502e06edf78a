#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "harness/cli/cli.h"
#include "harness/cli/selection.h"
#include "harness/cli/terminal.h"
#include "harness/core/error.h"
#include "harness/publish/bundle/bundle.h"
#include "harness/verdict/fleet_reader.h"

namespace assay {
namespace {

struct Options {
  std::vector<std::string> results;
  std::string out, verify;
  bool redact = false, json = false;
};

std::string counted(const BundleSummary& summary) {
  return fmt::format("{} result{}{}", summary.results, summary.results == 1 ? "" : "s",
                     summary.redacted ? ", redacted" : "");
}

void say(const Options& options, const std::string& file, const BundleSummary& summary) {
  const bool verified = !options.verify.empty();
  if (!options.json)
    return print_text(
        fmt::format("{}: {}{}\n", file, counted(summary), verified ? ": every digest and seal holds" : ""));
  const nlohmann::ordered_json out = {
      {"file", file}, {"results", summary.results}, {"redacted", summary.redacted}, {"verified", verified}};
  print(out.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

void bundle(const Options& options) {
  if (!options.verify.empty()) {
    if (!options.results.empty() || !options.out.empty() || options.redact)
      throw InputError("bundle --verify takes one bundle and nothing else");
    return say(options, options.verify, verify_bundle(options.verify));
  }
  if (options.results.empty()) throw InputError("bundle: expected results, or --verify FILE");
  if (options.out.empty()) throw InputError("bundle: expected --out FILE.tar.gz");
  const auto summary = write_bundle(expand_results(options.results), options.out, options.redact);
  say(options, options.out, summary);
}

}  // namespace

void add_bundle(CLI::App& app, const Catalog&, int&) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("bundle", "results and their digests in one file, to be sent and verified");
  verb->add_option("result", options->results, "result files, folders of them, or patterns")->check(not_empty());
  verb->add_option("--out", options->out, "FILE.tar.gz; must not be there yet")->type_name("FILE")->check(not_empty());
  verb->add_flag("--redact", options->redact, "pseudonyms for host names, GPU UUIDs, serial numbers and paths");
  verb->add_option("--verify", options->verify, "check such a file; writes nothing")
      ->type_name("FILE")
      ->check(not_empty());
  verb->add_flag("--json", options->json, "what was written or verified, for programs");
  verb->footer("Examples:\n  assay bundle out/ --out node7.tar.gz --redact\n  assay bundle --verify node7.tar.gz");
  verb->callback([options] { bundle(*options); });
}

}  // namespace assay
