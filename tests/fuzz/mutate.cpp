#include "tests/fuzz/mutate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

std::size_t below(std::size_t n, std::mt19937_64& random) { return std::size_t(random() % n); }

/// What parsers and arithmetic trip over.
Json odd_value(std::mt19937_64& random) {
  static const std::array kOdd = {Json(nullptr),
                                  Json(true),
                                  Json(0),
                                  Json(-1),
                                  Json(1),
                                  Json(65536),
                                  Json(std::numeric_limits<std::int64_t>::max()),
                                  Json(std::numeric_limits<std::int64_t>::min()),
                                  Json(std::numeric_limits<std::uint64_t>::max()),
                                  Json(0.5),
                                  Json(1e308),
                                  Json(5e-324),
                                  Json(-1e-9),
                                  Json(""),
                                  Json("ok"),
                                  Json("gpu"),
                                  Json("bf16"),
                                  Json("</script>&\"'\\|$_%#\x7f"),
                                  Json(std::string("\0\n\x1b[31m\xe2\x80\xa8\xf0\x9f\x98\x80", 13)),
                                  Json(std::string(300, 'x')),
                                  Json::array(),
                                  Json::object(),
                                  Json::array({1, 2})};
  return kOdd[below(kOdd.size(), random)];
}

void collect(Json& node, std::vector<Json*>& out) {
  out.push_back(&node);
  for (auto& child : node)
    if (node.is_structured()) collect(child, out);
}

/// Takes an element out, or puts one there twice.
void change_container(Json& node, std::mt19937_64& random) {
  if (node.empty()) {
    node = odd_value(random);
    return;
  }
  const auto at = std::next(node.begin(), std::ptrdiff_t(below(node.size(), random)));
  if (random() % 2 == 0)
    node.erase(at);
  else if (node.is_array())
    node.push_back(Json(*at));
  else
    node[at.key() + "_"] = Json(*at);
}

void change_number(Json& node, std::mt19937_64& random) {
  constexpr std::array kFactors = {-1.0, 0.5, 2.0, 1e-3, 1e3, 1e12};
  if (node.is_number_integer() && std::abs(node.get<double>()) < 1e15 && random() % 2 == 0)
    node = node.get<std::int64_t>() + (random() % 2 == 0 ? 1 : -1);
  else
    node = node.get<double>() * kFactors[below(kFactors.size(), random)];
}

void change_json(Json& root, std::mt19937_64& random) {
  std::vector<Json*> nodes;
  collect(root, nodes);
  Json& node = *nodes[below(nodes.size(), random)];
  if (const auto way = random() % 4; way == 0)
    node = odd_value(random);
  else if (way == 1)
    node = Json(*nodes[below(nodes.size(), random)]);  // what stands elsewhere
  else if (node.is_structured())
    change_container(node, random);
  else if (node.is_number())
    change_number(node, random);
  else
    node = odd_value(random);
}

std::string as_segment(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

/// A result's records name their case once more as an id: without this, every change to a case would be found there.
void repair_ids(Json& root) {
  if (!root.is_object() || !root.contains("records")) return;
  for (auto& record : root["records"]) {
    const Json point = record.is_object() ? record.value("case", Json()) : Json();
    if (!point.is_object() || !record.contains("id")) continue;
    const auto part = [&](const char* key) { return as_segment(point.value(key, Json(""))); };
    const bool core = point.contains("core");
    const std::string device = core                      ? "core" + part("core")
                               : part("device") == "cpu" ? "cpu"
                                                         : part("device") + part("device_index");
    std::string id = part("workload") + "/" + part("kernel") + "/" + device + "/" + part("dtype");
    const Json axes = point.value("axes", Json::object());
    for (const auto& [name, value] : axes.items()) id += "/" + name + "=" + as_segment(value);
    for (const char* key : {"cache", "mode", "data"}) id.append("/").append(part(key));
    id.append("/seed=").append(part("seed"));
    if (point.contains("together")) id += "/together=" + part("together");
    record["id"] = id;
  }
}

void change_bytes(std::string& text, std::mt19937_64& random) {
  constexpr std::size_t kMostBytes = 16;
  const std::size_t at = below(text.size() + 1, random), many = 1 + below(kMostBytes, random);
  switch (random() % 4) {
    case 0:
      text.erase(at, many);
      break;
    case 1:
      text.insert(at, text.substr(below(text.size() + 1, random), many));
      break;
    case 2:
      text.insert(at, 1, char(random() % 256));
      break;
    default:
      if (at < text.size()) text[at] = char(text[at] ^ (1 << random() % 8));
  }
}

/// The text with small changes to what it says; empty where it is no JSON.
std::string with_changed_json(const std::string& text, int indent, std::mt19937_64& random) {
  constexpr std::size_t kMostBytes = std::size_t(1) << 20;  // deep copies of more take too long
  Json json = text.size() > kMostBytes ? Json(Json::value_t::discarded) : Json::parse(text, nullptr, false);
  if (json.is_discarded()) return {};
  constexpr std::size_t kMostChanges = 3;
  for (std::size_t i = 1 + below(kMostChanges, random); i > 0; --i) change_json(json, random);
  if (random() % 4 != 0) repair_ids(json);
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

/// The same of one line, for files that are JSON line by line.
std::string with_changed_line(const std::string& text, std::mt19937_64& random) {
  const std::size_t middle = below(text.size() + 1, random), from = text.rfind('\n', middle) + 1;  // npos + 1 is 0
  const std::size_t to = std::min(text.find('\n', from), text.size());
  const std::string line = with_changed_json(text.substr(from, to - from), -1, random);
  return line.empty() ? line : text.substr(0, from) + line + text.substr(to);
}

}  // namespace

std::string mutated(const std::string& text, std::mt19937_64& random) {
  if (random() % 8 != 0) {
    if (auto changed = with_changed_json(text, 1, random); !changed.empty()) return changed;
    if (auto changed = with_changed_line(text, random); !changed.empty()) return changed;
  }
  std::string out = text;
  for (std::size_t i = 1 + below(3, random); i > 0; --i) change_bytes(out, random);
  return out;
}

}  // namespace assay
