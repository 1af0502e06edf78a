#include "harness/suite/schema_breach.h"

#include <fmt/format.h>

#include <vector>

#include "harness/suite/json_reader.h"
#include "harness/suite/wording.h"

namespace assay {
namespace {

using nlohmann::ordered_json;

struct TypeName {
  const char* name;
  const char* phrase;
  bool (*holds)(const ordered_json&);
};
constexpr TypeName kTypes[] = {
    {"object", "an object", [](const ordered_json& v) { return v.is_object(); }},
    {"array", "a list", [](const ordered_json& v) { return v.is_array(); }},
    {"string", "a string", [](const ordered_json& v) { return v.is_string(); }},
    {"integer", "an integer", [](const ordered_json& v) { return v.is_number_integer(); }},
    {"number", "a number", [](const ordered_json& v) { return v.is_number(); }},
    {"boolean", "true or false", [](const ordered_json& v) { return v.is_boolean(); }},
    {"null", "null", [](const ordered_json& v) { return v.is_null(); }},
};

const TypeName* find_type(const std::string& name) {
  for (const auto& type : kTypes)
    if (name == type.name) return &type;
  return nullptr;
}

/// A key as a JSON pointer's step.
std::string step(std::string_view key) {
  std::string out = "/";
  for (const char c : printable(key)) out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return out;
}

std::vector<std::string> keys_of(const ordered_json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

class Finder {
 public:
  explicit Finder(const ordered_json& root) : root_(root) {}

  std::optional<Breach> find(const ordered_json& given, const ordered_json& value, const std::string& place) const {
    if (given.is_boolean()) {
      if (given.get<bool>()) return std::nullopt;
      return Breach{place, "is not allowed here"};
    }
    if (given.contains("$ref")) return find(resolve(given), value, place);
    using Rule = std::optional<Breach> (Finder::*)(const ordered_json&, const ordered_json&, const std::string&) const;
    constexpr Rule kRules[] = {&Finder::type,   &Finder::words,  &Finder::any_of,
                               &Finder::bounds, &Finder::object, &Finder::list};
    for (const Rule rule : kRules)
      if (auto breach = (this->*rule)(given, value, place)) return breach;
    return std::nullopt;
  }

 private:
  const ordered_json& resolve(const ordered_json& schema) const {
    // "#/definitions/axis"
    return root_.at(ordered_json::json_pointer(schema.at("$ref").get<std::string>().substr(1)));
  }

  static Breach breach(const std::string& place, const ordered_json& value, const std::string& expected) {
    return {place, fmt::format("is {}, expected {}", show(value), expected)};
  }

  static bool type_holds(const ordered_json& type, const ordered_json& value) {
    const TypeName* known = find_type(type.get<std::string>());
    return !known || known->holds(value);
  }

  std::optional<Breach> type(const ordered_json& schema, const ordered_json& value, const std::string& place) const {
    if (!schema.contains("type")) return std::nullopt;
    const ordered_json types = schema["type"].is_array() ? schema["type"] : ordered_json::array({schema["type"]});
    std::vector<std::string> phrases;
    for (const auto& name : types) {
      if (type_holds(name, value)) return std::nullopt;
      if (const TypeName* known = find_type(name.get<std::string>())) phrases.push_back(known->phrase);
    }
    return breach(place, value, join(phrases, " or "));
  }

  std::optional<Breach> words(const ordered_json& schema, const ordered_json& value, const std::string& place) const {
    if (schema.contains("const") && schema["const"] != value) return breach(place, value, show(schema["const"]));
    if (!schema.contains("enum")) return std::nullopt;
    std::vector<std::string> allowed;
    for (const auto& word : schema["enum"]) {
      if (word == value) return std::nullopt;
      allowed.push_back(word.is_string() ? word.get<std::string>() : show(word));
    }
    const std::string meant = value.is_string() ? did_you_mean(value.get<std::string>(), allowed) : std::string();
    return breach(place, value, "one of " + join(allowed) + meant);
  }

  /// Of alternatives that all fail, the one of the value's own type has the most to say.
  std::optional<Breach> any_of(const ordered_json& schema, const ordered_json& value, const std::string& place) const {
    if (!schema.contains("anyOf")) return std::nullopt;
    std::optional<Breach> told;
    for (const auto& alternative : schema["anyOf"]) {
      auto breach = find(alternative, value, place);
      if (!breach) return std::nullopt;
      const ordered_json& target = alternative.contains("$ref") ? resolve(alternative) : alternative;
      const bool same_type = target.contains("type") && target["type"].is_string() && type_holds(target["type"], value);
      if (!told || same_type) told = std::move(breach);
    }
    return told;
  }

  std::optional<Breach> bounds(const ordered_json& schema, const ordered_json& value, const std::string& place) const {
    if (value.is_string() && value.get_ref<const std::string&>().size() < schema.value("minLength", std::size_t(0)))
      return breach(place, value, "text");
    if (!value.is_number()) return std::nullopt;
    struct Bound {
      const char* keyword;
      const char* phrase;
      bool (*holds)(const ordered_json& value, const ordered_json& bound);
    };
    constexpr Bound kBounds[] = {
        {"minimum", "at least", [](const ordered_json& v, const ordered_json& b) { return v >= b; }},
        {"exclusiveMinimum", "more than", [](const ordered_json& v, const ordered_json& b) { return v > b; }},
        {"maximum", "at most", [](const ordered_json& v, const ordered_json& b) { return v <= b; }},
        {"exclusiveMaximum", "less than", [](const ordered_json& v, const ordered_json& b) { return v < b; }},
    };
    for (const auto& bound : kBounds)
      if (schema.contains(bound.keyword) && !bound.holds(value, schema[bound.keyword]))
        return breach(place, value, fmt::format("{} {}", bound.phrase, show(schema[bound.keyword])));
    return std::nullopt;
  }

  std::optional<Breach> object(const ordered_json& schema, const ordered_json& value, const std::string& place) const {
    if (!value.is_object()) return std::nullopt;
    const ordered_json properties = schema.value("properties", ordered_json::object());
    const ordered_json others = schema.value("additionalProperties", ordered_json(true));
    for (const auto& [key, member] : value.items()) {
      const std::string at = place + step(key);
      if (!properties.contains(key) && others.is_boolean() && !others.get<bool>()) {
        const auto allowed = keys_of(properties);
        return Breach{at, fmt::format("unknown key, expected one of {}{}", join(allowed), did_you_mean(key, allowed))};
      }
      if (auto breach = find(properties.contains(key) ? properties[key] : others, member, at)) return breach;
    }
    for (const auto& key : schema.value("required", ordered_json::array()))
      if (!value.contains(key.get<std::string>()))
        return Breach{place, fmt::format("lacks the key \"{}\"", key.get<std::string>())};
    if (value.size() < schema.value("minProperties", std::size_t(0))) return Breach{place, "is an empty object"};
    return std::nullopt;
  }

  std::optional<Breach> list(const ordered_json& schema, const ordered_json& value, const std::string& place) const {
    if (!value.is_array()) return std::nullopt;
    const auto least = schema.value("minItems", std::size_t(0));
    if (value.size() < least)
      return breach(place, value, fmt::format("at least {} element{}", least, least == 1 ? "" : "s"));
    if (schema.contains("maxItems") && value.size() > schema["maxItems"].get<std::size_t>())
      return breach(place, value, fmt::format("at most {} elements", schema["maxItems"].get<std::size_t>()));
    if (schema.contains("items"))
      for (std::size_t i = 0; i < value.size(); ++i)
        if (auto breach = find(schema["items"], value[i], fmt::format("{}/{}", place, i))) return breach;
    if (schema.value("uniqueItems", false))
      for (std::size_t i = 0; i < value.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
          if (value[i] == value[j])
            return Breach{fmt::format("{}/{}", place, i), fmt::format("repeats {}", show(value[i]))};
    return std::nullopt;
  }

  const ordered_json& root_;
};

}  // namespace

std::optional<Breach> find_breach(const ordered_json& schema, const ordered_json& value) {
  return Finder(schema).find(schema, value, "");
}

}  // namespace assay
