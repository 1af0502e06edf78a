#include "harness/backends/ping_pong.h"

#include <algorithm>
#include <chrono>

#include "harness/backends/cores.h"

namespace assay {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kRuns = 4, kTripsPerRun = 25;
constexpr auto kPatience = std::chrono::milliseconds(1);
constexpr std::uint32_t kOver = 0xffffffff;
/// The geometric mean of 110 and 500 ns: as many times the one as the other is it.
constexpr double kNearerThan = 235e-9;

}  // namespace

// Neither side pauses while it waits: a pause is as long as what is measured.
std::optional<double> PingPong::ask() {
  const auto deadline = SteadyClock::now() + kPatience;
  double fastest = 1;
  std::uint32_t turn = 0;
  for (int run = -1; run < kRuns; ++run) {  // run -1: one trip, until the other side is there
    const auto start = SteadyClock::now();
    for (int trip = 0; trip < (run < 0 ? 1 : kTripsPerRun); ++trip) {
      line_.turn.store(++turn, std::memory_order_release);
      ++turn;
      for (int spin = 1; line_.turn.load(std::memory_order_acquire) != turn; ++spin) {
        if (spin % 256 != 0 || SteadyClock::now() < deadline) continue;
        line_.turn.store(kOver);
        return {};
      }
    }
    const double seconds = std::chrono::duration<double>(SteadyClock::now() - start).count();
    if (run >= 0) fastest = std::min(fastest, seconds / kTripsPerRun);
  }
  line_.turn.store(kOver);
  return fastest;
}

void PingPong::answer() {
  while (true) {
    const std::uint32_t turn = line_.turn.load(std::memory_order_acquire);
    if (turn == kOver) return;
    // Exchange, not store: ask() may have given up in between, and its word is the last.
    std::uint32_t expected = turn;
    if (turn % 2 == 1) line_.turn.compare_exchange_strong(expected, turn + 1, std::memory_order_acq_rel);
  }
}

Placement placement_of(std::optional<double> round_trip_seconds) {
  if (!round_trip_seconds) return Placement::none;
  return *round_trip_seconds < kNearerThan ? Placement::near : Placement::far;
}

PingPongPartner::PingPongPartner(int core) : thread_([this, core] { serve(core); }) {}

PingPongPartner::~PingPongPartner() {
  stop_ = true;
  ++asked_;
  asked_.notify_one();
  thread_.join();
}

void PingPongPartner::serve(int core) {
  settle_on(core);
  for (std::uint32_t served = 0;; ++served) {
    asked_.wait(served);
    if (stop_) return;
    line_.answer();
    answered_ = served + 1;
  }
}

std::optional<double> PingPongPartner::ask() {
  for (const auto deadline = SteadyClock::now() + kPatience; answered_ != asked_;)
    if (SteadyClock::now() > deadline) return {};  // not back from last time: something else has its core
  line_.reset();
  ++asked_;
  asked_.notify_one();
  return line_.ask();
}

}  // namespace assay
