// What links and memory allow a collective at most: the ceiling of its busbw.  Pure functions.
//
// L: a GPU's links in one direction, links x rate of one; e: the share of it that reductions in the switch (NVLink
// SHARP, NVLS) reach; n ranks, g of them on each of M nodes; N: what all NICs of a node carry together.  Links and
// rates are NCCL's own constants for planning (configs/accelerators), payload rather than signalling rate.
//
//   one node     ring, tree   L: each GPU sends and receives busbw, for every operation
//                NVLS         all_reduce sends S (n+1)/n through each GPU's links each way rather than 2 S (n-1)/n:
//                             L e 2(n-1)/(n+1)
//   M nodes      ring         min(L, N)
//                any          what is reduced within the nodes first crosses the network as 2 (M-1)/M S only:
//                             min(of the nodes, N (n-1)/n M/(M-1)); of the nodes, L (n-1)/n g/(g-1) by rings, or
//                             L e 2(n-1)/n g/(g+1) by NVLS
//                all_to_all   (n-g)/n of each GPU's message leaves the node: N/g (n-1)/(n-g), L at most
//                send_recv    one NIC carries a message: N / NICs
//
// Validated against published measurements (configs/references): within 5 % of the best of them for H100, H200 and B200
// nodes of up to 8 GPUs, and for 4 and 8 such nodes.  Not beyond 8 GPUs in one NVLink domain: there the formula says
// 1039 GB/s for 72 GPUs where 847 were measured.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "harness/suite/accelerators.h"

namespace assay {

struct CollectivePlace {
  const Accelerator* accelerator = nullptr;  // null: unknown
  int gpus = 1;                              // on each node
  int nodes = 1;
  int nics = 0;                     // of a node; 0: unknown
  double nic_bytes_per_second = 0;  // of one, in one direction
  int ranks() const { return gpus * nodes; }
};

/// How the data travel.  `any`: the most that any of the others allows, where the library does not say.
enum class CollectiveRoute { any, ring, nvls };
/// Of the library's word for its algorithm ("RING", "TREE", "NVLS_TREE"; "" where it says none).
CollectiveRoute route_of(std::string_view algorithm);

struct Ceiling {
  double bus_bytes_per_second = 0;
  std::string formula;  // with its numbers, for people
  std::string why;      // there is none
  bool known() const { return why.empty(); }
};

inline constexpr int kMostGpusOfADomain = 8;  // that the formulas are validated for

Ceiling collective_ceiling(const CollectivePlace&, std::string_view operation, CollectiveRoute);

/// On CPUs, ranks of one host: reading every input once and writing every output once at the memory's copy rate (bytes
/// read and written).  Both algorithms move exactly that through memory: `window` by its design, and the staged ring
/// because its staging buffers stay in the caches.  Holds for messages that do not, as cold ones.
Ceiling memory_ceiling(std::string_view operation, int ranks, bool in_place, double bus_factor,
                       double copy_bytes_per_second);

}  // namespace assay
