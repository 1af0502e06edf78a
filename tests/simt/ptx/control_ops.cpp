// Branches, exits and CTA-wide barriers: the scheduler carries them out.
#include "tests/simt/ptx/decoder.h"

namespace simt::ptx {
namespace {

void set_branch(Decoding& d) {
  Operand target;
  target.kind = Operand::Label;
  if (d.args.size() != 1) d.fail("one target is expected");
  d.inst.op = {target};
  d.inst.flow = Flow::Branch;
  d.decoder.branch_to(d.args[0]);
}

void set_exit(Decoding& d) { d.inst.flow = Flow::Exit; }

template <bool kArriveOnly, bool kAlwaysAligned>
void set_barrier(Decoding& d) {
  if (d.args.empty() || d.args.size() > 2 || (kArriveOnly && d.args.size() != 2)) d.fail("wrong number of operands");
  for (std::size_t a = 0; a < d.args.size(); ++a) d.add(a, 4);
  d.inst.flow = Flow::Barrier, d.inst.arrive_only = kArriveOnly;
  d.inst.aligned = kAlwaysAligned || d.has("aligned");
}

template <bool kArriveOnly>
void set_cluster_barrier(Decoding& d) {
  d.inst.flow = Flow::ClusterBarrier, d.inst.arrive_only = kArriveOnly;
  d.inst.aligned = d.has("aligned");
}

void nothing(Warp&, const Inst&, std::uint32_t) {}
void set_nothing(Decoding& d) { d.inst.exec = nothing; }

constexpr Opcode kOpcodes[] = {
    {"bra", "uni", "-", nullptr, set_branch},
    {"ret", "uni", "", nullptr, set_exit},
    {"exit", "", "", nullptr, set_exit},
    {"bar.sync", "", "-", nullptr, set_barrier<false, true>},
    {"bar.arrive", "", "-", nullptr, set_barrier<true, true>},
    {"bar.cta.sync", "", "-", nullptr, set_barrier<false, true>},
    {"bar.cta.arrive", "", "-", nullptr, set_barrier<true, true>},
    {"barrier.sync", "aligned", "-", nullptr, set_barrier<false, false>},
    {"barrier.arrive", "aligned", "-", nullptr, set_barrier<true, false>},
    {"barrier.cta.sync", "aligned", "-", nullptr, set_barrier<false, false>},
    {"barrier.cta.arrive", "aligned", "-", nullptr, set_barrier<true, false>},
    {"barrier.cluster.arrive", "release relaxed aligned", "", nullptr, set_cluster_barrier<true>},
    {"barrier.cluster.wait", "acquire aligned", "", nullptr, set_cluster_barrier<false>},
    {"nanosleep", "", "-", nullptr, set_nothing},
    {"griddepcontrol.launch_dependents", "", "", nullptr, set_nothing},
    {"griddepcontrol.wait", "", "", nullptr, set_nothing},
};

}  // namespace

std::span<const Opcode> control_opcodes() { return kOpcodes; }

}  // namespace simt::ptx
