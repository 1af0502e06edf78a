#include "harness/suite/json_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "harness/core/error.h"
#include "harness/suite/wording.h"

namespace assay {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kMaxKeys = 4096;  // of one object: looking for a key given twice is linear in its keys

/// Walks the text and tells how far the parser has read: its events carry no position.
class TrackedIterator {
 public:
  using iterator_category = std::forward_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  TrackedIterator(const char* at, const char** reached) : at_(at), reached_(reached) {}
  reference operator*() const { return *at_; }
  TrackedIterator& operator++() {
    *reached_ = ++at_;
    return *this;
  }
  bool operator==(const TrackedIterator& other) const { return at_ == other.at_; }
  bool operator!=(const TrackedIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** reached_;
};

/// Builds the value from the parser's events.
class Builder : public nlohmann::json_sax<ordered_json> {
 public:
  Builder(std::string_view text, const std::string& source, const char*& reached)
      : text_(text), source_(source), reached_(reached) {}
  ordered_json take() { return std::move(root_); }

  bool null() override { return add(nullptr), true; }
  bool boolean(bool value) override { return add(value), true; }
  bool number_integer(number_integer_t value) override { return add(value), true; }
  bool number_unsigned(number_unsigned_t value) override { return add(value), true; }
  bool number_float(number_float_t value, const string_t&) override { return add(value), true; }
  bool string(string_t& value) override { return add(std::move(value)), true; }
  bool binary(binary_t&) override { return false; }  // text has none
  bool start_object(std::size_t) override { return open(ordered_json::object()), true; }
  bool start_array(std::size_t) override { return open(ordered_json::array()), true; }
  bool end_object() override { return stack_.pop_back(), true; }
  bool end_array() override { return stack_.pop_back(), true; }

  bool key(string_t& name) override {
    const ordered_json& object = *stack_.back();
    if (object.size() >= kMaxKeys) fail(read() - 1, fmt::format("more than {} keys in one object", kMaxKeys));
    if (object.contains(name))
      fail(start_of_string(), fmt::format("key \"{}\" is given twice in one object", printable(name)));
    key_ = std::move(name);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 3, column 5: syntax error ...": we say the place ourselves.
    std::string_view message = error.what();
    message.remove_prefix(message.find("] ") + 2);
    if (message.starts_with("parse error")) message.remove_prefix(message.find(": ") + 2);
    fail(position == 0 ? 0 : position - 1, printable(message, 300));
  }

 private:
  std::size_t read() const { return std::size_t(reached_ - text_.data()); }

  /// The opening quote of the string whose closing quote was read last.
  std::size_t start_of_string() const {
    std::size_t at = read() - 1;
    while (at > 0) {
      --at;
      if (text_[at] != '"') continue;
      std::size_t backslashes = 0;
      while (backslashes < at && text_[at - 1 - backslashes] == '\\') ++backslashes;
      if (backslashes % 2 == 0) break;
    }
    return at;
  }

  [[noreturn]] void fail(std::size_t index, const std::string& message) const {
    const std::string_view before = text_.substr(0, std::min(index, text_.size()));
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const auto newline = before.rfind('\n');
    const std::size_t column = 1 + before.size() - (newline == std::string_view::npos ? 0 : newline + 1);
    throw InputError(fmt::format("{}:{}:{}: {}", source_, line, column, message));
  }

  template <class Value>
  ordered_json* add(Value&& value) {
    if (stack_.empty()) {
      root_ = std::forward<Value>(value);
      return &root_;
    }
    ordered_json& parent = *stack_.back();
    if (parent.is_array()) {
      parent.push_back(std::forward<Value>(value));
      return &parent.back();
    }
    return &(parent[key_] = std::forward<Value>(value));
  }

  void open(ordered_json&& container) {
    if (stack_.size() >= kMaxJsonDepth) fail(read() - 1, fmt::format("nested deeper than {} levels", kMaxJsonDepth));
    stack_.push_back(add(std::move(container)));
  }

  std::string_view text_;
  const std::string& source_;
  const char*& reached_;
  ordered_json root_;
  // Open containers, outermost first.  Only the innermost grows, so the pointers to the others stay valid.
  std::vector<ordered_json*> stack_;
  std::string key_;
};

}  // namespace

ordered_json read_json(std::string_view text, const std::string& source) {
  if (text.empty()) throw InputError(source + ": is empty, expected JSON");
  const char* reached = text.data();
  Builder builder(text, source, reached);
  ordered_json::sax_parse(TrackedIterator(text.data(), &reached), TrackedIterator(text.data() + text.size(), &reached),
                          &builder);
  return builder.take();
}

std::string show(const ordered_json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return value.empty() ? "an empty array" : "an array";
  return printable(value.dump(-1, ' ', true, ordered_json::error_handler_t::replace));
}

}  // namespace assay
