// What NCCL knows of an operation besides its time: its own prediction, and what it chose.
#pragma once
#include <functional>
#include <vector>

#include "kernels/collectives/nccl_library.h"
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
/// operation plainly once (no graph), `finish` waits for it; `enqueue(rank)` is one rank's call.
/// NCCL writes its choice to its log alone, and only where the log is on, which costs every launch a line: it is turned
/// on for this one launch, with ncclResetDebugInit.
std::vector<Detail> nccl_details(NcclGroup&, const char* function, const std::function<ncclResult_t(int rank)>& enqueue,
                                 const std::function<void()>& launch);

}  // namespace assay
