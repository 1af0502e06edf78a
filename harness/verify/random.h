// Counter-based random numbers (splitmix64): number i of a stream depends on the stream's key and i alone, so that any
// thread can make any part.
#pragma once
#include <cstdint>

namespace assay {

/// The finaliser of splitmix64 (Steele, Lea, Flood 2014; constants by Stafford, "mix 13").
constexpr std::uint64_t mix64(std::uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

class RandomStream {
 public:
  constexpr RandomStream(std::uint64_t seed, std::uint64_t stream)
      : key_(mix64(mix64(seed + kStep) + stream * kStep)) {}
  constexpr std::uint64_t bits(std::uint64_t index) const { return mix64(key_ + (index + 1) * kStep); }
  /// In [0, bound), bound < 2^32: the bias of the multiplication, bound / 2^32, matters to no one here.
  constexpr std::uint64_t below(std::uint64_t bound, std::uint64_t index) const {
    return (bits(index) >> 32) * bound >> 32;
  }

 private:
  static constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15u;  // 2^64 over the golden ratio
  std::uint64_t key_;
};

}  // namespace assay
