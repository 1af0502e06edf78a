// Tensor memory and the engine behind tcgen05 (Blackwell): allocation, loads and stores by warps, and the queue of
// asynchronous products and copies.  One per cluster, since a pair of CTAs shares its products.
//
// An operation of tcgen05 is ordered after another one only where the PTX ISA says so ("Memory Consistency Model for
// 5th generation of TensorCore operations"): by the pipeline, by tcgen05.wait or tcgen05.commit, and, between threads,
// by tcgen05.fence::before_thread_sync and ::after_thread_sync around the synchronisation of those threads.  So every
// warp has six more agents of the race detector: its pipeline (completed by a commit), its loads and its stores
// (completed by a wait), and the same three as far as a fence::before_thread_sync has made them known to other threads.
// What a thread's next operation is ordered after is what it knew at its last fence::after_thread_sync.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "tests/simt/machine/arithmetic.h"
#include "tests/simt/machine/clocks.h"

namespace simt {

class Cta;
class Cluster;
struct InstructionDescriptor;

/// tcgen05.mma: D (m x n, in tensor memory) = A (m x k) B (k x n) + D, A and B by shared-memory descriptors, or A in
/// tensor memory.
struct TensorMma {
  enum Kind : std::uint8_t { F16, Tf32, F8f6f4, Mxf8f6f4, Mxf4, Mxf4nvf4 } kind = F16;
  int cta_group = 1;
  int scale_vector = 0;  // scale factors per row and product: 0 (none), 1, 2, 4
  bool accumulate = false;
  std::uint32_t d = 0, idesc = 0;
  bool a_in_tensor_memory = false;
  std::uint64_t a = 0, b = 0;              // a: an address in tensor memory, where it lies there
  std::uint32_t scale_a = 0, scale_b = 0;  // tensor-memory addresses
};

/// tcgen05.cp: `lanes` rows of `bytes`, repeated over all lanes where there are fewer than 128.
struct TensorCopy {
  int cta_group = 1;
  unsigned lanes = 0, bytes = 0;
  std::uint32_t address = 0;
  std::uint64_t source = 0;  // shared-memory descriptor
};

struct TensorCommit {
  int cta_group = 1;
  std::uint32_t mbar = 0;
  std::uint16_t mask = 0;  // CTAs to signal
};

/// The format of one element: a type that tensor cores multiply, or e2m1 with two elements to the byte.
struct TensorElement {
  MmaType type = MmaType::bf16;
  bool is_e2m1 = false;
  int bits() const { return is_e2m1 ? 4 : 8 * bytes(type); }
};

class TensorCores {
 public:
  static constexpr unsigned kLanes = 128, kColumns = 512;  // of 32 bits, per CTA
  static constexpr unsigned kAgentsPerWarp = 7;

  TensorCores(Cluster&, unsigned first_agent, unsigned ctas, unsigned warps_per_cta);
  ~TensorCores();

  // --- tensor_allocation.cpp.  By a warp.
  /// False while the columns are not free, or the peer of a pair has not asked yet; else `address` is set.
  bool allocate(const Cta&, unsigned warp, std::uint32_t columns, int cta_group, std::uint32_t& address, Site);
  void deallocate(const Cta&, unsigned warp, std::uint32_t address, std::uint32_t columns, int cta_group, Site);
  void relinquish(const Cta&, int cta_group, Site);
  void check_deallocated(const Cta&) const;  // its last thread exits

  // --- tensor_memory.cpp.  By a warp: 32 lanes by `columns` from `address` on; values[column][lane].
  void load(const Cta&, unsigned warp, std::uint32_t address, unsigned columns, std::uint32_t (*values)[32], Site);
  void store(const Cta&, unsigned warp, std::uint32_t address, unsigned columns, const std::uint32_t (*values)[32],
             Site);
  void wait_loads(const Cta&, unsigned warp);
  void wait_stores(const Cta&, unsigned warp);
  void fence_before_thread_sync(const Cta&, unsigned thread);
  void fence_after_thread_sync(const Cta&, unsigned thread);
  std::string agent_name(unsigned agent) const;  // of those from first_agent on

  // --- tcgen05.cpp.  By a thread; takes effect now or later, in the order of issue.
  void mma(const Cta&, unsigned thread, const TensorMma&, Site);
  void copy(const Cta&, unsigned thread, const TensorCopy&, Site);
  void commit(const Cta&, unsigned thread, const TensorCommit&, Site);
  std::size_t in_flight() const { return queue_.size(); }
  void complete_next();
  void finish();  // the cluster has exited

