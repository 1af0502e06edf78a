// Where a run starts: anew, or from what a journal or a finished result holds.
#pragma once
#include <optional>
#include <vector>

#include "harness/record/journal.h"
#include "harness/runner/runner.h"

namespace assay {

struct Todo {
  bool done = false;             // its record is there already
  int interrupted_attempts = 0;  // runs of it that were cut off
  int interrupted_alone = 0;     // of these, while nothing else was measured
};

struct Start {
  Result result;                   // what is there already (rank 0), and what the new records join
  std::optional<Journal> journal;  // open for writing; rank 0's
  std::vector<Todo> todo;          // of each planned case, the same on every rank
};

/// InputError, on every rank, where there is something at `options.out` that must not be overwritten, or a journal of
/// another run: the message says what differs.
Start begin_or_resume(const Suite&, const std::vector<PlannedCase>&, const RunOptions&, Machine&, Communicator&);

}  // namespace assay
