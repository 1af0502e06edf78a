// The program with one planted fault on one rank: lost_rank PHASE FAULT RANK ARGUMENTS OF ASSAY...
//   PHASE  start, plan, preparation, warm_up, sampling, check, saving; none
//   FAULT  kill, stop (SIGSTOP), loop (without end), skip (an operation that the others do), other (another operation
//          than the others do), size (launches of another size), hang (all ranks, whatever RANK says)
// Its workload is `planted`; the fault is in the case of n=65, the second, but "plan" and "saving", which are once.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "harness/cli/cli.h"
#include "harness/measure/sampler.h"
#include "tests/harness/runner/planted_catalog.h"

namespace assay {
namespace {

constexpr int kWarmUpLaunch = 2, kSamplingLaunch = 30;  // of a case: the rule of the test's suite warms up in fewer
constexpr std::int64_t kFaultyCase = 65, kLastCase = 66;

struct Fault {
  std::string phase, kind;
  int rank = 0;
};

[[noreturn]] void loop() {
  for (volatile bool for_ever = true; for_ever;) {
  }
  std::abort();
}

void happen(const Fault& fault, const std::string& phase, int rank) {
  while (phase == fault.phase && fault.kind == "hang") ::sleep(1);
  if (phase != fault.phase || rank != fault.rank) return;
  if (fault.kind == "kill") std::raise(SIGKILL);
  if (fault.kind == "stop") std::raise(SIGSTOP);
  if (fault.kind == "loop") loop();
}

/// `ranks` is const where a workload may only ask it: a fault does what it must not.
void happen(const Fault& fault, const std::string& phase, const Communicator& ranks) {
  happen(fault, phase, ranks.rank());
  auto& communicator = const_cast<Communicator&>(ranks);
  const bool mine = ranks.rank() == fault.rank;
  if (phase != fault.phase || ranks.size() == 1) return;
  if (fault.kind == "skip" && !mine) communicator.barrier();
  if (fault.kind == "other") mine ? void(communicator.maximum(1)) : communicator.barrier();
}

class FaultyWorkload final : public Workload {
 public:
  FaultyWorkload(const Case& point, WorkloadContext& context, Fault fault)
      : inner_(point, context), ranks_(context.communicator), n_(point.number("n")), fault_(std::move(fault)) {
    if (n_ == kFaultyCase) happen(fault_, "preparation", ranks_);
  }
  ~FaultyWorkload() override {
    if (n_ == kLastCase) happen(fault_, "saving", ranks_);
  }
  Work work() const override {
    Work work = inner_.work();
    if (fault_.kind == "size" && n_ == kFaultyCase && ranks_.rank() == fault_.rank) work.bytes *= 2;
    return work;
  }
  int sets() const override { return 1; }
  void launch(int set) override {
    ++launches_;
    if (n_ == kFaultyCase && launches_ == kWarmUpLaunch) happen(fault_, "warm_up", ranks_);
    if (n_ == kFaultyCase && launches_ == kSamplingLaunch) happen(fault_, "sampling", ranks_);
    inner_.launch(set);
  }
  Check check(const std::vector<std::int64_t>& launches) override {
    if (n_ == kFaultyCase) happen(fault_, "check", ranks_);
    return inner_.check(launches);
  }
  std::string description() const override { return inner_.description(); }

 private:
  PlantedWorkload inner_;
  Communicator& ranks_;
  std::int64_t n_;
  Fault fault_;
  int launches_ = 0;
};

Catalog faulty_catalog(const Fault& fault) {
  WorkloadKind kind = planted_kind({"slow"});
  kind.supports = [fault](const Case& point, const Target&, const Communicator& communicator) {
    if (point.number("n") == kFaultyCase) happen(fault, "plan", communicator);
    return Support::yes();
  };
  kind.make = [fault](const Case& point, WorkloadContext& context) -> std::unique_ptr<Workload> {
    return std::make_unique<FaultyWorkload>(point, context, fault);
  };
  return {kind};
}

}  // namespace
}  // namespace assay

int main(int count, char** words) {
  if (count < 5) return 2;
  const assay::Fault fault{words[1], words[2], std::atoi(words[3])};
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  assay::happen(fault, "start", rank ? std::atoi(rank) : 0);
  return assay::run_command_line(std::vector<std::string>(words + 4, words + count), assay::faulty_catalog(fault));
}
