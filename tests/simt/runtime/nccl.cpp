// NCCL's functions for the devices of one process, or for one device of each of several processes on one host, on the
// CUDA runtime that the program is linked with: a module that the program loads as libnccl.so.2.  A collective meets in
// the streams: each waits until all ranks' have come to it, and none goes on before it is done.  Between processes it
// meets in shared memory (nccl_processes.h), in the order in which it was called.  Sums are of doubles, rounded once.
#include <cuda_runtime_api.h>
#include <nccl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/simt/runtime/nccl_calls.h"

using namespace simt::nccl;

namespace {

thread_local Calls pending;
thread_local int depth = 0;
thread_local std::string refusal;

/// Records a new event of the call's device on its stream.
cudaEvent_t record(const Call& call) {
  cudaEvent_t event = nullptr;
  cudaSetDevice(call.comm->device);
  cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
  cudaEventRecord(event, call.stream);
  return event;
}

void meet(const Calls& calls) {
  const Call& first = calls.front();
  if (first.comm->last) cudaStreamWaitEvent(first.stream, first.comm->last, 0);
  for (const Call& call : calls) {
    const cudaEvent_t here = record(call);
    cudaStreamWaitEvent(first.stream, here, 0);
    cudaEventDestroy(here);
  }
  cudaSetDevice(first.comm->device);
  cudaLaunchHostFunc(first.stream, carry_out, new Calls(calls));
  const cudaEvent_t done = record(first);
  for (const Call& call : calls)
    if (call.stream != first.stream) cudaStreamWaitEvent(call.stream, done, 0);
  if (!first.comm->clique->processes) {
    cudaEventDestroy(done);
    return;
  }
  if (first.comm->last) cudaEventDestroy(first.comm->last);
  first.comm->last = done;
  first.comm->clique->progress->reach(first.comm->device, record(first));
}

bool lies_on(const void* p, int device) {
  cudaPointerAttributes attributes{};
  return cudaPointerGetAttributes(&attributes, p) == cudaSuccess && attributes.type == cudaMemoryTypeDevice &&
         attributes.device == device;
}

/// The calls of a group, or the one outside of any: of one kind, of all ranks, each on its own device.
ncclResult_t finish() {
  if (depth > 0 || pending.empty()) return ncclSuccess;
  Calls calls;
  calls.swap(pending);
  int before = 0;
  cudaGetDevice(&before);
  const bool pairs = calls.front().kind >= Call::Send;
  assay::DType type{};
  for (const Call& call : calls) {
    const bool same = call.comm->clique == calls.front().comm->clique && (call.kind >= Call::Send) == pairs;
    if (!same || !known(call.type, type) || (call.in && !lies_on(call.in, call.comm->device)) ||
        (call.out && !lies_on(call.out, call.comm->device)))
      return ncclInvalidArgument;
  }
  const Clique& clique = *calls.front().comm->clique;
  if (!pairs && int(calls.size()) != (clique.processes ? 1 : clique.size)) return ncclInvalidUsage;
  meet(calls);
  return cudaSetDevice(before) == cudaSuccess ? ncclSuccess : ncclUnhandledCudaError;
}

ncclResult_t add(const Call& call) {
  pending.push_back(call);
  return finish();
}

}  // namespace

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}
const char* ncclGetErrorString(ncclResult_t result) {
  return result == ncclSuccess ? "no error" : "refused by the stand-in for NCCL in tests/simt/runtime";
}
const char* ncclGetLastError(ncclComm_t) { return refusal.c_str(); }

ncclResult_t ncclCommInitAll(ncclComm_t* comms, int count, const int* devices) {
  const auto clique = std::make_shared<Clique>();
  clique->size = count;
  for (int rank = 0; rank < count; ++rank) comms[rank] = new ncclComm{clique, rank, devices ? devices[rank] : rank};
  return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  *id = {};
  std::snprintf(id->internal, sizeof id->internal, "/assay-simt-nccl-%d-%08x", int(::getpid()), std::random_device()());
  return ncclSuccess;
}

/// ASSAY_SIMT_NCCL_STUCK=RANK: that rank never comes, as where a network swallows what ranks say to each other.
ncclResult_t ncclCommInitRank(ncclComm_t* comm, int count, ncclUniqueId id, int rank) {
  if (const char* stuck = std::getenv("ASSAY_SIMT_NCCL_STUCK"); stuck && std::atoi(stuck) == rank) ::pause();
  int device = 0;
  cudaGetDevice(&device);
  const auto clique = std::make_shared<Clique>();
  clique->size = count;
  clique->processes = std::make_unique<Processes>(id.internal, count, rank, device, refusal);
  if (!refusal.empty()) return ncclInvalidUsage;
  clique->progress = std::make_unique<Progress>();
  *comm = new ncclComm{clique, rank, device};
  return ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  if (comm->last) {
    cudaEventSynchronize(comm->last);
    cudaEventDestroy(comm->last);
  }
  delete comm;
  return ncclSuccess;
}
ncclResult_t ncclCommAbort(ncclComm_t comm) {
  if (comm->clique->processes) comm->clique->processes->abort();
  return ncclCommDestroy(comm);
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t* error) {
  *error = ncclSuccess;
  return ncclSuccess;
}

ncclResult_t ncclGroupStart() {
  ++depth;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
  --depth;
  return finish();
}

ncclResult_t ncclAllReduce(const void* in, void* out, size_t count, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t comm, cudaStream_t stream) {
  return op == ncclSum ? add({Call::AllReduce, comm, in, out, count, type, 0, stream, comm->rank})
                       : ncclInvalidArgument;
}
ncclResult_t ncclReduceScatter(const void* in, void* out, size_t count, ncclDataType_t type, ncclRedOp_t op,
                               ncclComm_t comm, cudaStream_t stream) {
  return op == ncclSum ? add({Call::ReduceScatter, comm, in, out, count, type, 0, stream, comm->rank})
                       : ncclInvalidArgument;
}
ncclResult_t ncclAllGather(const void* in, void* out, size_t count, ncclDataType_t type, ncclComm_t comm,
                           cudaStream_t stream) {
  return add({Call::AllGather, comm, in, out, count, type, 0, stream, comm->rank});
}
ncclResult_t ncclBroadcast(const void* in, void* out, size_t count, ncclDataType_t type, int root, ncclComm_t comm,
                           cudaStream_t stream) {
  return add({Call::Broadcast, comm, in, out, count, type, root, stream, comm->rank});
}
ncclResult_t ncclSend(const void* in, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return add({Call::Send, comm, in, nullptr, count, type, peer, stream, comm->rank});
}
ncclResult_t ncclRecv(void* out, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, cudaStream_t stream) {
  return add({Call::Receive, comm, nullptr, out, count, type, peer, stream, comm->rank});
}

}  // extern "C"
