// The keys a suite's entry may have: those of every entry, those that derive shapes from models, and the axes of the
// entry's workload.  Values come from JSON or from the command line, and are checked the same way.
#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/case.h"
#include "harness/workloads/workload.h"

namespace assay {

struct KeySpec {
  // text: names and patterns, checked where they are looked up; free_word: of letters, digits and `_-.+/`, part of ids
  enum class Form { number, word, free_word, text };
  std::string name;
  Form form = Form::text;
  std::vector<std::string> words;         // allowed, for a word
  std::int64_t minimum = 0, maximum = 0;  // allowed, for a number
};

KeySpec to_key(const AxisSpec&);

/// Every key of an entry of that workload that can hold a list, in the order of the documentation.
std::vector<KeySpec> keys_of(const WorkloadKind&);
const KeySpec* find_key(const std::vector<KeySpec>&, std::string_view name);
/// The axes of that workload a model's dimensions replace; empty where models say nothing about it.
std::vector<std::string> model_axes(const WorkloadKind&);

/// InputError "PLACE: is ..., expected ...".
AxisValue read_value(const KeySpec&, const nlohmann::ordered_json&, const std::string& place);
AxisValue read_value(const KeySpec&, const std::string& text, const std::string& place);

/// "4096", "64Ki", "1Gi"; empty where it is no such number or larger than 2^63 - 1.
std::optional<std::int64_t> parse_count(std::string_view text);

}  // namespace assay
