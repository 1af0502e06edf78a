#include "harness/cli/help.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <sstream>
#include <vector>

#include "harness/suite/embedded.h"

namespace assay {
namespace {

constexpr std::size_t kIndent = 2;
constexpr std::size_t kWidestLeft = 26;   // of what stands left; longer ones have their text on the next line
constexpr std::size_t kLeastBeside = 64;  // columns from which on text stands beside a flag, not under it
constexpr std::size_t kReadable = 100;    // wider lines are hard to follow

struct Row {
  std::string left, right;
};

/// Words in lines that begin at `indent`; the first goes on from `used` columns.
std::string wrapped(const std::string& text, std::size_t used, std::size_t indent, std::size_t columns) {
  std::istringstream words(text);
  std::string out;
  bool fresh = true;
  for (std::string word; words >> word; fresh = false) {
    const bool fits = used + !fresh + word.size() <= columns;
    if (!fresh && !fits) {
      out += "\n" + std::string(indent, ' ');
      used = indent;
    } else if (!fresh) {
      out += " ";
      ++used;
    }
    out += word;
    used += word.size();
  }
  return out + "\n";
}

std::string rows_text(const char* title, const std::vector<Row>& rows, std::size_t columns) {
  if (rows.empty()) return {};
  std::size_t widest = 0;
  for (const auto& row : rows)
    if (row.left.size() <= kWidestLeft) widest = std::max(widest, row.left.size());
  const bool beside = columns >= kLeastBeside;
  const std::size_t column = beside ? kIndent + widest + 2 : 3 * kIndent;
  std::string out = fmt::format("\n{}:\n", title);
  for (const auto& row : rows) {
    out += std::string(kIndent, ' ') + row.left;
    const std::size_t used = kIndent + row.left.size();
    out += beside && used + 2 <= column ? std::string(column - used, ' ') : "\n" + std::string(column, ' ');
    out += wrapped(row.right, column, column, columns);
  }
  return out;
}

/// "N:1 to 4096" is a value's name and what its validators say of it; a set of words is in the description.
std::pair<std::string, std::vector<std::string>> value_of(const CLI::Option& option) {
  std::istringstream parts(option.get_type_name());
  std::string name;
  std::getline(parts, name, ':');
  std::vector<std::string> ranges;
  for (std::string part; std::getline(parts, part, ':');)
    if (!part.empty() && part[0] != '{') ranges.push_back(part);
  return {name, ranges};
}

std::string description_of(const CLI::Option& option) {
  auto more = value_of(option).second;
  if (option.get_required()) more.insert(more.begin(), "required");
  if (!option.get_default_str().empty()) more.push_back("default: " + option.get_default_str());
  return option.get_description() + (more.empty() ? "" : fmt::format(" ({})", fmt::join(more, "; ")));
}

bool takes_several(const CLI::Option& option) { return option.get_expected_max() > 2; }

/// RESULT...
std::string argument_name(const CLI::Option& option) {
  std::string name = option.get_name();
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return char(std::toupper(c)); });
  return name + (takes_several(option) ? "..." : "");
}

std::string flag_name(const CLI::Option& option) {
  std::string out;
  for (const auto& name : option.get_snames()) out += "-" + name + ", ";
  for (const auto& name : option.get_lnames()) out += "--" + name;
  const std::string value = value_of(option).first;
  return value.empty() ? out : out + " " + value;
}

std::string usage_of(const CLI::App& app, const std::vector<const CLI::Option*>& arguments) {
  if (!app.get_parent()) return "Usage: assay VERB [FLAGS]; `assay VERB --help` tells more of each";
  std::string out = fmt::format("Usage: assay {} [FLAGS]", app.get_name());
  for (const auto* one : arguments) {
    const std::string name = argument_name(*one);
    out += one->get_required() ? " " + name : " [" + name + "]";
  }
  return out;
}

}  // namespace

std::string help_of(const CLI::App& app, int terminal) {
  const std::size_t columns = std::min<std::size_t>(std::size_t(std::max(1, terminal)), kReadable);
  const auto arguments = app.get_options([](const CLI::Option* o) { return o->get_positional(); });
  const auto flags = app.get_options([](const CLI::Option* o) { return o->nonpositional(); });
  std::vector<Row> verbs, of_arguments, of_flags;
  for (const auto* verb : app.get_subcommands([](const CLI::App*) { return true; }))
    verbs.push_back({verb->get_name(), verb->get_description()});
  for (const auto* one : arguments) of_arguments.push_back({argument_name(*one), description_of(*one)});
  for (const auto* one : flags) of_flags.push_back({flag_name(*one), description_of(*one)});
  std::string out = wrapped(app.get_description(), 0, 0, columns) + wrapped(usage_of(app, arguments), 0, 4, columns);
  out += rows_text("Verbs", verbs, columns) + rows_text("Arguments", of_arguments, columns) +
         rows_text("Flags", of_flags, columns);
  std::istringstream footer(app.get_footer());
  if (!app.get_footer().empty()) out += "\n";
  for (std::string line; std::getline(footer, line);)  // an example begins with spaces and stays as it is
    out += line.starts_with(' ') ? line + "\n" : wrapped(line, 0, kIndent, columns);
  return out;
}

std::string shipped_names(const std::string& title, const std::string& folder) {
  std::vector<std::string> names;
  const std::string ending = ".json";
  for (const auto& file : embedded_files())
    if (file.path.starts_with(folder + "/") && file.path.ends_with(ending))
      names.emplace_back(file.path.substr(folder.size() + 1, file.path.size() - folder.size() - 1 - ending.size()));
  std::sort(names.begin(), names.end());
  return fmt::format("{}: {}", title, fmt::join(names, ", "));
}

}  // namespace assay
