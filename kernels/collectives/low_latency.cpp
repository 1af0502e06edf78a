#include "kernels/collectives/low_latency.h"

#include <cstring>

#include "kernels/collectives/vector_sum.h"

namespace assay {
namespace {

constexpr std::size_t kPayload = 4;  // bytes of a word that are data

std::size_t words_of(const CollectiveProblem& problem) {
  return (std::size_t(problem.bytes()) + kPayload - 1) / kPayload;
}

// A half of a box: whole pairs of cache lines, so that the prefetcher fetches nothing of a neighbour's.
std::size_t half_words(const CollectiveProblem& problem) {
  constexpr std::size_t kPair = 128 / sizeof(std::uint64_t);
  return (words_of(problem) + kPair - 1) / kPair * kPair;
}

}  // namespace

std::size_t LowLatencyMember::shared_bytes(const CollectiveProblem& problem) {
  return 2 * half_words(problem) * sizeof(Word) * std::size_t(problem.peers.ranks);
}

LowLatencyMember::LowLatencyMember(const CollectiveProblem& problem, const ShmMember& member, std::byte* boxes)
    : member_(member),
      dtype_(problem.dtype),
      count_(problem.count),
      bytes_(std::size_t(problem.bytes())),
      words_(half_words(problem)),
      boxes_(reinterpret_cast<Word*>(boxes)),
      received_(std::size_t(problem.peers.ranks), std::vector<std::uint32_t>(words_of(problem))),
      summands_(received_.size()) {
  for (std::size_t r = 0; r < summands_.size(); ++r) summands_[r] = received_[r].data();
}

LowLatencyMember::Word* LowLatencyMember::box(int rank) const {
  return boxes_ + words_ * (2 * std::size_t(rank) + launch_ % 2);
}

void LowLatencyMember::run(const void* input, void* output) {
  ++launch_;
  summands_[std::size_t(member_.rank())] = input;
  send(static_cast<const std::byte*>(input));
  for (int i = 1; i < member_.ranks(); ++i) receive((member_.rank() + i) % member_.ranks());
  const Destination to{output};
  sum_elements(dtype_, summands_, {&to, 1}, count_);
}

void LowLatencyMember::send(const std::byte* input) {
  Word* const words = box(member_.rank());
  const std::uint64_t mark = std::uint64_t(launch_) << 32;
  for (std::size_t at = 0, w = 0; at < bytes_; at += kPayload, ++w) {
    std::uint32_t data = 0;
    if (at + kPayload <= bytes_)
      std::memcpy(&data, input + at, kPayload);
    else
      std::memcpy(&data, input + at, bytes_ - at);
    words[w].store(mark | data, std::memory_order_relaxed);
  }
}

void LowLatencyMember::receive(int rank) {
  const Word* const words = box(rank);
  std::vector<std::uint32_t>& data = received_[std::size_t(rank)];
  for (std::size_t w = 0; w < data.size(); ++w) {
    std::uint64_t word = words[w].load(std::memory_order_relaxed);
    if (word >> 32 != launch_)
      member_.wait_until([&] { return (word = words[w].load(std::memory_order_relaxed)) >> 32 == launch_; }, rank);
    data[w] = std::uint32_t(word);
  }
}

}  // namespace assay
