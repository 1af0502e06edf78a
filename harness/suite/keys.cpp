#include "harness/suite/keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>

#include "harness/core/error.h"
#include "harness/suite/json_reader.h"
#include "harness/suite/wording.h"
#include "kernels/common/dtype.h"

namespace assay {
namespace {

using Form = KeySpec::Form;

constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMostRanks = 1 << 20;

struct ModelKeys {
  const char* workload;
  std::vector<std::string> axes;
  std::vector<KeySpec> keys;
};

std::vector<ModelKeys> model_keys() {
  const KeySpec model{"model", Form::text, {}};
  const KeySpec tensor_parallel{"tensor_parallel", Form::number, {}, 1, kMostRanks};
  const KeySpec tokens{"tokens", Form::number, {}, 1, std::int64_t(1) << 30};
  const std::vector<KeySpec> of_messages = {model, tensor_parallel, tokens, {"message", Form::text, {}}};
  return {{"gemm",
           {"layout", "m", "n", "k"},
           {model,
            tensor_parallel,
            {"expert_parallel", Form::number, {}, 1, kMostRanks},
            tokens,
            {"pass", Form::word, {"forward", "dgrad", "wgrad"}},
            {"layer", Form::text, {}}}},
          {"grouped_gemm",
           {"groups", "rows", "n", "k"},
           {model, {"expert_parallel", Form::number, {}, 1, kMostRanks}, tokens, {"layer", Form::text, {}}}},
          {"attention", {"heads", "kv_heads", "head_dim", "head_dim_v"}, {model, tensor_parallel}},
          {"train_step", {"hidden", "heads", "kv_heads", "head_dim", "feed_forward", "vocabulary"}, {model}},
          {"all_reduce", {"bytes"}, of_messages},
          {"all_gather", {"bytes"}, of_messages},
          {"reduce_scatter", {"bytes"}, of_messages},
          {"all_to_all", {"bytes"}, of_messages},
          {"send_recv", {"bytes"}, of_messages}};
}

std::string expectation(const KeySpec& key) {
  if (key.form == Form::word) return "one of " + join(key.words);
  if (key.form == Form::number) return fmt::format("a whole number from {} to {}", key.minimum, key.maximum);
  return key.form == Form::free_word ? "a word of letters, digits and _ - . + /" : "a name";
}

[[noreturn]] void refuse(const KeySpec& key, const std::string& is, const std::string& place,
                         const std::string& meant = {}) {
  throw InputError(fmt::format("{}: is {}, expected {}{}", place, is, expectation(key), meant));
}

/// What may stand in an id: no `=`, no blank, nothing that means something in a pattern over ids.
bool is_free_word(const std::string& text) {
  const auto allowed = [](unsigned char c) {
    return std::isalnum(c) || std::string_view("_-.+/").find(c) != std::string_view::npos;
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), allowed);
}

AxisValue checked(const KeySpec& key, std::int64_t number, const std::string& is, const std::string& place) {
  if (number < key.minimum || number > key.maximum) refuse(key, is, place);
  return number;
}

}  // namespace

KeySpec to_key(const AxisSpec& axis) {
  const Form form = axis.free_word ? Form::free_word : axis.words.empty() ? Form::number : Form::word;
  return {axis.name, form, axis.words, axis.minimum, axis.maximum};
}

std::vector<KeySpec> keys_of(const WorkloadKind& kind) {
  KeySpec dtype{"dtype", Form::word, {}};
  for (const auto& known : kDTypes) dtype.words.push_back(known.name);
  std::vector<KeySpec> keys = {{"kernel", Form::text, {}},
                               {"device", Form::text, {}},
                               dtype,
                               {"cache", Form::word, {"cold", "hot"}},
                               {"mode", Form::word, {"burst", "sustained"}},
                               {"data", Form::word, {"normal", "uniform", "integers", "zeros"}},
                               {"seed", Form::number, {}, 0, kLargest}};
  for (const auto& axis : kind.axes) keys.push_back(to_key(axis));
  for (const auto& row : model_keys())
    if (kind.name == row.workload) keys.insert(keys.end(), row.keys.begin(), row.keys.end());
  return keys;
}

const KeySpec* find_key(const std::vector<KeySpec>& keys, std::string_view name) {
  for (const auto& key : keys)
    if (key.name == name) return &key;
  return nullptr;
}

std::vector<std::string> model_axes(const WorkloadKind& kind) {
  for (const auto& row : model_keys())
    if (kind.name == row.workload) return row.axes;
  return {};
}

std::optional<std::int64_t> parse_count(std::string_view text) {
  struct Suffix {
    std::string_view name;
    int shift;
  };
  constexpr Suffix kSuffixes[] = {{"Ki", 10}, {"Mi", 20}, {"Gi", 30}, {"Ti", 40}};
  int shift = 0;
  for (const auto& suffix : kSuffixes)
    if (text.ends_with(suffix.name)) {
      shift = suffix.shift;
      text.remove_suffix(suffix.name.size());
      break;
    }
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0 || number > (kLargest >> shift))
    return std::nullopt;
  return number << shift;
}

AxisValue read_value(const KeySpec& key, const nlohmann::ordered_json& value, const std::string& place) {
  if (value.is_string()) return read_value(key, value.get<std::string>(), place);
  if (key.form != Form::number || !value.is_number_integer()) refuse(key, show(value), place);
  // Beyond 2^63 - 1 the number is unsigned, and would come out negative.
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t(kLargest))
    refuse(key, show(value), place);
  return checked(key, value.get<std::int64_t>(), show(value), place);
}

AxisValue read_value(const KeySpec& key, const std::string& text, const std::string& place) {
  const std::string is = fmt::format("\"{}\"", printable(text));
  if (key.form == Form::number) {
    const auto number = parse_count(text);
    if (!number) refuse(key, is, place);
    return checked(key, *number, is, place);
  }
  if (key.form == Form::free_word && is_free_word(text)) return text;
  if (key.form == Form::text) return text.empty() ? (refuse(key, is, place), text) : text;
  for (const auto& word : key.words)
    if (word == text) return text;
  refuse(key, is, place, did_you_mean(text, key.words));
}

}  // namespace assay
