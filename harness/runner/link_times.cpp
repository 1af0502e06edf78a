#include "harness/runner/link_times.h"

#include <algorithm>

#include <fmt/format.h>

#include "harness/core/error.h"

namespace assay {
namespace {

constexpr int kMessages = 12;  // of a pair, both ways at once; one more before them opens the connection

int partner_of(int rank, const Round& round) {
  for (const RankPair& pair : round) {
    if (pair.first == rank) return pair.second;
    if (pair.second == rank) return pair.first;
  }
  return -1;
}

/// Bytes that depend on the sender, and on where they stand.
std::vector<unsigned char> message_from(int rank, std::size_t bytes) {
  std::vector<unsigned char> out(bytes);
  for (std::size_t i = 0; i < bytes; ++i)
    out[i] = static_cast<unsigned char>(i * 31 + std::size_t(rank) * 7 + (i >> 8));
  return out;
}

}  // namespace

std::vector<PairTimes> time_pairs(Communicator& ranks, const std::vector<Round>& rounds, std::size_t bytes,
                                  const std::function<double()>& now) {
  const auto sent = message_from(ranks.rank(), bytes);
  std::vector<unsigned char> received(bytes);
  std::vector<PairTimes> out;
  for (const Round& round : rounds) {
    const int partner = partner_of(ranks.rank(), round);
    std::vector<double> seconds;
    ranks.barrier();
    for (int i = 0; i <= kMessages; ++i) {
      const double before = now();
      ranks.exchange(sent.data(), partner, received.data(), partner, bytes);
      if (i > 0) seconds.push_back(now() - before);
    }
    if (partner < 0) continue;
    if (received != message_from(partner, bytes))
      throw Error(ExitCode::wrong_numbers,
                  fmt::format("a message of {} bytes from rank {} came otherwise than it was sent", bytes, partner));
    if (ranks.rank() < partner) out.push_back({{ranks.rank(), partner}, std::move(seconds)});
  }
  return out;
}

}  // namespace assay
