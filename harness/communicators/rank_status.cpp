#include "harness/communicators/rank_status.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array kNames = {"none", "barrier", "maximum", "broadcast", "gather", "launch", "finish", "exchange"};

OperationKind kind_from(const std::string& text) {
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (text == kNames[i]) return OperationKind(i);
  throw std::runtime_error("no operation is called " + text);
}

std::string host_name() {
  char text[256] = "";
  ::gethostname(text, sizeof text - 1);
  return text;
}

/// The running system and, in it, the container: two containers of one host count their processes each from 1.
std::string pid_space() {
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  std::error_code failed;
  return boot + " " + std::filesystem::read_symlink("/proc/self/ns/pid", failed).string();
}

}  // namespace

const char* name(OperationKind kind) { return kNames[std::size_t(kind)]; }

RankIdentity identify(int rank) { return {rank, host_name(), int(::getpid()), pid_space()}; }

Json to_json(const RankIdentity& who) {
  return {{"rank", who.rank}, {"host", who.host}, {"pid", who.pid}, {"pid_space", who.pid_space}};
}

RankIdentity identity_from_json(const Json& json) {
  return {json.at("rank").get<int>(), json.at("host").get<std::string>(), json.at("pid").get<int>(),
          json.at("pid_space").get<std::string>()};
}

Json to_json(const RankStatus& status) {
  return {{"operation", status.operation}, {"kind", name(status.kind)}, {"bytes", status.bytes},
          {"inside", status.inside},       {"seconds", status.seconds}, {"doing", status.doing},
          {"device", status.device}};
}

RankStatus status_from_json(const Json& json) {
  return {json.at("operation").get<std::int64_t>(), kind_from(json.at("kind").get<std::string>()),
          json.at("bytes").get<double>(),           json.at("inside").get<bool>(),
          json.at("seconds").get<double>(),         json.at("doing").get<std::string>(),
          json.at("device").get<std::string>()};
}

std::string describe(const RankIdentity& who, const RankStatus& status) {
  if (who.pid == 0) return fmt::format("rank {}", who.rank);
  return fmt::format("rank {} ({}, pid {}{}{})", who.rank, who.host, who.pid, status.device.empty() ? "" : ", ",
                     status.device);
}

std::string describe(const RankStatus& status) {
  const std::string what = status.operation == 0
                               ? std::string("no operation yet")
                               : fmt::format("{}operation {}, {} of {:.0f} bytes", status.inside ? "in " : "done with ",
                                             status.operation, name(status.kind), status.bytes);
  return fmt::format("{}, for {:.1f} s{}{}", what, status.seconds, status.doing.empty() ? "" : ", while ",
                     status.doing);
}

void StatusBoard::count(OperationKind kind, double bytes) {
  ++status_.operation;
  status_.kind = kind;
  status_.bytes = bytes;
  // FNV-1a; texts differ in size by right.  A skipped, added or exchanged operation changes it for good.
  constexpr std::uint64_t kPrime = 0x100000001b3;
  digest_ = (digest_ ^ std::uint64_t(kind)) * kPrime;
  if (kind == OperationKind::launch) digest_ = (digest_ ^ std::uint64_t(bytes)) * kPrime;
}

/// What launch() left to be written down.
void StatusBoard::enter_launch() {
  if (launching_.exchange(false)) count(OperationKind::launch, launch_bytes_);
}

void StatusBoard::begin(OperationKind kind, double bytes) {
  const double now = monotonic_seconds();
  const std::scoped_lock lock(mutex_);
  enter_launch();
  count(kind, bytes);
  status_.inside = true;
  since_ = now;
}

void StatusBoard::end() {
  const double now = monotonic_seconds();
  const std::scoped_lock lock(mutex_);
  status_.inside = false;
  since_ = now;
}

void StatusBoard::begin_barrier_before_launch(double bytes) {
  begin(OperationKind::barrier, 0);
  const std::scoped_lock lock(mutex_);
  launch_bytes_ = bytes;
}

void StatusBoard::end_launch() {
  {
    const std::scoped_lock lock(mutex_);
    enter_launch();
  }
  end();
}

void StatusBoard::doing(const std::string& what, const std::string& device) {
  const std::scoped_lock lock(mutex_);
  status_.doing = what;
  if (!device.empty()) status_.device = device;
}

void StatusBoard::goes_on() {
  const double now = monotonic_seconds();
  const std::scoped_lock lock(mutex_);
  since_ = seen_since_ = now;
}

RankStatus StatusBoard::read() const {
  const double now = monotonic_seconds();
  const std::scoped_lock lock(mutex_);
  RankStatus status = status_;
  status.seconds = since_ > 0 ? std::max(0.0, now - since_) : 0;
  if (!launching_.load(std::memory_order_acquire)) return status;
  if (seen_launch_ != status.operation) {
    seen_launch_ = status.operation;
    seen_since_ = now;
  }
  ++status.operation;
  status.kind = OperationKind::launch;
  status.bytes = launch_bytes_;
  status.seconds = now - seen_since_;
  return status;
}

std::uint64_t StatusBoard::digest() const {
  const std::scoped_lock lock(mutex_);
  return digest_;
}

double monotonic_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace assay
