#include "tests/simt/runtime/nccl_processes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace simt::nccl {
namespace {

constexpr std::size_t kPieceBytes = 1 << 18;  // that a rank shows the others at once: longer messages go in pieces
constexpr double kMeetingSeconds = 60;
constexpr double kCollectiveSeconds = 200;  // longer than a kernel of another rank may take to be simulated
constexpr auto kSleep = std::chrono::microseconds(50);

}  // namespace

struct Processes::Shared {
  std::atomic<std::uint64_t> attached, arrived;  // ranks; ranks at barriers so far
  std::uint64_t length[kMostRanks];
  int device[kMostRanks];
};

Processes::Processes(const std::string& name, int ranks, int rank, int device, std::string& problem)
    : name_(name), ranks_(ranks), rank_(rank) {
  problem = ranks < 1 || ranks > kMostRanks || rank < 0 || rank >= ranks
                ? "rank " + std::to_string(rank) + " of " + std::to_string(ranks) + ": at most " +
                      std::to_string(kMostRanks) + " meet here"
                : attach(device);
}

Processes::~Processes() {
  if (shared_) ::munmap(shared_, sizeof(Shared) + std::size_t(ranks_) * kPieceBytes);
}

std::string Processes::attach(int device) {
  const std::size_t bytes = sizeof(Shared) + std::size_t(ranks_) * kPieceBytes;
  const int file = ::shm_open(name_.c_str(), O_CREAT | O_RDWR, 0600);
  void* memory = MAP_FAILED;
  if (file >= 0 && ::ftruncate(file, off_t(bytes)) == 0)  // new memory is zeros, which is how all of it begins
    memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  const std::string why = std::strerror(errno);
  if (file >= 0) ::close(file);
  if (memory == MAP_FAILED) return name_ + ": " + why;
  shared_ = static_cast<Shared*>(memory);
  shared_->device[rank_] = device;
  shared_->attached.fetch_add(1);
  const bool all = wait_until(shared_->attached, std::uint64_t(ranks_), kMeetingSeconds);
  if (!all || rank_ == 0) ::shm_unlink(name_.c_str());
  if (!all)
    return "rank " + std::to_string(rank_) +
           " waited a minute for the others: " + std::to_string(shared_->attached.load()) + " of " +
           std::to_string(ranks_) + " came";
  for (int other = 0; other < ranks_; ++other)
    if (other != rank_ && shared_->device[other] == device)
      return "Duplicate GPU detected: rank " + std::to_string(rank_) + " and rank " + std::to_string(other) +
             " both on device " + std::to_string(device);
  return {};
}

unsigned char* Processes::piece(int rank) const {
  return reinterpret_cast<unsigned char*>(shared_ + 1) + std::size_t(rank) * kPieceBytes;
}

bool Processes::wait_until(const std::atomic<std::uint64_t>& counter, std::uint64_t value, double seconds) const {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (counter.load() < value) {
    if (aborted_ || std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(kSleep);
  }
  return true;
}

/// The counter only grows: the ranks of one barrier bring it to the next multiple.
bool Processes::barrier() {
  const std::uint64_t n = std::uint64_t(ranks_), mine = shared_->arrived.fetch_add(1);
  if (wait_until(shared_->arrived, (mine / n + 1) * n, kCollectiveSeconds)) return true;
  if (aborted_) return false;
  std::fprintf(stderr, "the stand-in for NCCL: rank %d waited %.0f s in a collective\n", rank_, kCollectiveSeconds);
  std::_Exit(70);  // EX_SOFTWARE
}

std::vector<Bytes> Processes::all_gather(const Bytes& mine) {
  shared_->length[rank_] = mine.size();
  if (!barrier()) return {};
  std::vector<Bytes> all;
  std::size_t longest = 0;
  for (int rank = 0; rank < ranks_; ++rank) {
    all.emplace_back(shared_->length[rank]);
    longest = std::max(longest, all.back().size());
  }
  for (std::size_t first = 0; first < longest; first += kPieceBytes) {
    const auto part = [&](std::size_t size) { return first < size ? std::min(kPieceBytes, size - first) : 0; };
    if (const std::size_t bytes = part(mine.size())) std::memcpy(piece(rank_), mine.data() + first, bytes);
    if (!barrier()) return {};
    for (int rank = 0; rank < ranks_; ++rank) {
      Bytes& to = all[std::size_t(rank)];
      if (const std::size_t bytes = part(to.size())) std::memcpy(to.data() + first, piece(rank), bytes);
    }
    if (!barrier()) return {};
  }
  if (longest == 0 && !barrier()) return {};  // lengths have been read
  return all;
}

}  // namespace simt::nccl
