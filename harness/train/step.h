// A model in training on one rank: its state, and steps of it.
#pragma once
#include <string>
#include <vector>

#include "harness/backends/backend.h"
#include "harness/communicators/communicator.h"
#include "harness/train/corpus.h"
#include "harness/train/exchange.h"
#include "harness/train/program.h"
#include "harness/train/reference.h"
#include "kernels/layer/grad_norm.h"

namespace assay {

class TrainStep {
 public:
  /// Collective over the communicator.  Unsupported where a kernel refuses its part.
  TrainStep(const TrainSetup&, const StepKernels&, Backend&, Communicator&, const ProgramMaker& = make_program);

  /// Initial parameters, moments of zero, the first step's batch; everything else is poisoned with NaN.
  void reset();
  /// One step on the next batch.  Collective.  On a GPU it is enqueued.
  void run();
  /// The same without the sum over ranks, each on the gradients of its own share: for the time that this takes.
  void run_unreduced();
  /// Forward, backward and the sum over ranks on the next batch: leaves its gradients and no other trace.  Collective.
  void run_gradients();
  /// The same of the loss of some tokens alone, each still weighed as one of all: the others' logits get a gradient of
  /// zero.  `tokens`: their places in the whole batch, ascending.  Collective.
  void run_gradients_of(const std::vector<std::int64_t>& tokens);
  /// The mean cross-entropy of this rank's share of the next batch.
  double forward_loss();

  std::int64_t steps() const { return step_; }
  /// This rank's loss in each run() since reset().  Waits for the last.
  const std::vector<double>& losses();

  /// As the products read them, in fp64.
  std::vector<double> parameters() const;
  /// Sets them, rounded; masters too.
  void set_parameters(const std::vector<double>&);
  std::vector<float> gradients() const;
  /// Of the gradients that the last step's update took.
  GradNorm gradient_norm() const;
  struct OptimizerState {
    std::vector<float> master, moment1, moment2;
  };
  OptimizerState optimizer_state() const;
  /// Masters and moments: equal bytes, equal digests.
  std::string state_digest() const;
  std::string gradient_digest() const;

  /// The whole next batch, all ranks' shares.
  TrainBatch next_batch() const;
  const TrainSetup& setup() const { return setup_; }
  const Corpus& corpus() const { return corpus_; }
  const ParameterLayout& layout() const { return layout_; }
  const MemoryBytes& memory() const { return memory_.bytes(); }
  const std::string& description() const { return program_.description; }

  /// Seconds of each launch of one more step, as it runs within it.  Collective.
  struct TimedOp {
    const StepOp* op = nullptr;
    double seconds = 0;
  };
  std::vector<TimedOp> run_timed();
  std::vector<const StepOp*> ops() const;

 private:
  Buffer view(const void* data, std::int64_t bytes) const;
  int host_threads() const;
  void put_parameters(const std::vector<float>& master);
  void run_ops(bool (*chosen)(const StepOp&));
  void read_batch();
  void set_optimizer_step();
  double local_loss() const;
  void clear_logits_between(std::int64_t begin, std::int64_t end);

  const TrainSetup setup_;
  Backend& backend_;
  Communicator& communicator_;
  const ParameterLayout layout_;
  const Corpus corpus_;
  StepMemory memory_;
  const StepTensors& t_;
  StepExchange exchange_;
  StepProgram program_;
  std::int64_t step_ = 0;
  std::vector<double> losses_;
};

}  // namespace assay
