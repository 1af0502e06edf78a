#include "tests/simt/runtime/nccl_calls.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace simt::nccl {
namespace {

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
  for (const Call& call : calls)
    if (call.out) std::memcpy(call.out, total.data(), total.size());
}

void reduce_scatter(const Calls& calls) {
  const std::size_t bytes = bytes_of(calls.front()), count = calls.front().count;
  std::vector<unsigned char> total(bytes * calls.size());
  for (std::size_t rank = 0; rank < calls.size(); ++rank) sum(calls, rank * count, count, total.data() + rank * bytes);
  for (const Call& call : calls)
    if (call.out) std::memcpy(call.out, total.data() + std::size_t(call.rank) * bytes, bytes);
}

void all_gather(const Calls& calls) {
  const std::size_t bytes = bytes_of(calls.front());
  std::vector<unsigned char> all(bytes * calls.size());  // in place, an input lies in its output
  for (const Call& call : calls) std::memcpy(all.data() + std::size_t(call.rank) * bytes, call.in, bytes);
  for (const Call& call : calls)
    if (call.out) std::memcpy(call.out, all.data(), all.size());
}

void broadcast(const Calls& calls) {
  for (const Call& root : calls)
    if (root.rank == root.peer)
      for (const Call& call : calls)
        if (call.out) std::memmove(call.out, root.in, bytes_of(call));
}

/// Every send to the first receive from its rank that is left.
void exchange(Calls calls) {
  for (const Call& send : calls) {
    if (send.kind != Call::Send) continue;
    for (Call& receive : calls) {
      if (receive.kind != Call::Receive || receive.out == nullptr || receive.rank != send.peer ||
          receive.peer != send.rank)
        continue;
      std::memmove(receive.out, send.in, bytes_of(send));
      receive.out = nullptr;
      break;
    }
  }
}

void compute(const Calls& calls) {
  switch (calls.front().kind) {
    case Call::AllReduce:
      return all_reduce(calls);
    case Call::AllGather:
      return all_gather(calls);
    case Call::ReduceScatter:
      return reduce_scatter(calls);
    case Call::Broadcast:
      return broadcast(calls);
    default:
      return exchange(calls);
  }
}

/// That others read of the call's input.  Of a broadcast only the root's is anybody's.
std::size_t bytes_sent(const Call& call, int ranks) {
  if (!call.in || (call.kind == Call::Broadcast && call.rank != call.peer)) return 0;
  return bytes_of(call) * std::size_t(call.kind == Call::ReduceScatter ? ranks : 1);
}

Bytes to_message(const Calls& calls, int ranks) {
  Bytes out;
  const auto append = [&](const void* data, std::size_t bytes) {
    const auto* first = static_cast<const unsigned char*>(data);
    out.insert(out.end(), first, first + bytes);
  };
  for (const Call& call : calls) {
    append(&call, sizeof call);
    append(call.in, bytes_sent(call, ranks));
  }
  return out;
}

/// Another rank's calls, which point into its message.
void append_calls(Calls& calls, const Bytes& message, int ranks) {
  for (std::size_t at = 0; at < message.size();) {
    Call call;
    std::memcpy(&call, message.data() + at, sizeof call);
    at += sizeof call;
    call.comm = nullptr, call.out = nullptr;
    const std::size_t bytes = bytes_sent(call, ranks);
    call.in = bytes > 0 ? message.data() + at : nullptr;
    at += bytes;
    calls.push_back(call);
  }
}

/// Ranks in one communicator that call for different things would wait for each other for ever, or take each other's
/// bytes for their own.
void expect_the_same(const Calls& calls) {
  const Call& first = calls.front();
  for (const Call& call : calls) {
    const bool pair = first.kind >= Call::Send && call.kind >= Call::Send;
    if (pair || (call.kind == first.kind && call.count == first.count && call.type == first.type)) continue;
    std::fprintf(stderr, "the stand-in for NCCL: rank %d came with call %d of %zu elements, rank %d with %d of %zu\n",
                 first.rank, int(first.kind), first.count, call.rank, int(call.kind), call.count);
    std::_Exit(70);  // EX_SOFTWARE
  }
}

}  // namespace

bool known(ncclDataType_t type, assay::DType& out) {
  out = type == ncclFloat32 ? assay::DType::f32 : type == ncclBfloat16 ? assay::DType::bf16 : assay::DType::f16;
  return type == ncclFloat32 || type == ncclBfloat16 || type == ncclFloat16;
}

void carry_out(void* data) {
  const std::unique_ptr<Calls> own(static_cast<Calls*>(data));
  Processes* const processes = own->front().comm->clique->processes.get();
  if (!processes) return compute(*own);
  const std::vector<Bytes> messages = processes->all_gather(to_message(*own, processes->size()));
  if (messages.empty()) return;  // aborted
  Calls all;
  for (int rank = 0; rank < processes->size(); ++rank)
    if (rank == own->front().rank)
      all.insert(all.end(), own->begin(), own->end());
    else
      append_calls(all, messages[std::size_t(rank)], processes->size());
  expect_the_same(all);
  compute(all);
}

}  // namespace simt::nccl
