// All-reduce of small messages, where the time is that of moving cache lines between cores, and each trip that waits
// for another counts: data and the mark that it has come travel in one word, which a processor stores and loads whole
// (as NCCL's protocols LL and LL128 do).  There is no counter to be polled before data is read: the lines of a message
// come one behind the other, in one trip.
//
// Words are of 16 bytes, 12 of data and 4 of mark, where the processor moves aligned 16 bytes whole, and of 8 bytes,
// half data, elsewhere.  x86 processors with AVX do (Intel 64 and IA-32 Architectures Software Developer's Manual,
// volume 3, 9.1.1; AMD64 Architecture Programmer's Manual, volume 2, 7.3.2).
//
// Every rank writes its input into its box, as words that carry the launch's number, and reads all others' boxes until
// every word carries that number.  A box has two halves used in turn: a rank overwrites a half only after it has all
// others' words of the launch between, which they sent after reading this half.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/collectives/rank_algorithm.h"

namespace assay {

/// Most that the algorithm takes where it is asked for by name.
inline constexpr std::int64_t kMostLowLatencyBytes = 64 << 10;

/// Up to here it is faster than a counter and whole lines of data, for this processor's words.
std::int64_t low_latency_bytes();

/// Of all ranks' boxes, whatever the words.
std::size_t low_latency_shared_bytes(const CollectiveProblem&);

/// Bytes of a word on this processor: 16 or 8.
int low_latency_word_bytes();

/// `boxes`: low_latency_shared_bytes() zeroed bytes shared by all ranks, 128-byte aligned; outlives the algorithm.
/// `word_bytes` is the same on every rank.
std::unique_ptr<RankAlgorithm> make_low_latency(const CollectiveProblem&, const ShmMember&, std::byte* boxes,
                                                int word_bytes = low_latency_word_bytes());

}  // namespace assay
