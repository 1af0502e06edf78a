// Runs a grid: which clusters are resident, and whose turn it is.
#include <algorithm>

#include "tests/simt/ptx/execution.h"

namespace simt::ptx {

bool Machine::is_variable(std::uint64_t address) const {
  return std::any_of(kernel->variables->begin(), kernel->variables->end(),
                     [&](const AddressRange& r) { return address - r.first < r.bytes; });
}

void Machine::check_global(const void* p, std::size_t bytes, const char* what, Site s) const {
  if (options.heap && !is_variable(reinterpret_cast<std::uint64_t>(p))) options.heap->check(p, bytes, what, s);
}

namespace {

constexpr std::uint64_t kLivelock = 20'000'000;  // warp instructions without any event another warp could wait for

/// Position of cluster `index` in the grid, in CTAs.
Dim3 cluster_origin(const Launch& l, unsigned index) {
  const unsigned columns = l.grid.x / l.cluster.x, rows = l.grid.y / l.cluster.y;
  return {index % columns * l.cluster.x, index / columns % rows * l.cluster.y, index / columns / rows * l.cluster.z};
}

void set_special_registers(Warp& w, const Launch& l, const Dim3& origin) {
  const unsigned rank = w.cta->rank;
  const Dim3 cta = {origin.x + rank % l.cluster.x, origin.y + rank / l.cluster.x % l.cluster.y,
                    origin.z + rank / l.cluster.x / l.cluster.y};
  auto* rows = reinterpret_cast<std::uint32_t*>(w.rows.data());
  for (unsigned lane = 0; lane < 32; ++lane) {
    const auto set = [&](SpecialRegister r, std::uint32_t v) { rows[r * 32 + lane] = v; };
    const unsigned t = w.base + lane;
    set(TidX, t % l.block.x), set(TidY, t / l.block.x % l.block.y), set(TidZ, t / l.block.x / l.block.y);
    set(NtidX, l.block.x), set(NtidY, l.block.y), set(NtidZ, l.block.z);
    set(CtaX, cta.x), set(CtaY, cta.y), set(CtaZ, cta.z);
    set(NctaX, l.grid.x), set(NctaY, l.grid.y), set(NctaZ, l.grid.z);
    set(LaneId, lane), set(WarpId, w.index), set(NwarpId, (l.block.count() + 31) / 32);
    set(ClusterRank, rank), set(ClusterSize, l.cluster.count()), set(SmId, w.cta->cluster.id);
    set(LaneLt, (1u << lane) - 1), set(LaneLe, (2u << lane) - 1), set(LaneEq, 1u << lane);
    set(LaneGe, ~((1u << lane) - 1)), set(LaneGt, ~((2u << lane) - 1)), set(SharedWindow, rank << 24);
  }
  for (const SharedAddress& s : w.kernel->shared_addresses) {
    const std::uint64_t address = mapa(s.offset, rank);
    for (unsigned lane = 0; lane < 32; ++lane) std::memcpy(&w.rows[s.row + lane * s.bytes], &address, s.bytes);
  }
}

std::unique_ptr<Resident> make_resident(Machine& m, const Launch& l, unsigned index) {
  const Kernel& k = *m.kernel;
  const unsigned threads = l.block.count(), ctas = l.cluster.count();
  auto r = std::make_unique<Resident>();
  r->cluster = std::make_unique<Cluster>(m.options, index, ctas, threads, l.smem_bytes + k.static_shared, m.global);
  r->warps.resize(ctas * m.warps_per_cta);
  r->meetings.resize(ctas * ((m.warps_per_cta + 3) / 4));
  for (unsigned i = 0; i < r->warps.size(); ++i) {
    Warp& w = r->warps[i];
    w.machine = &m, w.resident = r.get(), w.kernel = &k, w.cta = r->cluster->cta[i / m.warps_per_cta].get();
    w.index = i % m.warps_per_cta, w.base = w.index * 32;
    w.rows.assign(k.row_bytes + 64, 0), w.in_flight.assign(k.row_bytes / 64 + 4, 0), w.pred.assign(k.preds + 1, 0);
    w.local.assign(std::size_t(k.local_bytes) * 32, 0xff);
    const unsigned lanes = std::min(32u, threads - w.base);
    w.live = lanes == 32 ? ~0u : (1u << lanes) - 1;
    w.groups = {{0, w.live}};
    set_special_registers(w, l, cluster_origin(l, index));
  }
  return r;
}

[[noreturn]] void deadlock(Machine& m, const char* what) {
  std::string s = what + std::string("\n");
  for (auto& r : m.residents)
    for (auto& w : r->warps)
      for (auto& g : w.groups) {
        const Inst& i = w.kernel->code[g.pc];
        const NamedBarrier* named = g.state == Group::Barrier ? &w.cta->named(g.addr) : nullptr;
        s += format("  cluster %u cta %u warp %u lanes 0x%08x at %s: ", r->cluster->id, w.cta->rank, w.index, g.mask,
                    symbolise(&i).c_str());
        if (g.state == Group::Mbarrier)
          s += format("waiting for parity %u of ", g.parity) + w.cta->describe_mbarrier(g.addr);
        else if (named)
          s += format("barrier %u, %u of %u arrived", g.addr, named->arrived, named->expected);
        else
          s += format("'%.50s'", i.text.c_str());
        s += "\n";
      }
  throw Error(Fault::Deadlock, s);
}

/// One turn of a cluster; false when all its warps have exited.
bool turn(Resident& r, const Options& o, std::uint64_t quantum, bool& progress) {
  Cluster& cluster = *r.cluster;
  std::vector<unsigned> order;
  for (unsigned i = 0; i < r.warps.size(); ++i)
    if (!r.warps[i].groups.empty()) order.push_back(i);
  if (order.empty()) return false;
  if (o.shuffle_schedule) std::shuffle(order.begin(), order.end(), cluster.rng);
  bool any = false;
  for (const unsigned i : order) {
    any |= run_warp(r.warps[i], o.shuffle_schedule ? 1 + cluster.rng() % 200 : quantum);
    if (o.async == Async::Random && cluster.loads_in_flight() && cluster.rng() % 4 == 0)
      cluster.complete_load(cluster.rng() % cluster.loads_in_flight()), any = true;
    if (o.async == Async::Random && cluster.tensor->in_flight() && cluster.rng() % 4 == 0)
      cluster.tensor->complete_next(), any = true;
  }
  if (!any && cluster.loads_in_flight()) {
    cluster.complete_load(o.async == Async::Random ? cluster.rng() % cluster.loads_in_flight() : 0);
    any = true;
  }
  if (!any && cluster.tensor->in_flight()) cluster.tensor->complete_next(), any = true;
  progress |= any;
  return true;
}

void check_launch(const Kernel& k, const Launch& l) {
  const unsigned threads = l.block.count();
  if (threads == 0 || threads > 1024) throw Error(Fault::Unsupported, format("a block of %u threads", threads));
  if (l.grid.count() == 0) throw Error(Fault::Unsupported, "an empty grid");
  if (l.cluster.count() == 0 || l.grid.x % l.cluster.x || l.grid.y % l.cluster.y || l.grid.z % l.cluster.z)
    throw Error(Fault::Unsupported, "the grid is not a multiple of the cluster");
  if (k.max_threads && threads > k.max_threads)
    throw Error(Fault::Unsupported,
                format("a block of %u threads of a kernel compiled for %u", threads, k.max_threads));
}

/// Throws at a deadlock: nothing moves, or instructions run and nothing that a warp could wait for changes.
class ProgressWatch {
 public:
  void check(Machine& m, bool progress) {
    std::uint64_t version = m.global.version;
    for (const auto& r : m.residents) version += r->cluster->version;
    if (version != version_)
      version_ = version, last_event_ = m.stats.warp_insts;
    else if (m.stats.warp_insts - last_event_ > kLivelock)
      deadlock(m, "warps execute but nothing changes");
    if (!progress) deadlock(m, "no warp can make progress");
  }

