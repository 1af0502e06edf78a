// All-reduce of messages of a few cache lines, where the time is that of moving a line between cores, and each line
// moved one after the other counts: data and the mark that it has come travel in one 64-bit word, which a processor
// stores and loads whole (as NCCL's protocol LL does).  There is no counter to be polled before data is read.
//
// Every rank writes its input into its box, as words of 32 bits of data and the launch's number, and reads all others'
// boxes until every word carries that number.  A box has two halves used in turn: a rank overwrites a half only after
// it has all others' words of the launch between, which they sent after reading this half.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/collectives/rank_algorithm.h"

namespace assay {

/// Above this, words half full of marks cost more than a counter does (measured between near cores).
inline constexpr std::int64_t kLowLatencyBytes = 32;

/// Most that the algorithm takes where it is asked for by name.
inline constexpr std::int64_t kMostLowLatencyBytes = 64 << 10;

class LowLatencyMember final : public RankAlgorithm {
 public:
  LowLatencyMember(const CollectiveProblem& problem, const ShmMember& member, std::byte* boxes);
  void run(const void* input, void* output) override;
  /// Of all ranks' boxes.
  static std::size_t shared_bytes(const CollectiveProblem& problem);

 private:
  using Word = std::atomic<std::uint64_t>;
  Word* box(int rank) const;
  void send(const std::byte* input);
  void receive(int rank);

  ShmMember member_;
  DType dtype_;
  std::int64_t count_;
  std::size_t bytes_, words_;
  Word* boxes_;
  std::uint32_t launch_ = 0;
  std::vector<std::vector<std::uint32_t>> received_;  // [ranks][words]
  std::vector<const void*> summands_;                 // in rank order on every rank, so that all round alike
};

}  // namespace assay
