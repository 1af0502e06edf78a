// The words of an enumeration, as one table that is read both ways.
#pragma once
#include <cstddef>
#include <stdexcept>
#include <string_view>

namespace assay {

template <class Enum>
struct Named {
  Enum value;
  const char* name;
};

template <class Enum, std::size_t N>
const char* find_name(const Named<Enum> (&table)[N], Enum value) {
  for (const auto& row : table)
    if (row.value == value) return row.name;
  throw std::logic_error("a value outside its enumeration");
}

/// False, leaving `out` alone, where no value has that name.
template <class Enum, std::size_t N>
bool find_value(const Named<Enum> (&table)[N], std::string_view text, Enum& out) {
  for (const auto& row : table)
    if (text == row.name) return out = row.value, true;
  return false;
}

}  // namespace assay
