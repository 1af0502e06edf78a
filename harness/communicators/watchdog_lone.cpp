// The watchdog of a process that measures alone: nobody waits for it, but it must not hang for ever either.
#include <fmt/format.h>

#include <cstdlib>

#include "harness/communicators/watchdog.h"
#include "harness/core/error.h"

namespace assay {
namespace {

constexpr int kHangs = int(ExitCode::could_not_measure);

class LoneWatchdog final : public Watchdog {
 public:
  explicit LoneWatchdog(double deadline) : Watchdog(identify(0), deadline) {
    board().goes_on();  // seconds count from here, whether or not there is ever an operation
    start();
  }
  ~LoneWatchdog() override { stop(); }

  void end_all(int) override {}

  void give_up(const Loss& loss) override {
    say(fmt::format("assay: {}\n", loss.what));
    std::_Exit(kHangs);
  }

 private:
  std::vector<pollfd> awaited() const override { return {}; }

  void step(double, bool) override {
    const RankStatus mine = board().read();
    if (!(mine.seconds > kIdleDeadlines * deadline())) return;
    const std::string why = fmt::format("{} does not go on: nothing in it has ended for {:.1f} s",
                                        mine.doing.empty() ? "what it does" : mine.doing, mine.seconds);
    say(fmt::format("assay: {} ({:.0f} times --timeout)\n{}", why, kIdleDeadlines, save(why)));
    std::_Exit(kHangs);
  }
};

}  // namespace

std::unique_ptr<Watchdog> make_lone_watchdog(double deadline) { return std::make_unique<LoneWatchdog>(deadline); }

}  // namespace assay
