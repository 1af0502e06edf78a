// What one result says of its node, as the judge asks for it.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "harness/record/result.h"
#include "harness/verdict/expectations.h"
#include "harness/verdict/verdict.h"

namespace assay {

struct Node {
  const Result& result;
  const CheckOptions& options;
  std::string host;
  int gpus = 0;                       // that there should be
  std::vector<std::string> problems;  // that keep all of it from passing
};
Node look_at_node(const Result&, const Expectations*, const CheckOptions&);

/// Records that the expectation is about, in their order: pattern, conditions, and GPU where one is named.
std::vector<const Record*> matching(const Node&, const Expectation&, std::optional<int> gpu);
/// The fastest usable one of them; null where there is none.
const Record* fastest(const Node&, const std::vector<const Record*>&, RateUnit);
std::optional<double> rate_of(const Record&, RateUnit);

/// What the environment forces on the library that measured this, so that a slow one need not be the node's fault;
/// empty where nothing.
std::string forced_on(const Node&, const Record&);

struct Expected {
  std::optional<double> value;    // in the unit of the rate; null where it is not known
  const Record* known = nullptr;  // a record to compare telemetry with
  std::string problem;            // why there is none
};
/// What the expectation asks of this record: the value itself, or that of what it is a ratio of.
Expected expected_of(const Node&, const Expectation&, const Record&);

}  // namespace assay
