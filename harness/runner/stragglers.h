// The search for slow ranks: what every rank measures, and how often; verdict/stragglers.h judges it.
//
// A pass has three parts.  Probes: every rank runs the suite's cases of one device by itself, block by block, all at
// the same time.  Operations: work of fixed size (the compute probe) and then the collective, again and again, with the
// moments of arriving and leaving kept.  Pairs: rounds of messages between two (tournament.h).  Where there is
// somebody to suspect, there are more, up to three; links are then looked at with other partners.
#pragma once
#include "harness/communicators/communicator.h"
#include "harness/record/stragglers.h"
#include "harness/runner/runner.h"
#include "harness/suite/suite.h"

namespace assay {

/// Whether the case is one that a rank runs by itself.
bool is_probe(const Case&);

/// The suite's collectives, which are measured as in any suite.
Suite without_probes(const Suite&);

/// Collective; the same report on every rank.  What probes and collective computed is checked: an Error with
/// wrong_numbers names the rank where it is not right.  MeasureError where a rank cannot prepare them.
StragglerReport search_stragglers(const Suite&, const Catalog&, Machine&, Communicator&);

}  // namespace assay
