#include "kernels/collectives/window_direct.h"

#include <algorithm>
#include <chrono>

namespace assay {
namespace {

// From here on inputs and outputs of two ranks are more than a last-level cache of 32 MiB.
constexpr std::int64_t kStreamingBytes = 16 << 20;

// Below this, stores past the caches were never faster.
constexpr std::int64_t kLeastTrialBytes = 32 << 10;

constexpr std::int64_t kAlignment = 64;  // bytes: a cache line, which two ranks must not share, and a vector store

}  // namespace

WindowDirectMember::WindowDirectMember(const CollectiveProblem& problem, const ShmMember& member,
                                       std::vector<std::byte*> pieces)
    : problem_(problem),
      member_(member),
      pieces_(std::move(pieces)),
      size_(std::int64_t(size_bytes(problem.dtype))),
      store_(problem.bytes() >= kStreamingBytes ? StoreKind::streaming : StoreKind::cached),
      sources_(pieces_.size()),
      destinations_(pieces_.size()) {}

bool WindowDirectMember::tries() const {
  return problem_.bytes() >= kLeastTrialBytes && problem_.bytes() < kStreamingBytes;
}

void WindowDirectMember::choose_store() {
  if (!tries()) return;
  const bool streaming = (member_.told_by(0) != 0) != StoreTrials::is_trial(launches_);
  store_ = streaming ? StoreKind::streaming : StoreKind::cached;
}

void WindowDirectMember::run(const void* input, void* output) {
  using Clock = std::chrono::steady_clock;
  const bool times = tries() && member_.rank() == 0;
  if (times) member_.tell(trials_.streaming());
  member_.finish(Phase::first);
  member_.wait_for_all(Phase::first, launches_ + 1);
  const auto start = times ? Clock::now() : Clock::time_point();
  choose_store();
  transfer(static_cast<const std::byte*>(input), static_cast<std::byte*>(output));
  if (store_ == StoreKind::streaming) complete_streaming_stores();
  member_.finish(Phase::second);
  member_.wait_for_all(Phase::second, launches_ + 1);
  if (times) trials_.add(launches_, std::chrono::duration<double>(Clock::now() - start).count());
  ++launches_;
}

// In place, all_gather's inputs lie at different offsets of the pieces: part r of rank r's output.
const void* WindowDirectMember::input_of(int rank, const std::byte* input, std::int64_t elements) const {
  if (problem_.in_place && problem_.operation == Collective::all_gather)
    elements += (rank - member_.rank()) * problem_.part();
  return at(rank, input) + elements * size_;
}

void WindowDirectMember::transfer(const std::byte* input, std::byte* output) {
  const int n = member_.ranks(), rank = member_.rank();
  const std::int64_t part = problem_.part();
  const auto copy = [&](int from, std::int64_t from_element, std::int64_t to_element, std::int64_t count) {
    copy_elements(problem_.dtype, input_of(from, input, from_element), {output + to_element * size_, store_}, count);
  };
  switch (problem_.operation) {
    case Collective::all_reduce:
      return sum_segment(input, output);
    case Collective::reduce_scatter: {
      for (int r = 0; r < n; ++r) sources_[std::size_t(r)] = input_of(r, input, rank * part);
      const Destination to{output, store_};
      return sum_elements(problem_.dtype, sources_, {&to, 1}, part);
    }
    case Collective::broadcast:
      if (!problem_.in_place || rank != problem_.root) copy(problem_.root, 0, 0, problem_.count);
      return;
    case Collective::send_recv:
      return copy((rank + n - 1) % n, 0, 0, problem_.count);
    case Collective::all_gather:
    case Collective::all_to_all:
      // Each starts with its neighbour, so that not all read from one.
      for (int i = 1; i <= n; ++i) {
        const int from = (rank + i) % n;
        if (problem_.operation == Collective::all_to_all)
          copy(from, rank * part, from * part, part);
        else if (!problem_.in_place || from != rank)
          copy(from, 0, from * part, part);
      }
  }
}

void WindowDirectMember::sum_segment(const std::byte* input, std::byte* output) {
  const std::int64_t n = member_.ranks(), unit = kAlignment / size_;
  const std::int64_t segment = ((problem_.count + n - 1) / n + unit - 1) / unit * unit;
  const std::int64_t first = std::min(member_.rank() * segment, problem_.count);
  for (int r = 0; r < n; ++r) {
    sources_[std::size_t(r)] = at(r, input) + first * size_;
    destinations_[std::size_t(r)] = {at(r, output) + first * size_, store_};
  }
  sum_elements(problem_.dtype, sources_, destinations_, std::min(segment, problem_.count - first));
}

}  // namespace assay
