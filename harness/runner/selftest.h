// The same case against itself, again and again, through the very code that compares two kernels: what it finds between
// the two is noise, and so how fine a difference this machine can tell.
#pragma once
#include "harness/runner/runner.h"

namespace assay {

/// One record a case: the first repetition's, with the Selftest of all of them.  A case that is not ok in any
/// repetition has that repetition's record and no Selftest.  Once `interrupted` is set the cases at hand end with the
/// repetitions they have, and the result is not complete.  InputError for several ranks, and for --resume.
Result selftest(const Suite&, const Catalog&, const std::vector<PlannedCase>&, Machine&, Communicator&,
                const RunOptions&, Progress&, const std::atomic<bool>& interrupted);

}  // namespace assay
