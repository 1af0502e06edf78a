// Instructions of a warpgroup: wgmma and setmaxnreg.  The four warps meet; the last one to arrive carries them out.
#include <algorithm>

#include "tests/simt/ptx/decoder.h"

namespace simt::ptx {
namespace {

enum Action : std::uint32_t { kSetMaxRegisters, kFence, kCommit, kWait, kMultiply };  // imm[0]

// ---------------------------------------------------------------- execution
/// Operands that descriptors and predicates give: they must agree across the warpgroup.
Wgmma read_scalars(Warp* warps, const Inst& i) {
  Wgmma g;
  g.n = int(i.imm[1]), g.a_in_regs = i.imm[2], g.a_type = MmaType(i.imm[4]), g.b_type = MmaType(i.imm[5]);
  g.tnsp_a = i.imm[3] & 1, g.tnsp_b = i.imm[3] & 2, g.neg_a = i.imm[3] & 4 ? -1 : 1, g.neg_b = i.imm[3] & 8 ? -1 : 1;
  for (int t = 0; t < 128; ++t) {
    Warp& w = warps[t / 32];
    const std::uint64_t b = w.load(i.op[2], t % 32), a = g.a_in_regs ? 0 : w.load(i.op[1], t % 32);
    const bool scale_d = w.pred_bits(i.op[3]) >> t % 32 & 1;
    if (t == 0) g.desc_a = a, g.desc_b = b, g.scale_d = scale_d;
    if (g.desc_a != a || g.desc_b != b || g.scale_d != scale_d)
      throw Error(Fault::Divergence, "wgmma operands differ within the warpgroup, at " + symbolise(&i));
  }
  return g;
}

/// Results are delivered at issue: PTX may rename accumulators before the wait, ptxas keeps track of that.  They are
/// marked in flight, and the race detector sees the reads of shared memory as asynchronous, until wgmma.wait_group.
void multiply(Warp* warps, unsigned wg, const Inst& i) {
  Cta& cta = *warps[0].cta;
  Wgmma g = read_scalars(warps, i);
  const std::size_t registers = std::size_t(g.n / 2);
  std::vector<float> d(128 * registers);
  std::vector<std::uint32_t> a(128 * 4);
  for (std::size_t t = 0; t < 128; ++t) {
    Warp& w = warps[t / 32];
    g.d[t] = &d[t * registers], g.a[t] = &a[t * 4];
    for (std::size_t r = 0; r < registers; ++r) g.d[t][r] = w.row<float>(i.op[0].sub[r])[t % 32];
    for (std::size_t r = 0; g.a_in_regs && r < 4; ++r) a[t * 4 + r] = w.row<std::uint32_t>(i.op[1].sub[r])[t % 32];
  }
  cta.wgmma(wg, g, &i);
  for (std::size_t t = 0; t < 128; ++t)
    for (std::size_t r = 0; r < registers; ++r) warps[t / 32].row<float>(i.op[0].sub[r])[t % 32] = g.d[t][r];
  for (int k = 0; k < 4; ++k) {
    warps[k].any_in_flight = true;
    for (const auto& o : i.op[0].sub) warps[k].in_flight[o.off / 64] = cta.wgmma_group(wg);
  }
}

void wait(Warp* warps, unsigned wg, const Inst& i) {
  Cta& cta = *warps[0].cta;
  cta.wgmma_wait(wg, i.imm[1]);
  const Clock done = cta.wgmma_group(wg) - 1 - i.imm[1];
  for (int k = 0; k < 4; ++k) {
    warps[k].any_in_flight = false;
    for (auto& group : warps[k].in_flight) {
      if (group && std::int32_t(group - done) <= 0) group = 0;
      warps[k].any_in_flight |= group != 0;
    }
  }
}

/// False where the instruction has to be tried again (no registers free).
bool carry_out(Warp* warps, unsigned wg, const Inst& i) {
  Cta& cta = *warps[0].cta;
  switch (i.imm[0]) {
    case kSetMaxRegisters:
      return cta.setmaxnreg(wg, i.imm[1], &i);
    case kFence:
      cta.wgmma_fence(wg);
      break;
    case kCommit:
      cta.wgmma_commit(wg);
      break;
    case kWait:
      wait(warps, wg, i);
      break;
    default:
      multiply(warps, wg, i);
  }
  return true;
}

}  // namespace

bool execute_warpgroup(Warp& w, const Inst& i) {
  const unsigned wg = w.index / 4, quarter = w.index % 4, per_cta = (w.machine->warps_per_cta + 3) / 4;
  if (wg * 4 + 4 > w.machine->warps_per_cta)
    throw Error(Fault::Divergence,
                "a warpgroup instruction in a CTA with an incomplete last warpgroup, at " + symbolise(&i));
  Warp* warps = &w - quarter;  // a CTA's warps are consecutive
  WarpgroupMeeting& meeting = w.resident->meetings[w.cta->rank * per_cta + wg];
  const auto pc = std::uint32_t(&i - w.kernel->code.data());
  if (meeting.passed[quarter]) {  // carried out by the last arriver
    meeting.passed[quarter] = false;
    return true;
  }
  if (meeting.arrived & 1u << quarter && i.imm[0] != kSetMaxRegisters) return false;
  if (meeting.arrived && meeting.pc != pc) {
    const Inst& other = w.kernel->code[meeting.pc];
    throw Error(Fault::Divergence, format("warp %u is at '%s' %s while others of its warpgroup are at '%s' %s", w.index,
                                          i.text.substr(0, 40).c_str(), i.loc.c_str(), other.text.substr(0, 40).c_str(),
                                          other.loc.c_str()));
  }
  meeting.pc = pc, meeting.arrived |= 1u << quarter;
  if (meeting.arrived != 15 || !carry_out(warps, wg, i)) return false;
  ++w.cta->cluster.version;
  for (unsigned k = 0; k < 4; ++k) meeting.passed[k] = k != quarter;
  meeting.arrived = 0;
  return true;
}

// ---------------------------------------------------------------- decoding
namespace {

template <Action kAction>
void set_action(Decoding& d) {
  d.inst.flow = Flow::Warpgroup, d.inst.imm[0] = kAction;
  if (kAction == kSetMaxRegisters || kAction == kWait) d.inst.imm[1] = d.integer(0);
}

MmaType operand_type(const Decoding& d, const std::string& name) {
  static constexpr std::pair<std::string_view, MmaType> kTypes[] = {{"bf16", MmaType::bf16},
                                                                    {"f16", MmaType::f16},
                                                                    {"tf32", MmaType::tf32},
                                                                    {"e4m3", MmaType::e4m3},
                                                                    {"e5m2", MmaType::e5m2}};
  for (const auto& [text, type] : kTypes)
    if (text == name) return type;
  d.fail("unsupported shape or type of wgmma");
}

/// wgmma.mma_async.sync.aligned.m64n{N}k{K}.f32.{type}.{type} d, a, b-desc, scale-d, imm-scale-a, imm-scale-b
/// [, imm-trans-a, imm-trans-b]; with A in registers there is no imm-trans-a; only 16-bit types have any.  The two
/// types are the same, but that e4m3 and e5m2 mix.
void set_multiply(Decoding& d) {
  const auto& m = d.modifiers;
  int n = 0, k = 0, end = 0;
  if (m.size() != 4 || m[1] != "f32" || sscanf(m[0].c_str(), "m64n%dk%d%n", &n, &k, &end) != 2 ||
      std::size_t(end) != m[0].size() || n % 8 || n < 8 || n > 256)
    d.fail("unsupported shape or type of wgmma");
  const MmaType a_type = operand_type(d, m[2]), b_type = operand_type(d, m[3]);
  if (k * bytes(a_type) != 32 || bytes(b_type) != bytes(a_type) || (a_type != b_type && bytes(a_type) > 1))
    d.fail("unsupported shape or type of wgmma");
  const bool in_registers = d.args.size() > 1 && d.args[1][0] == '{';
  const bool transposes = bytes(a_type) == 2;
  const std::size_t operands = 6 + (transposes ? (in_registers ? 1u : 2u) : 0u);
  if (d.args.size() != operands) d.fail("wrong number of operands");
  d.inst.op = {d.operand(0, 4), d.operand(1, in_registers ? 4 : 8), d.operand(2, 8), d.operand(3, 0)};
  if (d.inst.op[0].sub.size() != std::size_t(n / 2) || (in_registers && d.inst.op[1].sub.size() != 4))
    d.fail("wrong number of registers");
  std::uint32_t flags = (d.integer(4) == ~0u ? 4 : 0) | (d.integer(5) == ~0u ? 8 : 0);
  if (transposes && in_registers) flags |= d.integer(6) << 1;
  if (transposes && !in_registers) flags |= d.integer(6) | d.integer(7) << 1;
  d.inst.imm[0] = kMultiply, d.inst.imm[1] = std::uint32_t(n), d.inst.imm[2] = in_registers, d.inst.imm[3] = flags;
  d.inst.imm[4] = std::uint32_t(a_type), d.inst.imm[5] = std::uint32_t(b_type);
  d.inst.flow = Flow::Warpgroup;
}

constexpr Opcode kOpcodes[] = {
    {"setmaxnreg.inc.sync.aligned", "", "-", nullptr, set_action<kSetMaxRegisters>, true},
    {"setmaxnreg.dec.sync.aligned", "", "-", nullptr, set_action<kSetMaxRegisters>, true},
    {"wgmma.fence.sync.aligned", "", "", nullptr, set_action<kFence>, true},
    {"wgmma.commit_group.sync.aligned", "", "", nullptr, set_action<kCommit>, true},
    {"wgmma.wait_group.sync.aligned", "", "-", nullptr, set_action<kWait>, true},
    {"wgmma.mma_async.sync.aligned", "-", "-", nullptr, set_multiply, true},
};

}  // namespace

std::span<const Opcode> wgmma_opcodes() { return kOpcodes; }

}  // namespace simt::ptx
