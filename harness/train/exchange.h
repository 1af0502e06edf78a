// What goes between the host and the device from step to step, none of it waited for within a step: batches and the
// optimizer's numbers on their way there, losses on their way back.
#pragma once
#include <cstdint>
#include <deque>
#include <vector>

#include "harness/backends/backend.h"
#include "harness/train/memory.h"
#include "kernels/layer/adamw.h"

namespace assay {

class StepExchange {
 public:
  /// `tokens`: of this rank's share of a batch.
  StepExchange(Backend&, const StepTensors&, std::int64_t tokens);

  /// [tokens] of each; copied before this returns.
  void send_batch(const std::int32_t* tokens, const std::int32_t* targets);
  void send_steps(const AdamWStep& decayed, const AdamWStep& gains);
  /// Of the step that was launched last.
  void ask_for_loss();
  /// The mean loss of each step that was asked for since the last call, in order.  Waits for them.
  std::vector<double> losses();
  /// Waits, and drops what was asked for.
  void reset();

 private:
  std::byte* piece(std::size_t i) const { return memory_.get() + i * piece_bytes_; }
  std::size_t take_piece();
  void wait();
  void read_first_loss();

  Backend& backend_;
  const StepTensors& t_;
  const std::int64_t tokens_;
  const std::size_t piece_bytes_;
  std::vector<std::int64_t> used_at_;  // backend_.waits() when each piece was last taken; below 0: free
  const HostMemory memory_;            // pieces in a ring
  std::size_t next_ = 0;
  std::deque<std::size_t> asked_;  // pieces that losses are copied to, in order
  std::vector<double> losses_;
};

}  // namespace assay
