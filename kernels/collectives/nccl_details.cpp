#include "kernels/collectives/nccl_details.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <stdexcept>

#include "kernels/collectives/nccl_log.h"

namespace assay {
namespace {

Detail known(const char* name, std::variant<std::monostate, double, std::string> value) {
  return {name, std::move(value), {}};
}
Detail unknown(const char* name, const std::string& why) { return {name, {}, why}; }

Detail predicted(NcclGroup& group, const std::function<ncclResult_t(int local)>& enqueue) {
  constexpr const char* name = "predicted_seconds";
  if (!group.nccl().group_simulate_end)
    return unknown(name,
                   "NCCL " + nccl_version_text(group.nccl().version()) + " predicts no times: 2.22 or later does");
  const double microseconds = group.predict(enqueue);
  if (!(microseconds > 0)) return unknown(name, "NCCL has no prediction for this operation");
  return known(name, microseconds * 1e-6);
}

/// A file of our own, gone at the end.
class TemporaryFile {
 public:
  TemporaryFile() {
    std::string path = (std::filesystem::temp_directory_path() / "assay-nccl-XXXXXX").string();
    const int file = ::mkstemp(path.data());
    if (file < 0) throw std::runtime_error(path + ": cannot be made, for NCCL's log");
    ::close(file);
    path_ = path;
  }
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }
  std::string text() const {
    std::ifstream in(path_);
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  std::string path_;
};

/// NCCL's log of what `launch` does, by way of that file.
std::string log_of(const NcclLibrary& nccl, const TemporaryFile& file, const std::function<void()>& launch) {
  const auto launch_logged = [&] {
    const ScopedVariable level("NCCL_DEBUG", "INFO"), subsystem("NCCL_DEBUG_SUBSYS", "TUNING"),
        path("NCCL_DEBUG_FILE", file.path());
    nccl.reset_debug_init();
    launch();
  };
  try {
    launch_logged();
  } catch (...) {
    nccl.reset_debug_init();
    throw;
  }
  nccl.reset_debug_init();  // the environment is what it was: so is the log
  return file.text();
}

/// Else `file` is there.
std::string why_no_log(const NcclLibrary& nccl, std::optional<TemporaryFile>& file) {
  if (std::getenv("NCCL_DEBUG")) return "NCCL_DEBUG is set: NCCL's log, which is the user's then, says it";
  if (!nccl.reset_debug_init)
    return "NCCL " + nccl_version_text(nccl.version()) + " has no ncclResetDebugInit, and says it in its log alone";
  try {
    file.emplace();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

}  // namespace

ScopedVariable::ScopedVariable(const char* name, const std::string& value) : name_(name) {
  if (const char* before = std::getenv(name)) was_set_ = true, before_ = before;
  ::setenv(name, value.c_str(), 1);
}

ScopedVariable::~ScopedVariable() {
  if (was_set_)
    ::setenv(name_.c_str(), before_.c_str(), 1);
  else
    ::unsetenv(name_.c_str());
}

std::vector<Detail> nccl_details(NcclGroup& group, const CollectivePeers& peers, const char* function,
                                 const std::function<ncclResult_t(int local)>& enqueue,
                                 const std::function<void()>& launch) {
  const bool reads_log = peers.first_local == 0;
  std::optional<TemporaryFile> file;
  std::string why = reads_log ? why_no_log(group.nccl(), file) : "";
  if (peers.meeting) why = peers.meeting->broadcast(why);
  std::optional<NcclChoice> choice;
  if (why.empty() && reads_log) {
    choice = find_nccl_choice(log_of(group.nccl(), *file, launch), function);
    if (!choice) why = "NCCL's log does not name it (point-to-point has none)";
  } else if (why.empty()) {
    launch();
    why = "rank 0 tells it";
  }
  std::vector<Detail> out = {predicted(group, enqueue)};
  if (!choice) {
    for (const char* name : {"algorithm", "protocol", "channels"}) out.push_back(unknown(name, why));
    return out;
  }
  out.push_back(known("algorithm", choice->algorithm));
  out.push_back(choice->protocol.empty() ? unknown("protocol", "symmetric kernels have none")
                                         : known("protocol", choice->protocol));
  out.push_back(choice->channels > 0 ? known("channels", double(choice->channels))
                                     : unknown("channels", "this NCCL's log does not say"));
  return out;
}

}  // namespace assay
