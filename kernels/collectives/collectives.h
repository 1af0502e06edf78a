// The contract of collective operations between ranks.  A process drives one rank (MPI) or several (threads of a CPU,
// GPUs of a node); `CollectivePeers` says which.
//
// Sizes as nccl-tests defines them, n = ranks.  S is the largest buffer of the operation; a part is S / n.
//   operation        input   output   after it, rank r's output holds                    busbw / algbw
//   all_reduce       S       S        the element-wise sum of all inputs                 2 (n-1) / n
//   all_gather       part    S        all inputs in rank order                           (n-1) / n
//   reduce_scatter   S       part     part r of the element-wise sum of all inputs       (n-1) / n
//   all_to_all       S       S        of every rank q part r of its input, as part q     (n-1) / n
//   broadcast        S       S        the root's input (at the root, too)                1
//   send_recv        S       S        the input of rank (r - 1) mod n                    1
// with algbw = S / t and busbw = algbw times that factor, which compares with a link's rate whatever n is.  One rank
// sends nothing: its factor is 0, except where it is 1.
//
// In place: all_reduce and broadcast have output == input; all_gather's input is part r of its own output;
// reduce_scatter's output is part r of its own input.  all_to_all and send_recv have no such form.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/common/kernel.h"

namespace assay {

enum class Collective : std::uint8_t { all_reduce, all_gather, reduce_scatter, broadcast, all_to_all, send_recv };

struct CollectiveInfo {
  Collective operation;
  const char* name;
  const char* meaning;
  bool input_is_part, output_is_part;  // else S
  bool reduces;
  bool has_in_place;
  bool outputs_agree;  // all ranks' outputs are the same bytes
};

inline constexpr CollectiveInfo kCollectives[] = {
    {Collective::all_reduce, "all_reduce", "sum over ranks, in every rank", false, false, true, true, true},
    {Collective::all_gather, "all_gather", "every rank's part, in every rank", true, false, false, true, true},
    {Collective::reduce_scatter, "reduce_scatter", "sum over ranks, a part in each", false, true, true, true, false},
    {Collective::broadcast, "broadcast", "one rank's message, in every rank", false, false, false, true, true},
    {Collective::all_to_all, "all_to_all", "a part from every rank to every rank", false, false, false, false, false},
    {Collective::send_recv, "send_recv", "every rank to the next one", false, false, false, false, false},
};
constexpr const CollectiveInfo& info(Collective c) { return kCollectives[static_cast<int>(c)]; }
constexpr const char* name(Collective c) { return info(c).name; }

/// Whose memory the buffers are: the caller's own; the caller's own, registered with the library beforehand; or memory
/// of a window that all ranks' kernels reach (NCCL's symmetric memory, a shared segment).  Three different things to
/// measure.
enum class BufferKind : std::uint8_t { user, registered, window };
inline constexpr const char* kBufferKinds[] = {"user", "registered", "window"};
constexpr const char* name(BufferKind k) { return kBufferKinds[static_cast<int>(k)]; }

/// What the processes of a group need of each other before a library connects them.  All calls are collective.
class RankMeeting {
 public:
  virtual ~RankMeeting() = default;
  /// Rank 0's text, on every rank.
  virtual std::string broadcast(const std::string&) = 0;
  /// `work` waits for the other ranks: whoever keeps them waiting for too long, or ends, is found.
  virtual void connect(const std::function<void()>& work) = 0;
  /// What was made for these ranks, by name, for as long as an operation uses it: connections cost memory and seconds.
  std::map<std::string, std::weak_ptr<void>> made;
};

/// The ranks of an operation and those this process drives: first_local .. first_local + local - 1.
struct CollectivePeers {
  int ranks = 1;
  int first_local = 0;
  int local = 1;
  bool mpi = false;                      // MPI is initialised and rank r is process r of MPI_COMM_WORLD
  bool one_host = true;                  // all ranks reach one shared memory
  std::string shared_name;               // unique to this group of processes: names its shared-memory segments
  std::shared_ptr<RankMeeting> meeting;  // of several processes; only where an operation is prepared

  bool single_process() const { return local == ranks; }
};

struct CollectiveProblem {
  Collective operation = Collective::all_reduce;
  std::int64_t count = 1;  // elements of S; a multiple of the ranks where the operation has parts
  DType dtype = DType::f32;
  bool in_place = false;
  int root = 0;  // of broadcast
  BufferKind buffers = BufferKind::user;
  std::string algorithm = "auto";  // a kernel's own name for one, or its choice
  bool graph = false;              // launched as a CUDA graph
  bool side_thread = false;        // launched by another thread than the one that prepares it
  bool nvls = true;                // reductions and multicast in the switch (NVLink SHARP), where the library wants
  bool same_bits = false;          // the same inputs give the same bits every time
  CollectivePeers peers;

  bool has_parts() const;  // of S
  std::int64_t part() const { return count / peers.ranks; }
  std::int64_t input_count() const { return info(operation).input_is_part ? part() : count; }
  std::int64_t output_count() const { return info(operation).output_is_part ? part() : count; }
  std::int64_t bytes_of(std::int64_t elements) const { return elements * std::int64_t(size_bytes(dtype)); }
  std::int64_t bytes() const { return bytes_of(count); }  // S
  /// busbw over algbw.
  double bus_factor() const;
};

/// Memory of which every rank has a piece of the same size, and that every rank's kernel reaches.
class CollectiveWindow {
 public:
  virtual ~CollectiveWindow() = default;
  /// The piece of local rank `local`, zeroed.  Buffers of one operation lie at the same offset in every rank's piece.
  virtual std::byte* data(int local) const = 0;
};

/// One entry per local rank, in rank order.  On GPUs, `streams[r]` belongs to the device of local rank r.  Of a
/// broadcast, ranks other than the root have an input too, which nobody reads.
struct CollectiveBuffers {
  std::vector<const void*> input;
  std::vector<void*> output;
  std::vector<Stream> streams;
  const CollectiveWindow* window = nullptr;  // that the buffers lie in, where the problem says `window`
};

using CollectiveOperation = Operation<CollectiveBuffers>;

struct CollectiveKernel : Kernel<CollectiveProblem, CollectiveBuffers> {
  /// Collective over all ranks: a window with `bytes` for each; `targets` are the local ranks'.  Null where the kernel
  /// has none (its `supports` then refuses buffers in a window).  The window outlives operations prepared with it.
  std::function<std::unique_ptr<CollectiveWindow>(const CollectiveProblem&, const std::vector<Target>& targets,
                                                  std::size_t bytes)>
      make_window;
};

/// Every kernel of this build, ours first; each takes every operation or says why not.
const std::vector<CollectiveKernel>& collective_kernels();

/// Names that `CollectiveProblem::algorithm` may have; which kernel has which is its `supports` to say.
inline constexpr const char* kCollectiveAlgorithms[] = {"auto", "low_latency", "flat", "two_shot", "ring"};

/// Inputs with exact results in every order of summing: small integers that depend on rank, index and seed.  Of an
/// operation that sums, each is at most limit / ranks in magnitude, so that every partial sum stays within `limit`, the
/// largest integer up to which the dtype has no gaps (at most 256: bf16's).
double collective_input(const CollectiveProblem&, int rank, std::int64_t index, std::uint64_t seed);
/// What element `index` of rank `rank`'s output has to be.
double collective_expected(const CollectiveProblem&, int rank, std::int64_t index, std::uint64_t seed);
/// Ranks up to which sums of that dtype are exact and not all zero.
int most_exact_ranks(DType);

}  // namespace assay
