// A digest that many threads, or a GPU's, can take of one output in any order: the sum, modulo 2^64, of a mix of each
// 8-byte word and its place.  The mix is a bijection of the word at each place, so that one changed word always changes
// the sum, whatever bits of it changed; several changes cancel with a probability of 2^-64.  Not for anything that must
// resist an adversary.
#pragma once
#include <cstddef>
#include <cstdint>

#include "harness/verify/random.h"

namespace assay {

/// What word number `place` of an output adds.
constexpr std::uint64_t digest_of_word(std::uint64_t place, std::uint64_t word) {
  constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15u;  // 2^64 over the golden ratio: neighbours land far apart
  return mix64(word + (place + 1) * kStep);
}

/// Of `bytes` bytes, in up to `threads` threads; the same for any number of them.  A last word that is not full is
/// filled up with zeros.  `first_place`: of the first word, for an output that comes in pieces of whole words, whose
/// digests add up.
std::uint64_t output_digest(const void* data, std::size_t bytes, int threads, std::uint64_t first_place = 0);

/// Several tensors' digests as one that depends on their order.
constexpr std::uint64_t join_digests(std::uint64_t first, std::uint64_t second) {
  return mix64(first + 0x9e3779b97f4a7c15u) + second;
}

}  // namespace assay
