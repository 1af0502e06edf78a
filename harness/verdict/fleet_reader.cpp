#include "harness/verdict/fleet_reader.h"

#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <set>
#include <thread>
#include <tuple>

#include "harness/core/error.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

struct Read {
  std::optional<FleetNode> node;
  std::string problem;
};

Read read_one(const fs::path& path, FleetCases& cases) {
  try {
    return {read_fleet_node(path, cases), {}};
  } catch (const std::exception& error) {
    std::string problem = error.what();  // names the file first, which is said anyway; a line and column may follow
    if (problem.starts_with(path.string() + ":")) problem.erase(0, path.string().size() + 1);
    if (problem.starts_with(" ")) problem.erase(0, 1);
    return {std::nullopt, problem};
  }
}

std::vector<Read> read_all(const std::vector<fs::path>& paths, FleetCases& cases) {
  std::vector<Read> out(paths.size());
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i; (i = next++) < paths.size();) out[i] = read_one(paths[i], cases);
  };
  const std::size_t count = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, paths.size() + 1);
  std::vector<std::jthread> threads;
  for (std::size_t t = 1; t < count; ++t) threads.emplace_back(work);
  work();
  threads.clear();
  return out;
}

/// Why a file with this seal is not taken; empty where it is.
std::string seal_problem(Seal seal, bool unsealed) {
  if (seal == Seal::broken) return "was edited after it was written (its seal does not match): measure again";
  if (seal == Seal::none && !unsealed)
    return "is not sealed, an older assay wrote it: measure again, or --unsealed takes it";
  return {};
}

std::string gpus_key(const FleetNode& node) {
  std::string out;
  for (const auto& [index, uuid] : node.uuids) out += uuid + " ";
  return out;
}

/// Same host; and the same GPUs, where both name theirs.
bool same_node(const FleetNode& a, const FleetNode& b) {
  return a.name == b.name && (a.uuids.empty() || b.uuids.empty() || gpus_key(a) == gpus_key(b));
}

/// `later` started after `node`: what both measured is taken from it.
void absorb(FleetNode& node, FleetNode&& later, std::vector<std::string>& notes) {
  const auto file = std::uint32_t(node.files.size());
  std::size_t replaced = 0;
  std::set<std::pair<std::uint32_t, int>> again;
  for (auto& value : later.values) {
    value.file = file;
    again.emplace(value.point, value.device);
  }
  replaced += std::erase_if(node.values, [&](const auto& v) { return again.count({v.point, v.device}) > 0; });
  for (auto& failure : later.failures) failure.file = file;
  if (replaced > 0)
    notes.push_back(fmt::format("{}: {} cases are in {} and again in {}; the later counts", node.name, replaced,
                                fmt::join(node.files, ", "), later.files.front()));
  node.values.insert(node.values.end(), later.values.begin(), later.values.end());
  node.failures.insert(node.failures.end(), later.failures.begin(), later.failures.end());
  for (auto& digest : later.digests) {
    digest.file = file;
    const auto again = [&](const FleetDigest& earlier) { return earlier.repeats(digest); };
    if (std::none_of(node.digests.begin(), node.digests.end(), again)) node.digests.push_back(std::move(digest));
  }
  node.files.push_back(later.files.front());
  node.complete = node.complete && later.complete;
  if (node.uuids.empty()) node.uuids = later.uuids;
  node.started_utc = later.started_utc;
}

