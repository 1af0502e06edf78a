// The watchdog of a process that measures alone: nobody waits for it, but it must not hang for ever either.
#include <fmt/format.h>

#include <cstdlib>

#include "harness/communicators/watchdog.h"
#include "harness/core/error.h"

namespace assay {
namespace {

constexpr int kHangs = int(ExitCode::could_not_measure);
/// A launch that takes a little longer than allowed still ends, and is recorded as one that did.
constexpr double kLaunchDeadlines = 1.25;

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
    // Nothing can stop a kernel but the end of its process.
    const bool on_gpu = mine.inside && mine.kind == OperationKind::launch && mine.device.starts_with("gpu");
    if (on_gpu && mine.seconds > kLaunchDeadlines * deadline())
      end_here(fmt::format("a launch on {} has not ended for {:.1f} s", mine.device, mine.seconds), mine);
    if (mine.seconds > kIdleDeadlines * deadline())
      end_here(fmt::format("nothing has ended for {:.1f} s, {:.0f} times --timeout", mine.seconds, kIdleDeadlines),
               mine);
  }

  [[noreturn]] void end_here(const std::string& what, const RankStatus& mine) {
    board().hold();  // what ends now all the same must not go on beside what saves
    const std::string why = mine.doing.empty() ? what : fmt::format("{}, while {}", what, mine.doing);
    say(fmt::format("assay: {}\n{}", why, save(why)));
    std::_Exit(kHangs);
  }
};

}  // namespace

std::unique_ptr<Watchdog> make_lone_watchdog(double deadline) { return std::make_unique<LoneWatchdog>(deadline); }

}  // namespace assay
