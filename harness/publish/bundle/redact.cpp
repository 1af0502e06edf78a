#include "harness/publish/bundle/redact.h"

#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "harness/core/error.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');  // names are ASCII
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  return out;
}

/// Letters and digits from `at` on.
std::string_view word_at(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && is_word(text[end])) ++end;
  return text.substr(at, end - at);
}

/// "--out=/a/b" -> where "/a/b" starts; npos where the word holds no path.
std::size_t path_start(std::string_view word) {
  const bool is_flag = !word.empty() && word[0] == '-';
  const auto equals = word.find('=');
  const std::size_t start = is_flag && equals != std::string_view::npos ? equals + 1 : 0;
  if (is_flag && start == 0) {  // -I/usr/include: a flag's path starts at its first slash
    return word.find('/');
  }
  const std::string_view value = word.substr(start);
  const bool is_file = value.size() > 5 && value.substr(value.size() - 5) == ".json";
  return value.find('/') != std::string_view::npos || is_file ? start : std::string_view::npos;
}

/// Calls `visit` for every word of the provenance that may hold a path: a command's arguments but a filter's (its
/// slashes are those of case ids), the values of environment variables, the compiler's flags.
template <typename Provenance, typename Visit>
void for_each_path_text(Provenance& provenance, const Visit& visit) {
  if (const auto command = provenance.find("command"); command != provenance.end()) {
    std::string before;
    for (auto& argument : *command) {
      if (!argument.is_string()) continue;
      const auto text = argument.template get<std::string>();
      if (before != "--filter" && text.rfind("--filter=", 0) != 0) visit(argument);
      before = text;
    }
  }
  if (const auto environment = provenance.find("environment"); environment != provenance.end())
    for (auto& value : *environment) visit(value);
  if (const auto build = provenance.find("build"); build != provenance.end() && build->is_object())
    if (const auto flags = build->find("flags"); flags != build->end()) visit(*flags);
}

/// Keys whose value is a word of our own, whatever a machine is called: a case and its id, an outcome, a CPU's model.
bool is_own_word(std::string_view key) {
  constexpr std::string_view kOwn[] = {"id",       "workload", "kernel", "device",     "dtype",     "axes",
                                       "mode",     "cache",    "data",   "stop",       "outcome",   "placement",
                                       "cause",    "unit",     "model",  "limits",     "digest",    "severity",
                                       "concerns", "schema",   "tensor", "convention", "digest_of", "redacted"};
  return std::find(std::begin(kOwn), std::end(kOwn), key) != std::end(kOwn);
}

/// Calls `visit` for every string that may hold a machine's name; `name` is one of a GPU or a cache in lists of those.
template <typename Value, typename Visit>
void for_each_free_text(Value& json, const Visit& visit, bool of_hardware = false) {
  if (json.is_string()) {
    visit(json);
  } else if (json.is_array()) {
    if (!json.empty() && json.front().is_number()) return;  // samples
    for (auto& value : json) for_each_free_text(value, visit, of_hardware);
  } else if (json.is_object()) {
    for (auto entry = json.begin(); entry != json.end(); ++entry) {
      const std::string& key = entry.key();
      if (is_own_word(key) || (of_hardware && key == "name")) continue;
      for_each_free_text(entry.value(), visit, key == "gpus" || key == "caches");
    }
  }
}

/// `change` applied to each space-separated word.
template <typename Change>
std::string by_words(const std::string& text, const Change& change) {
  std::string out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    out += change(text.substr(at, end - at));
    if (end < text.size()) out += ' ';
    at = end + 1;
  }
  return out;
}

}  // namespace

void Pseudonyms::note(Kind kind, std::string name) {
  name = lower(name);
  while (!name.empty() && !is_word(name.front())) name.erase(0, 1);
  while (!name.empty() && !is_word(name.back())) name.pop_back();
  if (!name.empty()) names_[kind].insert(name);
}

void Pseudonyms::collect(const Json& json, std::string_view key) {
  static const std::regex uuid("[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}");
  if (json.is_object()) {
    for (const auto& [name, value] : json.items()) collect(value, name);
  } else if (json.is_array()) {
    if (!json.empty() && json.front().is_number()) return;  // samples
    for (const auto& value : json) collect(value, key);
  } else if (json.is_string()) {
    const auto& text = json.get_ref<const std::string&>();
    if (key == "hostname" || key == "host" || key == "hosts") note(Kind::node, text);
    if (key.find("serial") != std::string_view::npos) note(Kind::serial, text);
    if (key == "uuid") note(Kind::gpu, text.substr(text.rfind("GPU-", 0) == 0 ? 4 : 0));
    // The library's expression runs over every character: not worth it where no UUID fits.
    if (text.size() < 36 || std::count(text.begin(), text.end(), '-') < 4) return;
    for (std::sregex_iterator hit(text.begin(), text.end(), uuid), end; hit != end; ++hit) note(Kind::gpu, hit->str());
  }
}

void Pseudonyms::collect_paths(const Json& provenance) {
  for_each_path_text(provenance, [&](const Json& text) {
    if (!text.is_string()) return;
    by_words(text.get<std::string>(), [&](const std::string& word) {
      if (const auto at = path_start(word); at != std::string::npos) paths_[word.substr(at)];
      return word;
    });
  });
}

