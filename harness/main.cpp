// assay: see harness/cli for the verbs.
#include <string>
#include <vector>

#include "harness/cli/cli.h"
#include "harness/workloads/workload.h"

int main(int count, char** words) {
  return assay::run_command_line(std::vector<std::string>(words + (count > 0), words + count), assay::catalog());
}