 private:
  std::uint64_t version_ = 0, last_event_ = 0;
};

}  // namespace

Stats run(const Kernel& k, const Launch& l, const Options& o, const std::vector<unsigned char>& params) {
  check_launch(k, l);
  std::vector<unsigned char> aligned(params.size() + 64);
  auto* block =
      reinterpret_cast<unsigned char*>((reinterpret_cast<std::uintptr_t>(aligned.data()) + 63) & ~std::uintptr_t(63));
  std::copy(params.begin(), params.end(), block);
  Machine m{&k, o, block, params.size(), (l.block.count() + 31) / 32};
  const bool interleaved = o.cta_order != CtaOrder::Sequential;
  const unsigned clusters = l.grid.count() / l.cluster.count();
  const std::size_t resident = interleaved ? std::max(1u, o.max_resident_clusters) : 1;
  const std::uint64_t quantum = interleaved ? 500 : 1 << 20;  // alone, a warp may run until it blocks
  std::mt19937_64 rng(o.seed);
  ProgressWatch watch;
  for (unsigned next = 0; next < clusters || !m.residents.empty();) {
    while (next < clusters && m.residents.size() < resident) m.residents.push_back(make_resident(m, l, next++));
    if (o.cta_order == CtaOrder::Random) std::shuffle(m.residents.begin(), m.residents.end(), rng);
    bool progress = false;
    for (auto& r : m.residents) {
      if (turn(*r, o, quantum, progress)) continue;
      r->cluster->finish();
      m.stats.bank_conflicts += r->cluster->bank_conflicts;
      r.reset(), progress = true;
    }
    std::erase(m.residents, nullptr);
    if (!m.residents.empty()) watch.check(m, progress);
  }
  return m.stats;
}

}  // namespace simt::ptx
