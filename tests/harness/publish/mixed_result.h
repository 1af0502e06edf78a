// A result in which every kind of record stands.
#pragma once
#include "tests/harness/record/sample_records.h"

namespace assay {

/// A result with a kernel of ours, two of vendors, and one case of each outcome that is not ok.
inline Result mixed_result() {
  Record fast = ok_record(64, "openblas", 1e-3), slow = ok_record(64, "onednn", 2e-3);
  fast.vendor = slow.vendor = true;
  return sample_result({ok_record(64, "cpu_blocked", 4e-3), fast, slow, wrong_record(65),
                        reason_record(OutcomeKind::failed, "a | b, \"c\"\nd", 66),
                        reason_record(OutcomeKind::skipped, "no sm_90", 67),
                        reason_record(OutcomeKind::timed_out, "a launch took longer than 120 s", 68)});
}

}  // namespace assay
