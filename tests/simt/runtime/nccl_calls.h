// What the library that stands for NCCL is called for, and what comes of it.
#pragma once
#include <cuda_runtime_api.h>
#include <nccl.h>

#include <memory>
#include <vector>

#include "kernels/common/dtype.h"
#include "tests/simt/runtime/nccl_processes.h"
#include "tests/simt/runtime/nccl_progress.h"

/// The communicators made together.
struct Clique {
  int size = 1;
  std::unique_ptr<simt::nccl::Processes> processes;  // null: all are this process's
  std::unique_ptr<simt::nccl::Progress> progress;    // of processes; ends before they do
};

struct ncclComm {
  std::shared_ptr<Clique> clique;
  int rank, device;
  cudaEvent_t last = nullptr;  // of its last call: the next one waits for it, whatever its stream
};

namespace simt::nccl {

struct Call {
  enum Kind { AllReduce, AllGather, ReduceScatter, Broadcast, Send, Receive } kind;
  ncclComm* comm;  // null: another process's
  const void* in;
  void* out;  // null: another process's, or a receive that has got what it waited for
  std::size_t count;
  ncclDataType_t type;
  int peer;  // or the root
  cudaStream_t stream;
  int rank;
};
using Calls = std::vector<Call>;

/// Whether the stand-in has that type.
bool known(ncclDataType_t, assay::DType&);

/// A host function of the calls of one communicator's, or of all communicators of one process; deletes them.  Among
/// processes it waits for the other ranks' calls.
void carry_out(void* calls);

}  // namespace simt::nccl
