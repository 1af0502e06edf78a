#include "harness/publish/report/report.h"

#include <fmt/format.h>

#include <stdexcept>

#include "assay/build_config.h"
#include "harness/core/sha256.h"
#include "harness/publish/report/files.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

std::string_view file(std::string_view path) {
  for (const auto& one : report_files())
    if (one.path == path) return one.text;
  throw std::logic_error("the program has no page file " + std::string(path));
}

/// In the order in which they use each other.
std::string script() {
  std::string out = "\"use strict\";\n";
  for (const char* part :
       {"inflate.js", "dom.js", "numbers.js", "plot.js", "data.js", "cases.js", "detail.js", "roofline.js", "rows.js",
        "throughput.js", "steps.js", "ranks.js", "machines.js", "fleet.js", "soak.js", "method.js", "page.js"})
    out += file(part);
  return out;
}

/// Of a script or style, as a Content-Security-Policy names it: nothing else on the page is executed.
std::string csp_digest(std::string_view text) {
  const std::string hex = sha256_hex(text);
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) bytes += char(std::stoi(hex.substr(i, 2), nullptr, 16));
  return "'sha256-" + base64(bytes) + "'";
}

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  return out;
}

struct Part {
  std::string name, text;
};

/// Markers are those of the template alone: what is filled in is never looked at again.
std::string fill(std::string_view page, const std::vector<Part>& parts) {
  std::string out;
  for (std::size_t at = 0; at < page.size();) {
    const std::size_t open = page.find("{{", at);
    out += page.substr(at, open - at);
    if (open == std::string_view::npos) break;
    const std::size_t close = page.find("}}", open);
    const std::string_view name = page.substr(open + 2, close - open - 2);
    bool known = false;
    for (const auto& part : parts)
      if (part.name == name) out += part.text, known = true;
    if (!known) throw std::logic_error("the page has no part " + std::string(name));
    at = close + 2;
  }
  return out;
}

std::string archive_elements(const Archives& archives) {
  std::string out;
  for (std::size_t i = 0; i < archives.base64.size(); ++i)
    out += fmt::format("<script type=\"application/gzip\" id=\"archive-{}\">\n{}\n</script>\n", i, archives.base64[i]);
  return out;
}

std::string title_of(const Report& report) {
  if (report.fleet) return fmt::format("Assay report: {} results", report.results_given);
  std::string suites;
  for (const auto& one : report.results)
    if (suites.find(one.result.suite) == std::string::npos) suites += (suites.empty() ? "" : ", ") + one.result.suite;
  return "Assay report: " + suites;
}

}  // namespace

std::string packed(const Json& json) { return base64(gzip(json.dump(-1, ' ', false, Json::error_handler_t::replace))); }

ReportPage to_report(const Report& report, std::size_t limit) {
  constexpr std::size_t kArchiveMargin = 4096;  // elements around the archives, and what the page says of thinning
  Json data = report_data(report);
  const std::string style(file("style.css")), code = script();
  const std::size_t without = packed(data).size() + style.size() + code.size() + file("page.html").size();
  const Archives archives = archive(report.results, limit - std::min(limit, without + kArchiveMargin));
  data["thinning"] = {{"every", archives.thinning.every},
                      {"rounded", archives.thinning.rounded},
                      {"without_ranks", archives.thinning.without_ranks},
                      {"digits", kDigitsKept},
                      {"least_samples", kLeastSamplesKept}};
  const std::string policy = "default-src 'none'; base-uri 'none'; form-action 'none'; script-src " + csp_digest(code) +
                             "; style-src " + csp_digest(style);
  return {fill(file("page.html"), {{"policy", policy},
                                   {"title", html_escaped(title_of(report))},
                                   {"version", ASSAY_VERSION},
                                   {"style", style},
                                   {"script", code},
                                   {"data", packed(data)},
                                   {"archives", archive_elements(archives)}}),
          archives.thinning};
}

}  // namespace assay
