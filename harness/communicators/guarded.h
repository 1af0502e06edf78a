// A communicator whose ranks are watched (watchdog.h).
#pragma once
#include <memory>
#include <string>

#include "harness/communicators/communicator.h"

namespace assay {

/// Collective.  `launcher`: what launcher() says.  `deadline`: seconds that an operation may last.  MeasureError, on
/// every rank, where a rank cannot reach rank 0 by TCP.  A process alone is watched, too: that it does not hang.
std::unique_ptr<Communicator> guard(std::unique_ptr<Communicator>, const std::string& launcher, double deadline);

}  // namespace assay
