// Members of a JSON object read with their type, or one InputError that names the file and the place.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace assay {

class JsonFields {
 public:
  /// Throws where `object` is none.  `place` is a JSON pointer ("/records/3/work").
  JsonFields(const nlohmann::ordered_json& object, std::string source, std::string place);

  bool has(const char* key) const { return object_.contains(key); }
  const nlohmann::ordered_json& at(const char* key) const;
  JsonFields object(const char* key) const;
  std::string text(const char* key) const;
  std::int64_t count(const char* key, std::int64_t minimum = 0) const;
  std::uint64_t unsigned_count(const char* key) const;
  bool flag(const char* key) const;
  /// Finite.
  double number(const char* key) const;
  /// null reads as `otherwise`: JSON has neither NaN nor infinity.
  double number_or(const char* key, double otherwise) const;
  /// A word that `parse(std::string_view, T&)` knows.
  template <class T>
  T word(const char* key, bool (*parse)(std::string_view, T&)) const {
    T value{};
    const std::string name = text(key);
    if (!parse(name, value)) fail(key, "\"" + name + "\" is not one of the words known here");
    return value;
  }
  [[noreturn]] void fail(const char* key, const std::string& what) const;

 private:
  const nlohmann::ordered_json& object_;
  std::string source_, place_;
};

/// JSON has no NaN and no infinity: they are written as null.
nlohmann::ordered_json finite_or_null(double value);

}  // namespace assay
