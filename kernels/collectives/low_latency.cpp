#include "kernels/collectives/low_latency.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include "kernels/collectives/vector_sum.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace assay {
namespace {

/// 4 bytes of data and the mark, anywhere.
class Word8 {
 public:
  static constexpr std::size_t kPayload = 4;
  void store(std::uint32_t mark, const std::byte* data) {
    std::uint32_t low;
    std::memcpy(&low, data, sizeof low);
    whole_.store(std::uint64_t(mark) << 32 | low, std::memory_order_relaxed);
  }
  /// Whether the mark was there; the data is right only then.
  bool load(std::uint32_t mark, std::byte* data) const {
    const std::uint64_t whole = whole_.load(std::memory_order_relaxed);
    const auto low = std::uint32_t(whole);
    std::memcpy(data, &low, sizeof low);
    return whole >> 32 == mark;
  }

 private:
  std::atomic<std::uint64_t> whole_;
};

#ifdef __SSE2__
/// 12 bytes of data and the mark, where a processor with AVX moves them whole.  ThreadSanitizer knows atomic types
/// only.
class Word16 {
 public:
  static constexpr std::size_t kPayload = 12;
  __attribute__((no_sanitize("thread"))) void store(std::uint32_t mark, const std::byte* data) {
    std::uint64_t low;
    std::uint32_t high;
    std::memcpy(&low, data, sizeof low);
    std::memcpy(&high, data + sizeof low, sizeof high);
    const __m128i whole = _mm_set_epi64x((long long)(std::uint64_t(mark) << 32 | high), (long long)low);
    asm volatile("movdqa %1, %0" : "=m"(whole_) : "x"(whole));
  }
  __attribute__((no_sanitize("thread"))) bool load(std::uint32_t mark, std::byte* data) const {
    __m128i whole;
    asm volatile("movdqa %1, %0" : "=x"(whole) : "m"(whole_));
    const std::uint64_t low = std::uint64_t(_mm_cvtsi128_si64(whole));
    const std::uint64_t top = std::uint64_t(_mm_cvtsi128_si64(_mm_unpackhi_epi64(whole, whole)));
    const auto high = std::uint32_t(top);
    std::memcpy(data, &low, sizeof low);
    std::memcpy(data + sizeof low, &high, sizeof high);
    return top >> 32 == mark;
  }

 private:
  __m128i whole_;
};
static_assert(sizeof(Word16) == 16 && alignof(Word16) == 16);
#endif

constexpr std::size_t kLine = 64;

/// Asks for lines that will be written, so that they come side by side and not one behind the other as stores are made.
void own_lines(const void* from, std::size_t bytes) {
#ifdef __SSE2__
  const char* const at = static_cast<const char*>(from);
  for (std::size_t i = 0; i < bytes; i += kLine) asm volatile("prefetchw %0" : : "m"(at[i]));
#endif
}

std::size_t divide_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

/// Of a half of a box: whole pairs of cache lines, so that the prefetcher fetches nothing of a neighbour's.
template <class Word>
std::size_t half_words(const CollectiveProblem& problem) {
  constexpr std::size_t kPair = 128 / sizeof(Word);
  return divide_up(divide_up(std::size_t(problem.bytes()), Word::kPayload), kPair) * kPair;
}

template <class Word>
class LowLatencyMember final : public RankAlgorithm {
 public:
  LowLatencyMember(const CollectiveProblem& problem, const ShmMember& member, std::byte* boxes)
      : member_(member),
        dtype_(problem.dtype),
        count_(problem.count),
        bytes_(std::size_t(problem.bytes())),
        half_(half_words<Word>(problem)),
        boxes_(reinterpret_cast<Word*>(boxes)),
        received_(std::size_t(problem.peers.ranks),
                  std::vector<std::byte>(divide_up(bytes_, Word::kPayload) * Word::kPayload)),
        summands_(received_.size()) {
    for (std::size_t r = 0; r < summands_.size(); ++r) summands_[r] = received_[r].data();
  }

  void run(const void* input, void* output) override {
    ++launch_;
    summands_[std::size_t(member_.rank())] = input;
    send(static_cast<const std::byte*>(input));
    // While the others' words are on their way.  A store to a line that is not here would hold back the next launch's.
    own_lines(output, bytes_);
    for (int i = 1; i < member_.ranks(); ++i) receive((member_.rank() + i) % member_.ranks());
    const Destination to{output};
    sum_elements(dtype_, summands_, {&to, 1}, count_);
    // The next launch's half: all have read it, since all have sent this launch's words.
    own_lines(box(member_.rank(), launch_ + 1), half_ * sizeof(Word));
  }

 private:
  static constexpr std::size_t kWordsOfLine = kLine / sizeof(Word);

  Word* box(int rank, std::uint32_t launch) const { return boxes_ + half_ * (2 * std::size_t(rank) + launch % 2); }

  void send(const std::byte* input) {
    Word* word = box(member_.rank(), launch_);
    std::size_t at = 0;
    for (; at + Word::kPayload <= bytes_; at += Word::kPayload) (word++)->store(launch_, input + at);
    if (at == bytes_) return;
    std::byte last[Word::kPayload] = {};
    std::memcpy(last, input + at, bytes_ - at);
    word->store(launch_, last);
  }

  /// A line's last word first: whoever looks at a line while it is written takes it from the writer.
  void receive(int rank) {
    const Word* const words = box(rank, launch_);
    std::byte* const data = received_[std::size_t(rank)].data();
    const std::size_t count = received_[std::size_t(rank)].size() / Word::kPayload;
    const auto await = [&](std::size_t w) {
      std::byte* const to = data + w * Word::kPayload;
      if (!words[w].load(launch_, to)) member_.wait_until([&] { return words[w].load(launch_, to); }, rank);
    };
    for (std::size_t line = 0; line < count; line += kWordsOfLine)
      for (std::size_t w = std::min(line + kWordsOfLine, count); w-- > line;) await(w);
  }

  ShmMember member_;
  DType dtype_;
  std::int64_t count_;
  std::size_t bytes_, half_;
  Word* boxes_;
  std::uint32_t launch_ = 0;
  std::vector<std::vector<std::byte>> received_;  // [ranks][words' data]
  std::vector<const void*> summands_;             // in rank order on every rank, so that all round alike
};

}  // namespace

int low_latency_word_bytes() {
#ifdef __SSE2__
  if (__builtin_cpu_supports("avx")) return 16;
#endif
  return 8;
}

// Measured between near and far cores, cold buffers: at 64 to 512 bytes 1.0 to 2.0 times as fast as a counter, at 1 KiB
// as often slower as faster, at 2 KiB 0.75 times.
std::int64_t low_latency_bytes() { return low_latency_word_bytes() == 16 ? 512 : 32; }

std::size_t low_latency_shared_bytes(const CollectiveProblem& problem) {
  return 2 * half_words<Word8>(problem) * sizeof(Word8) * std::size_t(problem.peers.ranks);
}

std::unique_ptr<RankAlgorithm> make_low_latency(const CollectiveProblem& problem, const ShmMember& member,
                                                std::byte* boxes, int word_bytes) {
#ifdef __SSE2__
  if (word_bytes == 16) return std::make_unique<LowLatencyMember<Word16>>(problem, member, boxes);
#endif
  return std::make_unique<LowLatencyMember<Word8>>(problem, member, boxes);
}

}  // namespace assay
