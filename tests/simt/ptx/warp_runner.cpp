// Runs one warp: groups of lanes at the same program counter, lowest first, merged where they meet.
#include <algorithm>
#include <bit>

#include "tests/simt/ptx/execution.h"

namespace simt::ptx {

std::uint64_t Warp::load(const Operand& o, int lane) {
  switch (o.bytes) {
    case 1:
      return row<std::uint8_t>(o)[lane];
    case 2:
      return row<std::uint16_t>(o)[lane];
    case 4:
      return row<std::uint32_t>(o)[lane];
    default:
      return row<std::uint64_t>(o)[lane];
  }
}

void Warp::store(const Operand& o, int lane, std::uint64_t value) {
  switch (o.bytes) {
    case 1:
      row<std::uint8_t>(o)[lane] = std::uint8_t(value);
      break;
    case 2:
      row<std::uint16_t>(o)[lane] = std::uint16_t(value);
      break;
    case 4:
      row<std::uint32_t>(o)[lane] = std::uint32_t(value);
      break;
    default:
      row<std::uint64_t>(o)[lane] = value;
  }
}

std::int64_t Warp::address(const Operand& o, int lane) {
  std::int64_t a = o.disp;
  if (!o.sub.empty())
    a += o.sub[0].bytes == 4 ? std::int64_t(row<std::uint32_t>(o.sub[0])[lane]) : row<std::int64_t>(o.sub[0])[lane];
  return a;
}

std::uint32_t Warp::own_shared(std::int64_t address, const Inst& i) const {
  if (std::uint64_t(address) >> 24 != cta->rank)
    throw Error(Fault::OutOfBounds, format("shared address 0x%llx is not of this CTA, which has rank %u, at %s",
                                           (unsigned long long)address, cta->rank, symbolise(&i).c_str()));
  return std::uint32_t(address) & 0xffffff;
}

std::uint32_t Warp::shared_address(const Operand& o, int lane, const Inst& i) {
  return own_shared(address(o, lane), i);
}

namespace {

/// Accumulators of an unfinished wgmma, and what tcgen05.ld loads, may be renamed (mov), not used.
void check_in_flight(Warp& w, const Inst& i) {
  const auto use = [&](const Operand& o, auto& self) -> void {
    if (o.kind == Operand::Row && w.in_flight[o.off / 64])
      throw Error(Fault::Async,
                  std::string(w.in_flight[o.off / 64] == kTensorLoad ? "register used before tcgen05.wait::ld"
                                                                     : "accumulator used before wgmma.wait_group") +
                      ", at " + symbolise(&i));
    for (const auto& e : o.sub) self(e, self);
  };
  const bool writes_row = !i.op.empty() && i.op[0].kind == Operand::Row;
  if (i.is_move && writes_row) {
    w.in_flight[i.op[0].off / 64] = i.op[1].kind == Operand::Row ? w.in_flight[i.op[1].off / 64] : 0;
    return;
  }
  for (std::size_t k = writes_row ? 1 : 0; k < i.op.size(); ++k) use(i.op[k], use);
  if (writes_row) w.in_flight[i.op[0].off / 64] = 0;
}

void merge_groups(std::vector<Group>& groups) {
  const auto is_free = [](const Group& g) { return g.state == Group::Run || g.state == Group::Wait; };
  for (std::size_t g = 0; g < groups.size(); ++g)
    for (std::size_t h = g + 1; h < groups.size();) {
      if (groups[g].pc != groups[h].pc || !is_free(groups[g]) || !is_free(groups[h])) {
        ++h;
        continue;
      }
      groups[g].mask |= groups[h].mask, groups[g].state = Group::Run;
      groups.erase(groups.begin() + std::ptrdiff_t(h));
    }
}

/// Whether a group can go on; one whose barrier has completed is moved past it.
bool can_run(Warp& w, Group& g) {
  Cluster& cluster = w.cta->cluster;
  switch (g.state) {
    case Group::Run:
      return true;
    case Group::Mbarrier:
      return w.cta->mbarrier_ready(g.addr, g.parity);
    case Group::Wait:  // at an aligned instruction: a partial warp waits for its lanes, a whole one for its warpgroup
      return g.mask == w.live;
    case Group::Barrier:
      if (!w.cta->barrier_passed(g.addr, g.generation)) return false;
      for_lanes(g.mask, [&](int l) { w.cta->barrier_acquire(w.thread(l), g.addr); });
      break;
    case Group::ClusterBarrier:
      if (!cluster.cluster_passed(g.generation)) return false;
      for_lanes(g.mask, [&](int l) { cluster.cluster_acquire(w.agent(l)); });
      break;
  }
  g.state = Group::Run, ++g.pc;
  return true;
}

int pick_group(Warp& w) {
  int best = -1;
  for (std::size_t g = 0; g < w.groups.size(); ++g)
    if (can_run(w, w.groups[g]) && (best < 0 || w.groups[g].pc < w.groups[std::size_t(best)].pc)) best = int(g);
  return best;
}

/// What the group may do after an instruction.
enum class Next { Continue, Reschedule, Yield };

Next branch(Warp& w, Group& g, const Inst& i, std::uint32_t taken) {
  const std::uint32_t target = i.op[0].off;
  if (taken == g.mask) {
    g.pc = target;
  } else if (taken == 0) {
    ++g.pc;
  } else {
    Group jumped = g;
    jumped.mask = taken, jumped.pc = target;
    g.mask &= ~taken, ++g.pc;
    w.groups.push_back(jumped);
    return Next::Reschedule;
  }
  return w.groups.size() > 1 ? Next::Reschedule : Next::Continue;
}

Next leave(Warp& w, std::size_t index, const Inst& i, std::uint32_t lanes) {
  Group& g = w.groups[index];
  for_lanes(lanes, [&](int l) { w.cta->thread_exits(w.thread(l), &i); });
  w.live &= ~lanes, g.mask &= ~lanes, ++g.pc;
  if (!g.mask) w.groups.erase(w.groups.begin() + std::ptrdiff_t(index));
  return Next::Reschedule;
}

Next barrier(Warp& w, Group& g, const Inst& i, std::uint32_t lanes) {
  const auto id = std::uint32_t(w.load(i.op[0], std::countr_zero(lanes)));
  const auto count = i.op.size() > 1 ? std::uint32_t(w.load(i.op[1], std::countr_zero(lanes))) : 0;
  for_lanes(lanes, [&](int l) { g.generation = w.cta->barrier_arrive(w.thread(l), id, count, &i); });
  if (i.arrive_only) {
    ++g.pc;
    return Next::Continue;
  }
  g.state = Group::Barrier, g.addr = id;
  return Next::Reschedule;
}

Next cluster_barrier(Warp& w, Group& g, const Inst& i, std::uint32_t lanes) {
  if (!i.arrive_only) {
    g.state = Group::ClusterBarrier;
    return Next::Reschedule;
  }
  for_lanes(lanes, [&](int l) { g.generation = w.cta->cluster.cluster_arrive(w.agent(l)); });
  ++g.pc;
  return Next::Continue;
}

Next mbarrier_wait(Warp& w, Group& g, const Inst& i, std::uint32_t lanes) {
  const int first = std::countr_zero(lanes);
  const std::uint32_t addr = w.shared_address(i.op[1], first, i);
  // A state token is the phase's number here: its parity says as much.
  const auto phase = [&](int l) { return std::uint32_t(i.imm[0] == 8 ? w.load(i.op[2], l) & 1 : w.load(i.op[2], l)); };
  const std::uint32_t parity = phase(first);
  bool done = true;
  for_lanes(lanes, [&](int l) {
    if (w.shared_address(i.op[1], l, i) != addr || phase(l) != parity)
      throw Error(Fault::Unsupported, "lanes of one warp wait for different mbarriers, at " + symbolise(&i));
    done = w.cta->mbarrier_test(w.thread(l), addr, parity, &i);
  });
  if (!done) {
    g.state = Group::Mbarrier, g.addr = addr, g.parity = parity;
    return Next::Reschedule;
  }
  g.state = Group::Run;
  w.set_pred(i.op[0], ~0u, lanes);
  ++g.pc;
  return Next::Continue;
}

/// Executes the instruction at the group's program counter for `lanes`; `progress` is set unless it only waits.
Next execute(Warp& w, std::size_t index, const Inst& i, std::uint32_t lanes, bool& progress) {
  Group& g = w.groups[index];
  if (i.flow == Flow::Warpgroup || i.flow == Flow::TensorAlloc) {  // these may have to be tried again
    if (!(i.flow == Flow::Warpgroup ? execute_warpgroup(w, i) : execute_tensor_alloc(w, i, lanes))) {
      g.state = Group::Wait;
      return Next::Yield;
    }
    g.state = Group::Run, ++g.pc, progress = true;
    return Next::Continue;
  }
  if (i.flow == Flow::MbarrierWait) {
    const Next next = mbarrier_wait(w, g, i, lanes);
    progress |= next == Next::Continue;
    return next;
  }
  progress = true;
  switch (i.flow) {
    case Flow::Exit:
      return leave(w, index, i, lanes);
    case Flow::Barrier:
      return barrier(w, g, i, lanes);
    case Flow::ClusterBarrier:
      return cluster_barrier(w, g, i, lanes);
    default:
      break;
  }
  if (w.any_in_flight) check_in_flight(w, i);
  i.exec(w, i, lanes);
  ++g.pc;
  return Next::Continue;
}

/// Runs one group until it blocks, splits, ends or reaches the next group.
Next run_group(Warp& w, std::size_t index, std::uint64_t& quantum, bool& progress) {
  std::uint32_t stop = ~0u;  // where the next group waits to be joined
  for (std::size_t g = 0; g < w.groups.size(); ++g)
    if (g != index && w.groups[g].pc > w.groups[index].pc) stop = std::min(stop, w.groups[g].pc);
  Stats& stats = w.machine->stats;
  while (quantum) {
    Group& g = w.groups[index];
    const Inst& i = w.kernel->code[g.pc];
    std::uint32_t lanes = g.mask;
    if (i.guard >= 0) lanes &= i.guard_not ? ~w.pred[std::size_t(i.guard)] : w.pred[std::size_t(i.guard)];
    if (lanes && i.aligned && lanes != w.live) {
      if (g.mask == w.live)
        throw Error(Fault::Divergence, format("'%s' under a predicate that differs between lanes, at %s",
                                              i.text.substr(0, 60).c_str(), symbolise(&i).c_str()));
      g.state = Group::Wait;
      return Next::Reschedule;
    }
    if (g.state == Group::Wait) g.state = Group::Run;
    --quantum, ++stats.warp_insts, stats.lane_insts += std::uint64_t(std::popcount(g.mask));
    Next next = Next::Continue;
    if (i.flow == Flow::Branch) {
      progress = true;
      next = branch(w, g, i, lanes);
    } else if (lanes == 0) {
      ++g.pc, progress = true;
    } else {
      next = execute(w, index, i, lanes, progress);
    }
    if (next != Next::Continue) return next;
    if (w.groups[index].pc >= stop) return Next::Reschedule;
  }
  return Next::Yield;
}

}  // namespace

bool run_warp(Warp& w, std::uint64_t quantum) {
  bool progress = false;
  while (quantum && !w.groups.empty()) {
    merge_groups(w.groups);
    const int index = pick_group(w);
    if (index < 0 || run_group(w, std::size_t(index), quantum, progress) == Next::Yield) return progress;
  }
  return progress;
}

}  // namespace simt::ptx
