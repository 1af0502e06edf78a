#include "harness/workloads/collective_problem.h"

#include <algorithm>

namespace assay {
namespace {

constexpr int kThreadRanks = 2;  // `ranks=0` in one process on a CPU: the least that communicates

BufferKind buffer_kind(const std::string& word) {
  for (const BufferKind kind : {BufferKind::registered, BufferKind::window})
    if (word == name(kind)) return kind;
  return BufferKind::user;
}

}  // namespace

int collective_ranks(const Case& point, int offered) {
  const auto asked = int(point.number("ranks"));
  if (asked > 0) return asked;
  if (point.device == Device::gpu) return std::max(offered, 1);
  return offered > 1 ? offered : kThreadRanks;
}

CollectivePeers collective_peers(int ranks, const Communicator& communicator) {
  CollectivePeers peers;
  peers.ranks = ranks;
  peers.local = ranks;
  if (communicator.size() > 1) {
    peers.mpi = true;
    peers.first_local = communicator.rank();
    peers.local = 1;
    peers.one_host = communicator.one_host();
    peers.shared_name = communicator.group_name();
  }
  return peers;
}

CollectiveProblem collective_problem(Collective operation, const Case& point, const CollectivePeers& peers) {
  CollectiveProblem problem;
  problem.operation = operation;
  problem.dtype = point.dtype;
  problem.in_place = point.word("placement") == "in_place";
  problem.root = int(point.number_or("root", 0));
  problem.buffers = buffer_kind(point.word_or("buffers", "user"));
  problem.algorithm = point.word_or("algo", "auto");
  problem.graph = point.word_or("launch", "stream") == "graph";
  problem.nvls = point.word_or("nvls", "auto") != "off";
  problem.peers = peers;
  problem.count = point.number("bytes") / std::int64_t(size_bytes(point.dtype));
  if (problem.has_parts()) problem.count -= problem.count % peers.ranks;
  return problem;
}

}  // namespace assay
