// How the processes of one communicator meet in the library that stands for NCCL: in shared memory that is named by the
// identifier, and that no name leads to once all have come.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace simt::nccl {

using Bytes = std::vector<unsigned char>;

class Processes {
 public:
  static constexpr int kMostRanks = 16;
  /// Waits for all ranks, a minute at most.  `problem`: what is wrong, else empty; two ranks on one device is, as it is
  /// to NCCL: every process counts its own devices, so that they are told apart by their number alone.
  Processes(const std::string& name, int ranks, int rank, int device, std::string& problem);
  ~Processes();
  Processes(const Processes&) = delete;
  Processes& operator=(const Processes&) = delete;

  int size() const { return ranks_; }
  /// Every rank's message, in rank order: of any length each.  Empty where abort() came in between.
  std::vector<Bytes> all_gather(const Bytes& mine);
  /// Nobody waits here any more.
  void abort() { aborted_ = true; }

 private:
  struct Shared;
  bool wait_until(const std::atomic<std::uint64_t>& counter, std::uint64_t value, double seconds) const;
  bool barrier();
  unsigned char* piece(int rank) const;
  std::string attach(int device);

  const std::string name_;
  const int ranks_, rank_;
  Shared* shared_ = nullptr;
  std::atomic<bool> aborted_{false};
};

}  // namespace simt::nccl
