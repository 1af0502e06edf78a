// What NCCL knows of an operation besides its time: its own prediction, and what it chose.
#pragma once
#include <functional>
#include <vector>

#include "kernels/collectives/nccl_group.h"
#include "kernels/common/kernel.h"

namespace assay {

/// Sets a variable of the environment and restores it.  No other thread may look at the environment meanwhile: NCCL's
/// do while communicators are made and operations are in flight, so only where none is.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const std::string& value);
  ~ScopedVariable();
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  std::string name_, before_;
  bool was_set_ = false;
};

/// predicted_seconds, algorithm, protocol, channels: each with its value, or null and why.  `launch` launches the
/// operation plainly once (no graph); `enqueue(local)` is one communicator's call.
/// NCCL writes its choice to its log alone, and only where the log is on, which costs every launch a line: it is turned
/// on for this one launch, with ncclResetDebugInit.  Of several processes rank 0 reads its log; the others launch with
/// it, whatever their environment says of logs, and have no choice to tell.
std::vector<Detail> nccl_details(NcclGroup&, const CollectivePeers&, const char* function,
                                 const std::function<ncclResult_t(int local)>& enqueue,
                                 const std::function<void()>& launch);

}  // namespace assay
