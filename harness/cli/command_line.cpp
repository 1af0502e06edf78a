#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cstdio>

#include "assay/build_config.h"
#include "harness/cli/cli.h"
#include "harness/cli/help.h"
#include "harness/cli/terminal.h"
#include "harness/core/error.h"

namespace assay {
namespace {

/// One line on stderr, whatever the message holds: a file's name may hold what a terminal would obey.
int complain(const std::string& message, ExitCode code) {
  std::string line = harmless(message);
  std::replace(line.begin(), line.end(), '\n', ' ');
  line = "assay: " + line + "\n";
  // Not fmt::print, which throws where stderr is full or closed: the exit code still speaks.
  if (is_printing_process()) std::fputs(line.c_str(), stderr);
  return int(code);
}

std::vector<std::string> verbs_of(const CLI::App& app) {
  std::vector<std::string> out;
  for (const auto* verb : app.get_subcommands({})) out.push_back(verb->get_name());
  return out;
}

std::string with_suggestion(const std::string& message, const std::string& suggestion, const std::string& otherwise) {
  return message + (suggestion.empty() ? "; " + otherwise : fmt::format("; did you mean '{}'?", suggestion));
}

/// What to say of a first word that is no verb; empty where it is one, or a flag.
std::string verb_problem(const CLI::App& app, const std::vector<std::string>& arguments) {
  const auto verbs = verbs_of(app);
  const std::string choices = fmt::format("the verbs are {}; try assay --help", fmt::join(verbs, ", "));
  if (arguments.empty()) return "what to do? " + choices;
  const std::string& word = arguments.front();
  if (word.empty() || word[0] == '-' || std::find(verbs.begin(), verbs.end(), word) != verbs.end()) return {};
  return with_suggestion(fmt::format("there is no verb '{}'", word), nearest(word, verbs), choices);
}

/// -5, -1e6, -inf, -nan: a flag's value.
bool is_negative_number(const std::string& word) {
  if (word.size() < 2 || word[0] != '-') return false;
  return std::isdigit(static_cast<unsigned char>(word[1])) || word[1] == '.' || word == "-inf" || word == "-nan";
}

/// A flag that the verb does not have, with the one it has; else the parser's own words.
std::string parse_problem(const CLI::App& app, const CLI::ParseError& error,
                          const std::vector<std::string>& arguments) {
  const auto used = app.get_subcommands();
  const CLI::App& verb = used.empty() ? app : *used.front();
  std::vector<std::string> flags;
  for (const auto* option : verb.get_options())
    for (const auto& name : option->get_lnames()) flags.push_back("--" + name);
  for (const auto& word : arguments) {
    const std::string flag = word.substr(0, word.find('='));
    if (flag == "--") break;  // what follows is no flag
    if (flag.size() < 2 || flag[0] != '-' || flag == "-h" || is_negative_number(flag) ||
        std::find(flags.begin(), flags.end(), flag) != flags.end())
      continue;
    return with_suggestion(fmt::format("there is no flag '{}'", flag), nearest(flag, flags),
                           fmt::format("its flags are {}", fmt::join(flags, ", ")));
  }
  const std::string help = used.empty() ? "assay --help" : fmt::format("assay {} --help", verb.get_name());
  return fmt::format("{}; try {}", error.what(), help);
}

int dispatch(const std::vector<std::string>& arguments, const Catalog& workloads) {
  CLI::App app("Assay: how much of a GPU node's promised LLM-training performance is real.", "assay");
  int exit_code = int(ExitCode::ok);
  app.set_version_flag("--version", "assay " ASSAY_VERSION);
  app.require_subcommand(1);
  add_devices(app, workloads, exit_code);
  add_list(app, workloads, exit_code);
  add_run(app, workloads, exit_code, arguments);
  add_check(app, workloads, exit_code);
  add_compare(app, workloads, exit_code);
  add_fleet(app, workloads, exit_code);
  add_table(app, workloads, exit_code);
  add_project(app, workloads, exit_code);
  add_report(app, workloads, exit_code);
  add_export(app, workloads, exit_code);
  add_validate(app, workloads, exit_code);
  add_bundle(app, workloads, exit_code);
  for (auto* verb : app.get_subcommands({}))
    if (!verb->get_option_no_throw("--quiet"))
      verb->add_flag_callback(
          "--quiet", [] { be_quiet(); }, "print nothing but errors: files and the exit code say the rest");
  app.footer(
      "Is this node healthy?\n"
      "  assay devices\n"
      "  assay run acceptance --out node.json\n"
      "  assay check node.json\n"
      "Exit codes: 0 done; 1 a verdict failed; 2 the command or a file is wrong; 3 a kernel computed wrong numbers; 4 "
      "could not measure.");
  if (const auto problem = verb_problem(app, arguments); !problem.empty())
    return complain(problem, ExitCode::bad_input);
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));  // CLI11 takes them last first
  } catch (const CLI::CallForVersion& version) {
    print(std::string(version.what()) + "\n");
  } catch (const CLI::Success& request) {  // --help, of the program or of a verb
    const auto used = app.get_subcommands();
    print_text(help_of(used.empty() ? app : *used.front(), terminal_columns()));
  } catch (const CLI::ParseError& error) {
    return complain(parse_problem(app, error, arguments), ExitCode::bad_input);
  }
  return exit_code;
}

}  // namespace

int run_command_line(const std::vector<std::string>& arguments, const Catalog& workloads) {
  occupy_standard_streams();
  be_quiet(false);  // of an earlier command in this process
  try {
    return dispatch(arguments, workloads);
  } catch (const Error& error) {
    return complain(error.what(), error.code);
  } catch (const std::exception& error) {
    return complain(error.what(), ExitCode::could_not_measure);
  }
}

}  // namespace assay
