#include "harness/record/json_fields.h"

#include <cmath>
#include <limits>

#include "harness/core/error.h"

namespace assay {

JsonFields::JsonFields(const nlohmann::ordered_json& object, std::string source, std::string place)
    : object_(object), source_(std::move(source)), place_(std::move(place)) {
  if (!object_.is_object())
    throw InputError(source_ + ": " + (place_.empty() ? "/" : place_) + ": is " + object_.type_name() +
                     ", expected an object");
}

void JsonFields::fail(const char* key, const std::string& what) const {
  throw InputError(source_ + ": " + place_ + "/" + key + ": " + what);
}

const nlohmann::ordered_json& JsonFields::at(const char* key) const {
  const auto found = object_.find(key);
  if (found == object_.end()) fail(key, "is missing");
  return *found;
}

JsonFields JsonFields::object(const char* key) const { return {at(key), source_, place_ + "/" + key}; }

std::string JsonFields::text(const char* key) const {
  const auto& value = at(key);
  if (!value.is_string()) fail(key, std::string("is ") + value.type_name() + ", expected a string");
  return value.get<std::string>();
}

std::int64_t JsonFields::count(const char* key, std::int64_t minimum) const {
  const auto& value = at(key);
  const bool fits = value.is_number_integer() &&
                    (!value.is_number_unsigned() ||
                     value.get<std::uint64_t>() <= std::uint64_t(std::numeric_limits<std::int64_t>::max()));
  if (!fits || value.get<std::int64_t>() < minimum)
    fail(key, "expected an integer of at least " + std::to_string(minimum));
  return value.get<std::int64_t>();
}

std::uint64_t JsonFields::unsigned_count(const char* key) const {
  const auto& value = at(key);
  // A value built in memory may be stored as signed; one that was parsed is unsigned where it is not negative.
  if (!value.is_number_integer() || (!value.is_number_unsigned() && value.get<std::int64_t>() < 0))
    fail(key, "expected an integer of at least 0");
  return value.get<std::uint64_t>();
}

bool JsonFields::flag(const char* key) const {
  const auto& value = at(key);
  if (!value.is_boolean()) fail(key, std::string("is ") + value.type_name() + ", expected true or false");
  return value.get<bool>();
}

double JsonFields::number(const char* key) const {
  const auto& value = at(key);
  if (!value.is_number() || !std::isfinite(value.get<double>())) fail(key, "expected a finite number");
  return value.get<double>();
}

double JsonFields::number_or(const char* key, double otherwise) const {
  return at(key).is_null() ? otherwise : number(key);
}

nlohmann::ordered_json finite_or_null(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
}

}  // namespace assay
