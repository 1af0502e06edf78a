// Launches that run beside the step: on a GPU on its second stream, on a CPU in a thread of their own.
#pragma once
#include <functional>
#include <memory>

#include "harness/backends/backend.h"
#include "harness/backends/side_thread.h"

namespace assay {

/// The thread runs on what the step's threads leave of the rank's share of the cores; where they leave nothing, on the
/// same cores as they, and what it takes there the step is slower by.
class BesideStep {
 public:
  explicit BesideStep(Backend&);
  /// `launch`, given the stream, after all that was launched so far; it sees what that has written.
  void start(std::function<void(Stream)> launch);
  /// What is launched from now on comes after all that was started.  Throws what failed of it.
  void join();

 private:
  Backend& backend_;
  std::unique_ptr<SideThread> thread_;  // none on a GPU
};

}  // namespace assay
