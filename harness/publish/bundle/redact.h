// Pseudonyms for what tells whose machine a result is from.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "harness/record/result.h"

namespace assay {

/// Host names become node-1, node-2, ..., GPU UUIDs gpu-1, ..., serial numbers serial-1, ..., paths in command lines
/// and environment variables path-1, ...: the same name gets the same pseudonym in all results.  First collect every
/// result, then assign once, then redact.
class Pseudonyms {
 public:
  void collect(const Result&);
  /// Numbers the names in their order; a pseudonym is never one of the original names.
  void assign();

  /// With every name replaced wherever it stands as a word of its own, in any string that is not of our own vocabulary,
  /// and provenance saying so.  A host called "seconds" or "gpu" is replaced in texts; keys and cases stay as they are.
  Result redact(const Result&, const std::string& source) const;
  /// The first name that still stands in `text`; nothing where none does.
  std::optional<std::string> first_left(std::string_view text) const;
  /// The same of the strings that are not of our own vocabulary.
  std::optional<std::string> first_left(const nlohmann::ordered_json&) const;

 private:
  enum class Kind { node, gpu, serial, path };
  struct Entry {
    std::string name;  // lower case
    std::string pseudonym;
  };
  struct Hit {
    std::size_t at, length;
    const Entry* entry;
  };

  void collect(const nlohmann::ordered_json&, std::string_view key);
  void collect_paths(const nlohmann::ordered_json& provenance);
  void note(Kind, std::string name);
  std::string unused(const char* word, int& number) const;
  std::optional<Hit> next(std::string_view lower, std::size_t from) const;
  std::string replaced(const std::string&) const;
  std::string without_path(const std::string&) const;
  void redact(nlohmann::ordered_json&) const;

  std::map<Kind, std::set<std::string>> names_;                        // lower case
  std::unordered_map<std::string, std::vector<Entry>> by_first_word_;  // longest name first
  std::map<std::string, std::string> paths_;
};

}  // namespace assay