 private:
  // Fenced + Pipe, ...: what fence::before_thread_sync has published.  Committed: its commits, counted.
  enum Agent { Pipe, Load, Store, Fenced, Committed = 2 * Fenced };
  using View = std::shared_ptr<const std::vector<Clock>>;

  /// Shadow of one column of 16 lanes: what a product of 64 rows writes.
  struct TensorCell {
    Epoch write, read[2];
    std::uint64_t shape = 0;  // of the product that wrote it
  };
  struct Memory {                                        // of one CTA
    std::vector<std::uint32_t> words;                    // [lane][column]; empty until first used
    std::vector<TensorCell> cells;                       // [lane / 16][column]
    std::map<std::uint32_t, std::uint32_t> allocations;  // first column -> columns
    std::uint32_t last_size = kColumns;
    int cta_group = 0;  // 0: none used so far
    bool relinquished = false;
    struct {
      std::uint32_t columns = 0, address = 0;  // of a collective allocation
      bool granted = false;
    } request;
  };
  struct WarpState {
    Clock issued[3] = {}, waited[3] = {};  // by Agent
    Clock lane_issued[32] = {};            // products and copies
    Clock committed = 0;
  };
  /// Who accesses tensor memory, and what is ordered before it.
  struct Access {
    Epoch self;
    unsigned warp;
    Clock waited[3];                              // the warp's own loads and stores
    std::vector<View> after;                      // by thread: as of its last fence::after_thread_sync
    std::vector<const std::vector<Clock>*> seen;  // by thread: all that it knows, for the report
    std::uint64_t shape = 0;
    bool is_copy = false;
    Epoch last_ordered;  // most cells have the same history
  };
  struct Op {
    enum { Mma, Copy, Commit } what;
    const Cta* cta;
    TensorMma mma;
    TensorCopy copy;
    TensorCommit commit;
    Clocks clocks;
    Access access;
    Clock issued;  // of the pipeline, by that thread
    Site site;
  };
  struct Operand {
    const char* name;
    std::uint64_t descriptor;
    TensorElement element;
    int extent, k, sign;
    bool mn_major;
  };

  struct Scales {
    std::uint32_t address;
    unsigned byte;
    bool is_e8m0;
    int rows, k;
  };

  Memory& memory(const Cta&);
  void use_group(const Cta&, int cta_group, Site);
  std::vector<const Cta*> group(const Cta&, int cta_group, Site) const;
  bool find_free(const std::vector<const Cta*>&, std::uint32_t columns, std::uint32_t& first);

  unsigned warp_index(const Cta&, unsigned warp) const;
  unsigned agent(unsigned warp_index, int kind) const {
    return first_agent_ + warp_index * kAgentsPerWarp + unsigned(kind);
  }
  void check_allocated(const Cta&, std::uint32_t column, std::uint32_t columns, const char* what, Site) const;
  void check_quarter(const Cta&, unsigned warp, std::uint32_t address, const char* what, Site) const;
  void wait(const Cta&, unsigned warp, Agent);
  Access warp_access(const Cta&, unsigned warp, Agent, Site);
  void access_quarter(const Cta&, unsigned warp, std::uint32_t column, unsigned columns, bool is_write, Access&);
  /// One access to 16 lanes of one column.
  void touch(const Cta&, unsigned lane, unsigned column, bool is_write, Access&);
  bool ordered(const Epoch&, Access&) const;
  [[noreturn]] void report(const std::string& where, const Epoch& other, const char* other_kind, const char* kind,
                           const Access&) const;

  Op new_op(const Cta&, unsigned thread, Site);
  void enqueue(Op);
  void perform_mma(Op&);
  void perform_copy(Op&);
  void perform_commit(Op&);
  std::uint32_t& word(const Cta& c, unsigned lane, unsigned column) {
    return memory(c).words[lane * kColumns + column];
  }
  void gather(const Cta&, const Op&, const Operand&, float* out);
  void gather_from_lanes(const Cta&, Op&, const InstructionDescriptor&, float* out);
  void scale(const Cta&, Op&, const Scales&, float* operand);
  void accumulate(const Cta&, Op&, const InstructionDescriptor&, const float* a, const float* b, float* d);

  Cluster& cluster_;
  const unsigned first_agent_, warps_per_cta_;
  std::vector<Memory> memory_;
  std::vector<WarpState> warps_;
  std::vector<View> after_;  // by thread of the cluster
  std::deque<Op> queue_;
};

}  // namespace simt
