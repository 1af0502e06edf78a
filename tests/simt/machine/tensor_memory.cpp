// Tensor memory: what warps load and store, the fences of tcgen05, and the order of accesses.
#include "tests/simt/machine/tensor_memory.h"

#include <algorithm>

#include "tests/simt/machine/cluster.h"

namespace simt {

TensorCores::TensorCores(Cluster& cluster, unsigned first_agent, unsigned ctas, unsigned warps_per_cta)
    : cluster_(cluster),
      first_agent_(first_agent),
      warps_per_cta_(warps_per_cta),
      memory_(ctas),
      warps_(ctas * warps_per_cta) {}
TensorCores::~TensorCores() = default;

TensorCores::Memory& TensorCores::memory(const Cta& c) {
  Memory& m = memory_[c.rank];
  if (m.words.empty()) m.words.assign(kLanes * kColumns, ~0u), m.cells.resize(kLanes / 16 * kColumns);
  return m;
}

unsigned TensorCores::warp_index(const Cta& c, unsigned warp) const { return c.rank * warps_per_cta_ + warp; }

std::string TensorCores::agent_name(unsigned a) const {
  static constexpr const char* kKinds[] = {"tcgen05.mma or cp", "tcgen05.ld", "tcgen05.st"};
  const unsigned index = (a - first_agent_) / kAgentsPerWarp, kind = (a - first_agent_) % kAgentsPerWarp;
  const std::string where = cluster_.cta.size() > 1 ? format("cta %u ", index / warps_per_cta_) : "";
  if (kind == Committed) return "tcgen05.commit of " + where + format("warp %u", index % warps_per_cta_);
  return std::string(kKinds[kind % Fenced]) + " of " + where + format("warp %u", index % warps_per_cta_);
}

// ---------------------------------------------------------------- order
/// The three ways in which an earlier access can be ordered before this one: by the pipeline, by the warp's own wait,
/// or by a fence::after_thread_sync of every thread concerned, after a commit or fence::before_thread_sync.
bool TensorCores::ordered(const Epoch& e, Access& a) const {
  if (e.agent == a.last_ordered.agent && e.clock <= a.last_ordered.clock) return true;
  const unsigned owner = (e.agent - first_agent_) / kAgentsPerWarp, kind = (e.agent - first_agent_) % kAgentsPerWarp;
  const bool is_pipe = (a.self.agent - first_agent_) % kAgentsPerWarp == Pipe;
  const bool by_pipeline = is_pipe && e.agent == a.self.agent;
  const bool by_wait = kind != Pipe && owner == a.warp && e.clock <= a.waited[kind];
  const unsigned needed = kind == Pipe && !is_pipe ? e.agent : e.agent + Fenced;
  const auto knows = [&](const View& v) { return v && e.clock <= (*v)[needed]; };
  if (!by_pipeline && !by_wait && !std::all_of(a.after.begin(), a.after.end(), knows)) return false;
  a.last_ordered = e;
  return true;
}

void TensorCores::report(const std::string& where, const Epoch& other, const char* other_kind, const char* kind,
                         const Access& a) const {
  const auto by = [&](const Epoch& e) { return agent_name(e.agent) + " at " + symbolise(e.site); };
  const auto all_know = [&](unsigned agent) {
    return std::all_of(a.seen.begin(), a.seen.end(), [&](const auto* v) { return other.clock <= (*v)[agent]; });
  };
  const std::string both = where + "\n  " + kind + " by " + by(a.self) + "\n  ";
  const bool pipe = (other.agent - first_agent_) % kAgentsPerWarp == Pipe;
  const bool self_is_pipe = (a.self.agent - first_agent_) % kAgentsPerWarp == Pipe;
  if (all_know(pipe && !self_is_pipe ? other.agent : other.agent + Fenced))
    throw Error(Fault::TensorFence, both + "follows the " + other_kind + " by " + by(other) +
                                        " with no tcgen05.fence::after_thread_sync in between");
  if (!pipe && all_know(other.agent))
    throw Error(Fault::TensorFence, both + "follows the " + other_kind + " by " + by(other) +
                                        " with no tcgen05.fence::before_thread_sync in between");
  throw Error(Fault::Race, both + "is not ordered after the " + other_kind + " by " + by(other) +
                               (pipe ? " (tcgen05.commit and a wait)" : " (tcgen05.wait)"));
}

void TensorCores::touch(const Cta& c, unsigned lane, unsigned column, bool is_write, Access& a) {
  if (!cluster_.opt.racecheck) return;
  TensorCell& cell = memory_[c.rank].cells[lane / 16 * kColumns + column];
  const auto where = [&] {
    return format("column %u, lanes %u to %u, of tensor memory of cta %u", column, lane / 16 * 16, lane / 16 * 16 + 15,
                  c.rank);
  };
  const char* kind = is_write ? "write" : "read";
  if (!cell.write.clock && !is_write)
    throw Error(Fault::TensorMemory,
                where() + " was never written; read by " + agent_name(a.self.agent) + " at " + symbolise(a.self.site));
  if (cell.write.clock && !ordered(cell.write, a)) report(where(), cell.write, "write", kind, a);
  if (cell.shape && a.shape && cell.shape != a.shape && cell.write.agent == a.self.agent &&
      (*a.seen[0])[cell.write.agent] < cell.write.clock)
    throw Error(Fault::Race, where() + "\n  " + kind + " by " + agent_name(a.self.agent) + " at " +
                                 symbolise(a.self.site) +
                                 "\n  is not ordered after the product of another shape or "
                                 "accumulator at " +
                                 symbolise(cell.write.site));
  // The pipeline orders copies before products, not the other way round (PTX ISA, "Pipelined tcgen05 instructions").
  const auto unfinished = [&](const Epoch& e) {
    return e.clock && e.agent == a.self.agent && (*a.seen[0])[e.agent] < e.clock;
  };
  if (is_write && a.is_copy)
    for (const Epoch& e : {cell.write, cell.read[0], cell.read[1]})
      if (unfinished(e))
        throw Error(Fault::Race, where() + "\n  copy by " + agent_name(a.self.agent) + " at " + symbolise(a.self.site) +
                                     "\n  is not ordered after the operation at " + symbolise(e.site) +
                                     ", which may still be under way (tcgen05.commit and a wait)");
  if (!is_write) {
    for (auto& r : cell.read)
      if (!r.clock || r.agent == a.self.agent || ordered(r, a)) {
        r = a.self;
        return;
      }
    cell.read[column & 1] = a.self;  // with more than two concurrent readers one is forgotten
    return;
  }
  for (const auto& r : cell.read)
    if (r.clock && !ordered(r, a)) report(where(), r, "read", kind, a);
  cell = {a.self, {}, a.shape};
}

// ---------------------------------------------------------------- warps
void TensorCores::check_allocated(const Cta& c, std::uint32_t column, std::uint32_t columns, const char* what,
                                  Site s) const {
  const auto& allocations = memory_[c.rank].allocations;
  auto it = allocations.upper_bound(column);
  std::uint32_t end = 0;  // of the allocation that `column` is in
  if (it != allocations.begin()) --it, end = it->first + it->second;
  for (auto next = it; end > column && ++next != allocations.end() && next->first == end;) end += next->second;
  if (column + columns > end)
    throw Error(Fault::TensorMemory, format("%s uses columns %u to %u of cta %u, which are not all allocated, at %s",
                                            what, column, column + columns - 1, c.rank, symbolise(s).c_str()));
}

/// Warp w of a warpgroup reaches lanes 32 (w % 4) to 32 (w % 4) + 31 alone.
void TensorCores::check_quarter(const Cta& c, unsigned warp, std::uint32_t address, const char* what, Site s) const {
  if (address >> 16 != warp % 4 * 32)
    throw Error(Fault::TensorMemory,
                format("%s at lane %u by warp %u of cta %u, which reaches lanes %u to %u, at %s", what, address >> 16,
                       warp, c.rank, warp % 4 * 32, warp % 4 * 32 + 31, symbolise(s).c_str()));
}

TensorCores::Access TensorCores::warp_access(const Cta& c, unsigned warp, Agent kind, Site s) {
  const unsigned index = warp_index(c, warp);
  WarpState& w = warps_[index];
  Access a{
      {agent(index, kind), ++w.issued[kind], s}, index, {w.waited[0], w.waited[1], w.waited[2]}, {}, {}, 0, false, {}};
  if (!cluster_.opt.racecheck) return a;
  after_.resize(cluster_.thread_count());
  for (unsigned t = warp * 32; t < std::min(warp * 32 + 32, c.threads); ++t) {
    a.after.push_back(after_[cluster_.agent(c, t)]);
    a.seen.push_back(&cluster_.clocks(cluster_.agent(c, t)).seen);
  }
  return a;
}

void TensorCores::access_quarter(const Cta& c, unsigned warp, std::uint32_t column, unsigned columns, bool is_write,
                                 Access& a) {
  const unsigned lane = warp % 4 * 32;
  const auto& cells = memory(c).cells;
  for (unsigned k = column; k < column + columns; ++k)
    for (unsigned l = lane; l < lane + 32; l += 16) {
      // Products of 64 rows write 16 lanes of 32: reading the others with them is no fault.
      const unsigned other = l == lane ? lane + 16 : lane;
      const bool half_written =
          !cells[l / 16 * kColumns + k].write.clock && cells[other / 16 * kColumns + k].write.clock;
      if (is_write || !half_written) touch(c, l, k, is_write, a);
    }
}

void TensorCores::load(const Cta& c, unsigned warp, std::uint32_t address, unsigned columns,
                       std::uint32_t (*values)[32], Site s) {
  const std::uint32_t first = address & 0xffff, lane = warp % 4 * 32;
  check_quarter(c, warp, address, "tcgen05.ld", s);
  check_allocated(c, first, columns, "tcgen05.ld", s);
  Access a = warp_access(c, warp, Load, s);
  access_quarter(c, warp, first, columns, false, a);
  for (unsigned k = 0; k < columns; ++k)
    for (unsigned l = 0; l < 32; ++l) values[k][l] = word(c, lane + l, first + k);
}

void TensorCores::store(const Cta& c, unsigned warp, std::uint32_t address, unsigned columns,
                        const std::uint32_t (*values)[32], Site s) {
  const std::uint32_t first = address & 0xffff, lane = warp % 4 * 32;
  check_quarter(c, warp, address, "tcgen05.st", s);
  check_allocated(c, first, columns, "tcgen05.st", s);
  Access a = warp_access(c, warp, Store, s);
  access_quarter(c, warp, first, columns, true, a);
  for (unsigned k = 0; k < columns; ++k)
    for (unsigned l = 0; l < 32; ++l) word(c, lane + l, first + k) = values[k][l];
}

void TensorCores::wait_loads(const Cta& c, unsigned warp) { wait(c, warp, Load); }
void TensorCores::wait_stores(const Cta& c, unsigned warp) { wait(c, warp, Store); }

void TensorCores::wait(const Cta& c, unsigned warp, Agent kind) {
  const unsigned index = warp_index(c, warp);
  WarpState& w = warps_[index];
  w.waited[kind] = w.issued[kind];
  if (!cluster_.opt.racecheck) return;
  for (unsigned t = warp * 32; t < std::min(warp * 32 + 32, c.threads); ++t)
    cluster_.clocks(cluster_.agent(c, t)).seen[agent(index, kind)] = w.waited[kind];
}

// ---------------------------------------------------------------- fences
void TensorCores::fence_before_thread_sync(const Cta& c, unsigned thread) {
  if (!cluster_.opt.racecheck) return;
  const unsigned index = warp_index(c, thread / 32);
  const WarpState& w = warps_[index];
  auto& seen = cluster_.clocks(cluster_.agent(c, thread)).seen;
  const auto publish = [&](Agent kind, Clock clock) {
    Clock& known = seen[agent(index, Fenced + kind)];
    known = std::max(known, clock);
  };
  publish(Pipe, w.lane_issued[thread % 32]), publish(Load, w.waited[Load]), publish(Store, w.waited[Store]);
}

void TensorCores::fence_after_thread_sync(const Cta& c, unsigned thread) {
  if (!cluster_.opt.racecheck) return;
  after_.resize(cluster_.thread_count());
  const unsigned a = cluster_.agent(c, thread);
  after_[a] = std::make_shared<const std::vector<Clock>>(cluster_.clocks(a).seen);
}

}  // namespace simt
