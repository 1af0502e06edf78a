#include "harness/publish/bundle/bundle.h"

#include <fmt/format.h>

#include <optional>
#include <set>

#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/core/sha256.h"
#include "harness/publish/bundle/redact.h"
#include "harness/suite/json_reader.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

/// Tar's own character set is ASCII: other bytes would depend on the locale of whoever packs and unpacks.
std::string plain(std::string name) {
  for (char& c : name)
    if (static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) > '~') c = '_';
  return name;
}

/// "results/node7.tar.gz" -> "node7".
std::string folder_of(const fs::path& out) {
  const std::string name = out.filename().string();
  for (const std::string_view end : {".tar.gz", ".tgz"})
    if (name.size() > end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0)
      return plain(name.substr(0, name.size() - end.size()));
  throw InputError(fmt::format("{}: expected a name that ends in .tar.gz or .tgz", out.string()));
}

/// Names of results in the bundle: their own, with a number where two share one; numbers alone where redacted, since a
/// file's name often is its host's.
std::vector<std::string> names_in_bundle(const std::vector<fs::path>& results, bool redact) {
  std::vector<std::string> out;
  std::set<std::string> taken;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const std::string stem = redact ? fmt::format("result-{}", i + 1) : plain(results[i].stem().string());
    std::string name = stem;
    // "a.environment.json" beside "a.json" would be taken for the latter's environment.
    for (int copy = 2; taken.count(name) || taken.count(name + ".environment"); ++copy)
      name = fmt::format("{}-{}", stem, copy);
    taken.insert({name, name + ".environment"});
    out.push_back(name);
  }
  return out;
}

Result load_sealed(const fs::path& path, std::string& text) {
  text = read_file(path);
  Result result = parse_result(text, path.string());
  if (result.seal == Seal::broken)
    throw InputError(path.string() + ": its seal is broken: it is not as it was measured, so it is not sent");
  if (result.seal == Seal::none)
    throw InputError(path.string() + ": has no seal (an older assay wrote it); measure again to send it");
  return result;
}

std::string readme(const std::string& folder, const std::vector<std::string>& names, bool redacted) {
  std::string out = fmt::format(
      "{}: {} result{} of Assay\n\n{}", folder, names.size(), names.size() == 1 ? "" : "s",
      redacted
          ? "REDACTED: host names, GPU UUIDs, serial numbers and the paths of command lines are pseudonyms (node-1,\n"
            "gpu-1, serial-1, path-1); the same name has the same pseudonym in all files.  The results were sealed\n"
            "again after that.\n\n"
          : "Not redacted: host names, GPU UUIDs and command lines are as they were.\n\n");
  out +=
      "SHA256SUMS               digests of all other files; in this folder: sha256sum -c SHA256SUMS\n"
      "README.txt               this text\n"
      "NAME.json                a result: every case, every sample, its check; sealed with its own digest\n"
      "NAME.environment.json    where it was measured: build, libraries, CPU, GPUs, system, settings, findings\n\n"
      "Without unpacking: assay bundle --verify FILE.  After it: assay table *.json, assay fleet *.json\n\n";
  for (const auto& name : names) out += fmt::format("{0}.json, {0}.environment.json\n", name);
  return out;
}

/// Adds files, and refuses a machine's JSON in which a name is left that should have been replaced.
class Packer {
 public:
  Packer(std::string folder, const Pseudonyms* pseudonyms) : folder_(std::move(folder)), pseudonyms_(pseudonyms) {
    if (const auto left = pseudonyms_ ? pseudonyms_->first_left(std::string_view(folder_)) : std::nullopt)
      throw InputError(fmt::format("{}: is called after the machine '{}': choose another --out", folder_, *left));
  }
  void add(const std::string& name, const std::string& text) {
    if (pseudonyms_)
      if (const auto left = pseudonyms_->first_left(read_json(text, name)))
        throw InputError(
            fmt::format("{}: the name '{}' of a machine is left in it: it is not sent; without --redact it "
                        "would be",
                        name, *left));
    add_ours(name, text);
  }
  /// Text of this program, in which "node-1" is an example whatever a machine is called.
  void add_ours(const std::string& name, const std::string& text) {
    writer_.add(folder_ + "/" + name, text);
    sums_ += sha256_hex(text) + "  " + name + "\n";
  }
  std::string finish() {
    writer_.add(folder_ + "/" + kBundleSums, sums_);
    return writer_.finish();
  }

 private:
  std::string folder_;
  const Pseudonyms* pseudonyms_;
  ArchiveWriter writer_;
  std::string sums_;
};

}  // namespace

std::string environment_text(const Result& result) {
  return result.provenance.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

BundleSummary write_bundle(const std::vector<fs::path>& results, const fs::path& out, bool redact) {
  const std::string folder = folder_of(out);
  if (fs::exists(fs::symlink_status(out)))
    throw InputError(out.string() + ": is there already; choose another --out or remove it");
  if (results.empty()) throw InputError("no result to bundle");
  std::string text;
  std::optional<Pseudonyms> pseudonyms;
  if (redact) {
    pseudonyms.emplace();
    for (const auto& path : results) pseudonyms->collect(load_sealed(path, text));
    pseudonyms->assign();
  }
  const auto names = names_in_bundle(results, redact);
  Packer packer(folder, pseudonyms ? &*pseudonyms : nullptr);
  for (std::size_t i = 0; i < results.size(); ++i) {
    Result result = load_sealed(results[i], text);
    if (pseudonyms) {
      result = pseudonyms->redact(result, results[i].string());
      text = to_text(result);
      parse_result(text, results[i].string() + " (redacted)");  // what is sent can be read
    }
    packer.add(names[i] + kResultSuffix, text);
    packer.add(names[i] + kEnvironmentSuffix, environment_text(result));
  }
  packer.add_ours(kBundleReadme, readme(folder, names, redact));
  write_file_atomically(out, packer.finish());
  return {results.size(), redact};
}

}  // namespace assay
