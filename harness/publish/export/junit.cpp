#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "harness/publish/verdict_texts.h"

namespace assay {
namespace {

/// Length in bytes of the UTF-8 sequence at `at`, 0 where it is none.
std::size_t sequence_length(const std::string& text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned lead = byte(at);
  const std::size_t length = lead < 0x80                   ? 1
                             : lead >= 0xc2 && lead < 0xe0 ? 2
                             : lead >= 0xe0 && lead < 0xf0 ? 3
                             : lead >= 0xf0 && lead < 0xf5 ? 4
                                                           : 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(at + i) & 0xc0) != 0x80) return 0;
  return length;
}

/// XML 1.0 has no way to write most control characters, nor bytes that are no UTF-8: they become '?'.
std::string escaped(const std::string& text) {
  static const std::map<char, const char*> entities = {
      {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&apos;"}, {'\n', "&#10;"}, {'\t', "&#9;"}};
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = sequence_length(text, i);
    const auto entity = entities.find(text[i]);
    if (entity != entities.end())
      out += entity->second;
    else if (length == 0 || (length == 1 && static_cast<unsigned char>(text[i]) < 0x20))
      out += '?';
    else
      out += text.substr(i, length);
    i += std::max<std::size_t>(1, length);
  }
  return out;
}

std::string test_case(const Judgement& j) {
  const std::string label = j.expectation.empty() || j.expectation == j.id ? j.id : j.expectation + ": " + j.id;
  std::string out = fmt::format("    <testcase classname=\"assay.{}\" name=\"{}\"",
                                escaped(j.host.empty() ? "node" : j.host), escaped(label));
  const char* element = j.standing == Standing::fail                ? "failure"
                        : j.standing == Standing::could_not_measure ? "error"
                        : j.standing == Standing::not_judged        ? "skipped"
                                                                    : nullptr;
  if (!element) return out + "/>\n";
  const std::string type = j.cause                              ? fmt::format(" type=\"{}\"", name(j.cause->code))
                           : j.standing == Standing::not_judged ? std::string()
                                                                : " type=\"could_not_measure\"";
  return out + fmt::format(">\n      <{} message=\"{}\"{}/>\n    </testcase>\n", element, escaped(j.text), type);
}

}  // namespace

std::string to_junit(const Verdict& verdict) {
  std::vector<std::string> files;
  for (const auto& j : verdict.judgements)
    if (std::find(files.begin(), files.end(), j.result) == files.end()) files.push_back(j.result);
  std::string suites;
  for (const auto& file : files) {
    Verdict of_file;
    std::string cases;
    for (const auto& j : verdict.judgements)
      if (j.result == file) {
        of_file.judgements.push_back(j);
        cases += test_case(j);
      }
    suites += fmt::format(
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">\n{}  </testsuite>\n",
        escaped(file), of_file.judgements.size(), of_file.count(Standing::fail),
        of_file.count(Standing::could_not_measure), of_file.count(Standing::not_judged), cases);
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"assay check\" tests=\"{}\" failures=\"{}\" "
      "errors=\"{}\" skipped=\"{}\">\n{}</testsuites>\n",
      verdict.judgements.size(), verdict.count(Standing::fail), verdict.count(Standing::could_not_measure),
      verdict.count(Standing::not_judged), suites);
}

}  // namespace assay
