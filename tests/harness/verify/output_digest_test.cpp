#include "harness/verify/output_digest.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace assay {
namespace {

std::vector<unsigned char> sample(std::size_t bytes) {
  std::vector<unsigned char> out(bytes);
  for (std::size_t i = 0; i < bytes; ++i) out[i] = static_cast<unsigned char>(RandomStream(7, 0).bits(i));
  return out;
}

TEST(OutputDigest, IsTheSameForAnyNumberOfThreadsAndPieces) {
  const auto data = sample((std::size_t(3) << 20) + 5);
  const std::uint64_t whole = output_digest(data.data(), data.size(), 1);
  EXPECT_EQ(output_digest(data.data(), data.size(), 2), whole);
  const std::size_t cut = std::size_t(1) << 20;
  EXPECT_EQ(output_digest(data.data(), cut, 1) + output_digest(data.data() + cut, data.size() - cut, 1, cut / 8),
            whole);
}

TEST(OutputDigest, ChangesWithEveryBit) {
  auto data = sample(8 * 9 + 3);  // a last word of three bytes
  const std::uint64_t golden = output_digest(data.data(), data.size(), 1);
  for (std::size_t bit = 0; bit < 8 * data.size(); ++bit) {
    data[bit / 8] ^= static_cast<unsigned char>(1u << bit % 8);
    EXPECT_NE(output_digest(data.data(), data.size(), 1), golden) << "bit " << bit;
    data[bit / 8] ^= static_cast<unsigned char>(1u << bit % 8);
  }
}

TEST(OutputDigest, KnowsWhichWordIsWhere) {
  const std::uint64_t ab[] = {1, 2}, ba[] = {2, 1}, zeros[] = {0, 0};
  EXPECT_NE(output_digest(ab, sizeof ab, 1), output_digest(ba, sizeof ba, 1));
  EXPECT_NE(output_digest(zeros, 8, 1), output_digest(zeros, 16, 1));
}

TEST(OutputDigest, IsTheOneThatResultsHold) {
  // Changing it makes every golden digest of older results incomparable.
  const std::uint64_t words[] = {0, 1, 0x0123456789abcdef};
  EXPECT_EQ(digest_of_word(0, 0), 0xe220a8397b1dcdafu) << "splitmix64's first number of seed 0";
  EXPECT_EQ(output_digest(words, sizeof words, 1),
            digest_of_word(0, 0) + digest_of_word(1, 1) + digest_of_word(2, 0x0123456789abcdef));
}

}  // namespace
}  // namespace assay
