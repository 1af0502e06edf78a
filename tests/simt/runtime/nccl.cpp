// NCCL's functions for the devices of one process, on the CUDA runtime that the program is linked with: a module that
// the program loads as libnccl.so.2.  A collective meets in the streams: each waits until all ranks' have come to it,
// and none goes on before it is done.  Sums are of doubles, rounded once.
#include <cuda_runtime_api.h>
#include <nccl.h>

#include <cstring>
#include <memory>
#include <vector>

#include "kernels/common/dtype.h"

struct ncclComm {
  std::shared_ptr<int> clique;  // the communicators made together share it; its value is their number
  int rank, device;
};

namespace {

struct Call {
  enum Kind { AllReduce, AllGather, ReduceScatter, Broadcast, Send, Receive } kind;
  ncclComm* comm;
  const void* in;
  void* out;
  std::size_t count;
  ncclDataType_t type;
  int peer;  // or the root
  cudaStream_t stream;
};
using Calls = std::vector<Call>;

thread_local Calls pending;
thread_local int depth = 0;

bool known(ncclDataType_t type, assay::DType& out) {
  out = type == ncclFloat32 ? assay::DType::f32 : type == ncclBfloat16 ? assay::DType::bf16 : assay::DType::f16;
  return type == ncclFloat32 || type == ncclBfloat16 || type == ncclFloat16;
}

std::size_t bytes_of(const Call& call) {
  assay::DType type{};
  known(call.type, type);
  return call.count * assay::size_bytes(type);
}

/// Of all inputs, elements [first, first + count).
void sum(const Calls& calls, std::size_t first, std::size_t count, unsigned char* out) {
  assay::DType type{};
  known(calls.front().type, type);
  for (std::size_t i = 0; i < count; ++i) {
    double total = 0;
    for (const Call& call : calls) total += assay::load_element(type, call.in, std::int64_t(first + i));
    assay::store_element(type, out, std::int64_t(i), total);
  }
}

void all_reduce(const Calls& calls) {
  std::vector<unsigned char> total(bytes_of(calls.front()));
  sum(calls, 0, calls.front().count, total.data());
  for (const Call& call : calls) std::memcpy(call.out, total.data(), total.size());
}

void reduce_scatter(const Calls& calls) {
  const std::size_t bytes = bytes_of(calls.front()), count = calls.front().count;
  std::vector<unsigned char> total(bytes * calls.size());
  for (std::size_t rank = 0; rank < calls.size(); ++rank) sum(calls, rank * count, count, total.data() + rank * bytes);
  for (const Call& call : calls) std::memcpy(call.out, total.data() + std::size_t(call.comm->rank) * bytes, bytes);
}

void all_gather(const Calls& calls) {
  const std::size_t bytes = bytes_of(calls.front());
  std::vector<unsigned char> all(bytes * calls.size());  // in place, an input lies in its output
  for (const Call& call : calls) std::memcpy(all.data() + std::size_t(call.comm->rank) * bytes, call.in, bytes);
  for (const Call& call : calls) std::memcpy(call.out, all.data(), all.size());
}

void broadcast(const Calls& calls) {
  for (const Call& root : calls)
    if (root.comm->rank == root.peer)
      for (const Call& call : calls) std::memmove(call.out, root.in, bytes_of(call));
}

/// Every send to the first receive from its rank that is left.
void exchange(Calls calls) {
  for (const Call& send : calls) {
    if (send.kind != Call::Send) continue;
    for (Call& receive : calls) {
      if (receive.kind != Call::Receive || receive.out == nullptr || receive.comm->rank != send.peer ||
          receive.peer != send.comm->rank)
        continue;
      std::memmove(receive.out, send.in, bytes_of(send));
      receive.out = nullptr;
      break;
    }
  }
}

void carry_out(void* data) {
  const std::unique_ptr<Calls> calls(static_cast<Calls*>(data));
  switch (calls->front().kind) {
    case Call::AllReduce:
      return all_reduce(*calls);
    case Call::AllGather:
      return all_gather(*calls);
    case Call::ReduceScatter:
      return reduce_scatter(*calls);
    case Call::Broadcast:
      return broadcast(*calls);
    default:
      return exchange(*calls);
  }
}

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
  cudaEventDestroy(done);
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
  if (!pairs && int(calls.size()) != *calls.front().comm->clique) return ncclInvalidUsage;
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
const char* ncclGetLastError(ncclComm_t) { return ""; }

ncclResult_t ncclCommInitAll(ncclComm_t* comms, int count, const int* devices) {
  const auto clique = std::make_shared<int>(count);
  for (int rank = 0; rank < count; ++rank) comms[rank] = new ncclComm{clique, rank, devices ? devices[rank] : rank};
  return ncclSuccess;
}
ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  delete comm;
  return ncclSuccess;
}
ncclResult_t ncclCommAbort(ncclComm_t comm) { return ncclCommDestroy(comm); }
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
  return op == ncclSum ? add({Call::AllReduce, comm, in, out, count, type, 0, stream}) : ncclInvalidArgument;
}
ncclResult_t ncclReduceScatter(const void* in, void* out, size_t count, ncclDataType_t type, ncclRedOp_t op,
                               ncclComm_t comm, cudaStream_t stream) {
  return op == ncclSum ? add({Call::ReduceScatter, comm, in, out, count, type, 0, stream}) : ncclInvalidArgument;
}
ncclResult_t ncclAllGather(const void* in, void* out, size_t count, ncclDataType_t type, ncclComm_t comm,
                           cudaStream_t stream) {
  return add({Call::AllGather, comm, in, out, count, type, 0, stream});
}
ncclResult_t ncclBroadcast(const void* in, void* out, size_t count, ncclDataType_t type, int root, ncclComm_t comm,
                           cudaStream_t stream) {
  return add({Call::Broadcast, comm, in, out, count, type, root, stream});
}
ncclResult_t ncclSend(const void* in, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return add({Call::Send, comm, in, nullptr, count, type, peer, stream});
}
ncclResult_t ncclRecv(void* out, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, cudaStream_t stream) {
  return add({Call::Receive, comm, nullptr, out, count, type, peer, stream});
}

}  // extern "C"