void Pseudonyms::collect(const Result& result) {
  collect(result.provenance, "");
  collect_paths(result.provenance);
  if (result.stragglers) collect(to_json(*result.stragglers), "");
  for (const auto& record : result.records) collect(to_json(record), "");
}

std::string Pseudonyms::unused(const char* word, int& number) const {
  const auto taken = [&](const std::string& pseudonym) {
    return std::any_of(names_.begin(), names_.end(), [&](const auto& kind) { return kind.second.count(pseudonym); });
  };
  std::string stem = word, pseudonym;
  while (taken(stem)) stem += 's';  // a host called "gpu": no pseudonym has its name
  do pseudonym = fmt::format("{}-{}", stem, ++number);
  while (taken(pseudonym));
  return pseudonym;
}

void Pseudonyms::assign() {
  std::map<std::string, std::string> chosen;
  constexpr std::pair<Kind, const char*> kWords[] = {
      {Kind::node, "node"}, {Kind::gpu, "gpu"}, {Kind::serial, "serial"}};
  for (const auto& [kind, word] : kWords) {
    int number = 0;
    std::map<std::string, std::string> short_names;  // "n7" of "n7.acme.example": the same node
    for (const bool qualified : {true, false})
      for (const auto& name : names_[kind]) {
        const auto dot = kind == Kind::node ? name.find('.') : std::string::npos;
        if ((dot != std::string::npos) != qualified) continue;
        const auto known = short_names.find(name);
        const auto& pseudonym = chosen[name] = known != short_names.end() ? known->second : unused(word, number);
        const bool is_address = name.find_first_not_of("0123456789.") == std::string::npos;
        if (qualified && !is_address) short_names.emplace(name.substr(0, dot), pseudonym);
      }
    chosen.insert(short_names.begin(), short_names.end());
  }
  for (const auto& [name, pseudonym] : chosen)
    by_first_word_[std::string(word_at(name, 0))].push_back({name, pseudonym});
  for (auto& [word, entries] : by_first_word_)
    std::stable_sort(entries.begin(), entries.end(),
                     [](const Entry& a, const Entry& b) { return a.name.size() > b.name.size(); });
  int number = 0;
  for (auto& [path, pseudonym] : paths_) pseudonym = unused("path", number);
}

std::optional<Pseudonyms::Hit> Pseudonyms::next(std::string_view text, std::size_t from) const {
  for (std::size_t at = from; at < text.size();) {
    const std::string_view word = word_at(text, at);
    if (word.empty()) {
      ++at;
      continue;
    }
    if (const auto entries = by_first_word_.find(std::string(word)); entries != by_first_word_.end())
      for (const auto& entry : entries->second) {
        const std::size_t end = at + entry.name.size();
        if (text.compare(at, entry.name.size(), entry.name) == 0 && (end >= text.size() || !is_word(text[end])))
          return Hit{at, entry.name.size(), &entry};
      }
    at += word.size();
  }
  return std::nullopt;
}

std::string Pseudonyms::replaced(const std::string& text) const {
  const std::string small = lower(text);
  std::string out;
  std::size_t at = 0;
  while (const auto hit = next(small, at)) {
    std::size_t start = hit->at;
    for (const char* prefix : {"gpu-", "mig-"})  // part of the UUID as NVIDIA writes it
      if (hit->entry->pseudonym.rfind("gpu", 0) == 0 && start >= at + 4 && small.compare(start - 4, 4, prefix) == 0)
        start -= 4;
    out.append(text, at, start - at).append(hit->entry->pseudonym);
    at = hit->at + hit->length;
  }
  return out.append(text, at, std::string::npos);
}

std::string Pseudonyms::without_path(const std::string& text) const {
  return by_words(text, [&](const std::string& word) {
    const auto at = path_start(word);
    return at == std::string::npos ? word : word.substr(0, at) + paths_.at(word.substr(at));
  });
}

void Pseudonyms::redact(Json& json) const {
  for_each_free_text(json, [&](Json& text) { text = replaced(text.get_ref<const std::string&>()); });
}

Result Pseudonyms::redact(const Result& result, const std::string& source) const {
  Result out = result;
  for_each_path_text(out.provenance, [&](Json& text) {
    if (text.is_string()) text = without_path(text.get<std::string>());
  });
  redact(out.provenance);
  out.provenance["redacted"] = "host names, GPU UUIDs, serial numbers, paths";
  const std::string place = source + " (redacted)";
  if (out.stragglers) {
    Json stragglers = to_json(*out.stragglers);
    redact(stragglers);
    out.stragglers = stragglers_from_json(stragglers, place, "/stragglers");
  }
  for (std::size_t i = 0; i < out.records.size(); ++i) {
    Json record = to_json(out.records[i]);
    redact(record);
    out.records[i] = record_from_json(record, place, "/records/" + std::to_string(i));
  }
  return out;
}

std::optional<std::string> Pseudonyms::first_left(std::string_view text) const {
  const auto hit = next(lower(text), 0);
  return hit ? std::optional(hit->entry->name) : std::nullopt;
}

std::optional<std::string> Pseudonyms::first_left(const Json& json) const {
  std::optional<std::string> left;
  for_each_free_text(json, [&](const Json& text) {
    if (!left) left = first_left(std::string_view(text.get_ref<const std::string&>()));
  });
  return left;
}

}  // namespace assay
