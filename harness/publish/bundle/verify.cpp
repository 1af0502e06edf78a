#include <fmt/format.h>

#include <map>
#include <set>
#include <sstream>

#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/core/sha256.h"
#include "harness/publish/bundle/bundle.h"

namespace assay {
namespace {

bool ends_with(const std::string& text, std::string_view end) {
  return text.size() > end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/// The lines of sha256sum: 64 hexadecimal digits, two spaces, a name.
std::map<std::string, std::string> parse_sums(const std::string& text, const std::string& place) {
  std::map<std::string, std::string> out;
  std::istringstream lines(text);
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const bool is_sum =
        line.size() > 66 && line.find_first_not_of("0123456789abcdef") == 64 && line.substr(64, 2) == "  ";
    if (!is_sum)
      throw InputError(fmt::format("{}:{}: expected a SHA-256 digest, two spaces and a name", place, number));
    if (!out.emplace(line.substr(66), line.substr(0, 64)).second)
      throw InputError(fmt::format("{}:{}: {} is listed twice", place, number, line.substr(66)));
  }
  return out;
}

class Verification {
 public:
  explicit Verification(const std::filesystem::path& path) : source_(path.string()) {}

  void see(const std::string& name, const std::string& text) {
    if (!digests_.emplace(name, sha256_hex(text)).second) fail(name, "is there twice");
    if (name == kBundleSums) sums_ = text;
    if (ends_with(name, kResultSuffix) && !ends_with(name, kEnvironmentSuffix)) see_result(name, text);
  }

  BundleSummary finish() const {
    if (!digests_.count(kBundleSums)) fail(kBundleSums, "is missing");
    const auto sums = parse_sums(sums_, source_ + ": " + kBundleSums);
    for (const auto& [name, digest] : sums) {
      const auto found = digests_.find(name);
      if (found == digests_.end()) fail(name, "is missing");
      if (found->second != digest)
        fail(name, fmt::format("was changed: its SHA-256 is not the one in {}", kBundleSums));
    }
    for (const auto& [name, digest] : digests_)
      if (name != kBundleSums && !sums.count(name)) fail(name, fmt::format("is there but not in {}", kBundleSums));
    if (!bad_result_.empty()) throw InputError(bad_result_);  // after the digests, which tell better what happened
    if (!digests_.count(kBundleReadme)) fail(kBundleReadme, "is missing");
    for (const auto& [name, digest] : environments_) {
      const auto found = digests_.find(name);
      if (found == digests_.end()) fail(name, "is missing");
      if (found->second != digest) fail(name, "is not the environment that its result states");
    }
    check_kinds();
    return {environments_.size(), redacted_ == environments_.size()};
  }

 private:
  [[noreturn]] void fail(const std::string& name, const std::string& why) const {
    throw InputError(fmt::format("{}: {}: {}", source_, name, why));
  }

  void see_result(const std::string& name, const std::string& text) try {
    const Result result = parse_result(text, source_ + ": " + name);
    if (result.seal != Seal::intact)
      fail(name, result.seal == Seal::none ? "has no seal" : "its seal is broken: it is not as it was measured");
    redacted_ += result.provenance.contains("redacted");
    environments_[name.substr(0, name.size() - std::string_view(kResultSuffix).size()) + kEnvironmentSuffix] =
        sha256_hex(environment_text(result));
  } catch (const InputError& error) {
    if (bad_result_.empty()) bad_result_ = error.what();
  }

  void check_kinds() const {
    if (environments_.empty()) throw InputError(source_ + ": holds no result");
    for (const auto& [name, digest] : digests_)
      if (name != kBundleSums && name != kBundleReadme && !ends_with(name, kResultSuffix))
        fail(name, "belongs to no bundle");
      else if (ends_with(name, kEnvironmentSuffix) && !environments_.count(name))
        fail(name, "is the environment of no result");
  }

  std::string source_, sums_, bad_result_;
  std::map<std::string, std::string> digests_, environments_;
  std::size_t redacted_ = 0;
};

}  // namespace

BundleSummary verify_bundle(const std::filesystem::path& path, const ArchiveLimits& limits) {
  Verification verification(path);
  read_archive(read_file(path), path.string(), limits,
               [&](const std::string& name, std::string&& text) { verification.see(name, text); });
  return verification.finish();
}

}  // namespace assay
