// One process alone.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <utility>

#include "harness/communicators/communicator.h"
#include "harness/communicators/launch_watch.h"
#include "harness/core/error.h"

namespace assay {
namespace {

/// A launch that takes a little longer than allowed still ends, and is recorded as one that did.
constexpr double kPatience = 1.25;  // deadlines

class SingleCommunicator final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void barrier() override {}
  double maximum(double value) override { return value; }
  double broadcast(double value) override { return value; }
  std::string broadcast(const std::string& text) override { return text; }
  std::vector<std::string> gather(const std::string& text) override { return {text}; }
  std::string group_name() const override { return std::to_string(getpid()); }

  // Launches on GPUs are watched while there is something to save: a kernel that waits for ever would hold the host
  // for ever too, and nobody else is there to see it.
  void doing(const std::string& what, const std::string& device) override {
    doing_ = what;
    if (!device.empty()) device_ = device;
  }
  void barrier_before_launch(double) override {
    if (!save_ || device_.rfind("gpu", 0) != 0) return;
    if (!watch_)
      watch_ = std::make_unique<LaunchWatch>(kPatience * deadline_, [this](double seconds) { give_up(seconds); });
    watch_->begin();
  }
  void end_launch() override {
    if (watch_) watch_->end();
  }
  void set_deadline(double seconds) override {
    watch_.reset();
    deadline_ = seconds;
  }
  void set_save(Save save) override {
    watch_.reset();
    save_ = std::move(save);
  }

 private:
  /// On the watch's thread, while the measuring one is stuck in the launch.
  [[noreturn]] void give_up(double seconds) {
    const std::string why =
        fmt::format("a launch on {} has not ended for {:.0f} s, while {}", device_, seconds, doing_);
    const std::string lines = fmt::format("assay: {}\n{}", why, save_(why));
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, lines.data(), lines.size());
    std::_Exit(int(ExitCode::could_not_measure));
  }

  double deadline_ = kDefaultDeadline;
  std::string doing_, device_;
  Save save_;
  std::unique_ptr<LaunchWatch> watch_;  // last: it ends before what its thread reads
};

}  // namespace

void Communicator::exchange(const void*, int to, void*, int from, std::size_t) {
  if (to >= 0 || from >= 0) throw MeasureError("this communicator moves nothing between two ranks");
}

void Communicator::abort(int exit_code) {
  end_others(exit_code);
  std::_Exit(exit_code);
}

std::unique_ptr<Communicator> make_single_communicator() { return std::make_unique<SingleCommunicator>(); }

}  // namespace assay
