#include "harness/verify/output_digest.h"

#include <cstring>

namespace assay {
namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);
constexpr std::size_t kWorthThreads = std::size_t(1) << 20;  // below, waking threads takes longer than summing

std::uint64_t word_at(const unsigned char* data, std::size_t i) {
  std::uint64_t word;
  std::memcpy(&word, data + i * kWord, kWord);
  return word;
}

}  // namespace

std::uint64_t output_digest(const void* data, std::size_t bytes, int threads, std::uint64_t first_place) {
  const auto* from = static_cast<const unsigned char*>(data);
  const std::size_t words = bytes / kWord, rest = bytes % kWord;
  const int team = bytes < kWorthThreads ? 1 : threads;
  std::uint64_t sum = 0;
#pragma omp parallel for simd schedule(static) num_threads(team) reduction(+ : sum) if (team > 1)
  for (std::size_t i = 0; i < words; ++i) sum += digest_of_word(first_place + i, word_at(from, i));
  if (rest > 0) {
    std::uint64_t last = 0;
    std::memcpy(&last, from + words * kWord, rest);
    sum += digest_of_word(first_place + words, last);
  }
  return sum;
}

}  // namespace assay