/// By name, earlier runs first; one entry a node.
std::vector<FleetNode> merged(std::vector<FleetNode> files, std::vector<std::string>& notes) {
  std::stable_sort(files.begin(), files.end(), [](const FleetNode& a, const FleetNode& b) {
    return std::tie(a.name, a.started_utc) < std::tie(b.name, b.started_utc);
  });
  std::vector<FleetNode> out;
  for (std::size_t i = 0; i < files.size();) {
    const std::size_t first = out.size();
    const std::string host = files[i].name;
    for (; i < files.size() && files[i].name == host; ++i) {
      const auto same = std::find_if(out.begin() + std::ptrdiff_t(first), out.end(),
                                     [&](const FleetNode& node) { return same_node(node, files[i]); });
      if (same == out.end())
        out.push_back(std::move(files[i]));
      else
        absorb(*same, std::move(files[i]), notes);
    }
    if (out.size() - first < 2) continue;
    notes.push_back(fmt::format("{}: {} machines have this host name; they are told apart by their GPUs", host,
                                out.size() - first));
    for (std::size_t n = first; n < out.size(); ++n) out[n].name = fmt::format("{} ({})", host, out[n].files.front());
  }
  return out;
}

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> out;
  std::error_code failed;
  for (fs::recursive_directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    std::error_code ignored;
    const fs::file_type type = at->status(ignored).type();
    // A link that leads nowhere is named with the unreadable ones.
    const bool is_file =
        type == fs::file_type::regular || type == fs::file_type::not_found || type == fs::file_type::none;
    if (is_file && at->path().extension() == ".json") out.push_back(at->path());
  }
  if (failed) throw InputError(fmt::format("{}: cannot be read: {}", folder.string(), failed.message()));
  std::sort(out.begin(), out.end());
  return out;
}

/// x.gbench.json beside x.json: what `assay run` writes with each result, for Google Benchmark's compare.py.
bool is_beside_a_result(const fs::path& path, const std::set<fs::path>& all) {
  const std::string ending = ".gbench.json";
  std::string name = path.lexically_normal().string();
  if (!name.ends_with(ending)) return false;
  name.resize(name.size() - ending.size());
  return all.count(name + ".json") > 0;
}

std::vector<fs::path> matches(const std::string& pattern) {
  ::glob_t found{};
  std::vector<fs::path> out;
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0)
    for (std::size_t i = 0; i < found.gl_pathc; ++i) out.emplace_back(found.gl_pathv[i]);
  ::globfree(&found);
  return out;
}

}  // namespace

std::uint32_t FleetCases::number_of(const std::string& id, const std::string& workload) {
  const std::lock_guard lock(mutex_);
  const auto [at, added] = numbers_.try_emplace(id, std::uint32_t(cases_.size()));
  if (added) cases_.push_back({id, workload});
  return at->second;
}

std::string fleet_device_name(int device) {
  if (device == kCpuDevice) return "cpu";
  return device < kCpuDevice ? fmt::format("core{}", core_device(device)) : fmt::format("gpu{}", device);
}

std::string FleetNode::device_name(int device) const {
  if (device == kCpuDevice) return "CPU";
  return device < kCpuDevice ? fmt::format("core {}", core_device(device)) : fmt::format("GPU {}", device);
}

FleetFiles read_fleet(const std::vector<fs::path>& paths, FleetCases& cases, bool unsealed) {
  FleetFiles out;
  std::vector<FleetNode> nodes;
  auto read = read_all(paths, cases);
  for (std::size_t i = 0; i < read.size(); ++i) {
    const std::string file = paths[i].string();
    if (!read[i].node)
      out.unreadable.push_back({file, read[i].problem});
    else if (const auto problem = seal_problem(read[i].node->seal, unsealed); !problem.empty())
      out.unreadable.push_back({file, fmt::format("could not be judged: {} {}", file, problem), read[i].node->name});
    else
      nodes.push_back(std::move(*read[i].node));
  }
  out.nodes = merged(std::move(nodes), out.notes);
  return out;
}

std::vector<fs::path> expand_results(const std::vector<std::string>& words) {
  std::vector<fs::path> out;
  std::set<fs::path> seen;
  for (const auto& word : words) {
    std::vector<fs::path> found;
    std::error_code ignored;
    if (fs::is_directory(word, ignored)) {
      found = files_in(word);
      if (found.empty()) throw InputError(word + ": holds no *.json, expected a folder of results");
    } else if (fs::exists(word, ignored) || word.find_first_of("*?[") == std::string::npos) {
      found = {word};  // one that is not there is named with the unreadable ones
    } else {
      found = matches(word);
      if (found.empty()) throw InputError(word + ": no file matches, expected results");
    }
    for (auto& path : found)
      if (seen.insert(path.lexically_normal()).second) out.push_back(std::move(path));
  }
  std::erase_if(out, [&](const fs::path& path) { return is_beside_a_result(path, seen); });
  return out;
}

}  // namespace assay
