// Instructions of a whole warp: shuffles, votes, reductions, matrix fragments, mma.sync, __syncwarp.
#include <algorithm>
#include <bit>

#include "tests/simt/ptx/shapes.h"

namespace simt::ptx {
namespace {

/// The member mask must name exactly the lanes that execute the instruction (of those still alive).
void check_members(Warp& w, const Inst& i, const Operand& mask_operand, std::uint32_t lanes) {
  for_lanes(lanes, [&](int l) {
    const std::uint32_t mask = std::uint32_t(w.load(mask_operand, l));
    if ((mask & w.live) != lanes)
      throw Error(Fault::Divergence,
                  format("mask 0x%x executed by lanes 0x%x, at %s", mask, lanes, symbolise(&i).c_str()));
  });
}

// ---------------------------------------------------------------- shfl
enum ShuffleMode : std::uint32_t { kUp, kDown, kButterfly, kIndex };

void shfl(Warp& w, const Inst& i, std::uint32_t lanes) {  // op: d, p, a, b, c, mask; imm: mode
  check_members(w, i, i.op[5], lanes);
  std::uint32_t in[32], valid = 0;
  std::memcpy(in, w.row<std::uint32_t>(i.op[2]), sizeof in);
  for_lanes(lanes, [&](int l) {
    const std::uint32_t b = w.row<std::uint32_t>(i.op[3])[l] & 31, c = w.row<std::uint32_t>(i.op[4])[l];
    const int segment = c >> 8 & 31, clamp = c & 31, highest = (l & segment) | (clamp & ~segment), lowest = l & segment;
    int source = 0;
    switch (i.imm[0]) {
      case kUp:
        source = l - int(b);
        break;
      case kDown:
        source = l + int(b);
        break;
      case kButterfly:
        source = l ^ int(b);
        break;
      default:
        source = lowest | (int(b) & ~segment);
    }
    const bool in_range = i.imm[0] == kUp ? source >= highest : source <= highest;
    if (!in_range) source = l;
    if (!(lanes >> source & 1)) throw Error(Fault::Divergence, "shfl.sync from an inactive lane, at " + symbolise(&i));
    w.row<std::uint32_t>(i.op[0])[l] = in[source];
    valid |= std::uint32_t(in_range) << l;
  });
  w.set_pred(i.op[1], valid, lanes);
}
template <ShuffleMode kMode>
void set_shfl(Decoding& d) {
  d.inst.imm[0] = kMode, d.inst.exec = shfl;
  d.inst.aligned = d.args[4] == "-1" || d.args[4] == "0xffffffff";
}

// ---------------------------------------------------------------- votes, matches, reductions
enum Vote : std::uint32_t { kAll, kAny, kUniform, kBallot };

void vote(Warp& w, const Inst& i, std::uint32_t lanes) {
  check_members(w, i, i.op[2], lanes);
  const std::uint32_t p = w.pred_bits(i.op[1]) & lanes;
  switch (i.imm[0]) {
    case kBallot:
      for_lanes(lanes, [&](int l) { w.row<std::uint32_t>(i.op[0])[l] = p; });
      break;
    case kAll:
      w.set_pred(i.op[0], p == lanes ? ~0u : 0, lanes);
      break;
    case kAny:
      w.set_pred(i.op[0], p ? ~0u : 0, lanes);
      break;
    default:
      w.set_pred(i.op[0], p == 0 || p == lanes ? ~0u : 0, lanes);
  }
}
template <Vote kVote>
void set_vote(Decoding& d) {
  d.inst.imm[0] = kVote, d.inst.exec = vote;
  d.inst.aligned = d.args[2] == "-1" || d.args[2] == "0xffffffff";
}

void active_mask(Warp& w, const Inst& i, std::uint32_t lanes) {
  for_lanes(lanes, [&](int l) { w.row<std::uint32_t>(i.op[0])[l] = lanes; });
}

template <class T>
void match_any(Warp& w, const Inst& i, std::uint32_t lanes) {
  check_members(w, i, i.op[2], lanes);
  const T* a = w.row<T>(i.op[1]);
  for_lanes(lanes, [&](int l) {
    std::uint32_t same = 0;
    for (int k = 0; k < 32; ++k) same |= std::uint32_t((lanes >> k & 1) && a[k] == a[l]) << k;
    w.row<std::uint32_t>(i.op[0])[l] = same;
  });
}

struct ReduceAdd {
  auto operator()(auto a, auto b) const { return decltype(a)(std::uint32_t(a) + std::uint32_t(b)); }
};
struct ReduceMin {
  auto operator()(auto a, auto b) const { return std::min(a, b); }
};
struct ReduceMax {
  auto operator()(auto a, auto b) const { return std::max(a, b); }
};
struct ReduceAnd {
  auto operator()(auto a, auto b) const { return decltype(a)(a & b); }
};
struct ReduceOr {
  auto operator()(auto a, auto b) const { return decltype(a)(a | b); }
};
struct ReduceXor {
  auto operator()(auto a, auto b) const { return decltype(a)(a ^ b); }
};

template <class T, class F>
void reduce(Warp& w, const Inst& i, std::uint32_t lanes) {
  check_members(w, i, i.op[2], lanes);
  const T* a = w.row<T>(i.op[1]);
  T sum = a[std::countr_zero(lanes)];
  for (int l = std::countr_zero(lanes) + 1; l < 32; ++l)
    if (lanes >> l & 1) sum = F{}(sum, a[l]);
  for_lanes(lanes, [&](int l) { w.row<T>(i.op[0])[l] = sum; });
}
template <class F>
Exec choose_reduce(Type t) {
  if (t == Type::s32) return reduce<std::int32_t, F>;
  return t == Type::u32 || t == Type::b32 ? reduce<std::uint32_t, F> : nullptr;
}

void elect(Warp& w, const Inst& i, std::uint32_t lanes) {
  const int leader = std::countr_zero(lanes);
  if (i.op[0].kind == Operand::Row)
    for_lanes(lanes, [&](int l) { w.row<std::uint32_t>(i.op[0])[l] = std::uint32_t(leader); });
  w.set_pred(i.op[1], 1u << leader, lanes);
}

void syncwarp(Warp& w, const Inst& i, std::uint32_t lanes) {
  check_members(w, i, i.op[0], lanes);
  unsigned threads[32], n = 0;
  for_lanes(lanes, [&](int l) { threads[n++] = w.thread(l); });
  w.cta->syncwarp(threads, n);
}
void set_syncwarp(Decoding& d) {
  d.inst.exec = syncwarp;
  d.inst.aligned = d.args[0] == "-1" || d.args[0] == "0xffffffff";
}

// ---------------------------------------------------------------- matrices
std::uint32_t* fragment(Warp& w, const Operand& o, std::size_t r) {
  return w.row<std::uint32_t>(o.kind == Operand::Vec ? o.sub[r] : o);
}

void ldmatrix(Warp& w, const Inst& i, std::uint32_t) {  // imm: matrices, transposed
  std::uint32_t addr[32], out[32][4];
  for (int l = 0; l < 32; ++l) addr[l] = w.shared_address(i.op[1], l, i);
  w.cta->ldmatrix(w.index, addr, int(i.imm[0]), i.imm[1], out, &i);
  for (unsigned r = 0; r < i.imm[0]; ++r) {
    std::uint32_t* d = fragment(w, i.op[0], r);
    for (int l = 0; l < 32; ++l) d[l] = out[l][r];
  }
}

void stmatrix(Warp& w, const Inst& i, std::uint32_t) {
  std::uint32_t addr[32], in[32][4] = {};
  for (int l = 0; l < 32; ++l) addr[l] = w.shared_address(i.op[0], l, i);
  for (unsigned r = 0; r < i.imm[0]; ++r) {
    const std::uint32_t* a = fragment(w, i.op[1], r);
    for (int l = 0; l < 32; ++l) in[l][r] = a[l];
  }
  w.cta->stmatrix(w.index, addr, int(i.imm[0]), i.imm[1], in, &i);
}

template <bool kStore>
void set_matrix(Decoding& d) {
  if (d.type != Type::b16) d.fail("unsupported operand type");
  d.inst.imm[0] = d.has("x4") ? 4 : d.has("x2") ? 2 : 1, d.inst.imm[1] = d.has("trans");
  const Operand& registers = d.inst.op[kStore ? 1 : 0];
  if (registers.kind == Operand::Vec && registers.sub.size() != d.inst.imm[0]) d.fail("wrong number of registers");
  d.inst.exec = kStore ? stmatrix : ldmatrix;
}

void mma(Warp& w, const Inst& i, std::uint32_t) {  // imm: type, k
  const MmaShape shape{MmaType(i.imm[0]), int(i.imm[1])};
  std::uint32_t a[32][4], b[32][2];
  float c[32][4], d[32][4];
  const auto gather = [&](const Operand& o, int registers, auto& to) {
    for (int r = 0; r < registers; ++r)
      for (int l = 0; l < 32; ++l) std::memcpy(&to[l][r], &fragment(w, o, std::size_t(r))[l], 4);
  };
  gather(i.op[1], shape.a_registers(), a);
  gather(i.op[2], shape.b_registers(), b);
  gather(i.op[3], 4, c);
  mma_m16n8(shape, a, b, c, d);
  for (std::size_t r = 0; r < 4; ++r)
    for (int l = 0; l < 32; ++l) std::memcpy(&fragment(w, i.op[0], r)[l], &d[l][r], 4);
}

template <MmaType kType, int kK>
void set_mma(Decoding& d) {
  const MmaShape shape{kType, kK};
  const auto registers = [&](std::size_t k) {
    return d.inst.op[k].kind == Operand::Vec ? int(d.inst.op[k].sub.size()) : 1;
  };
  if (registers(0) != 4 || registers(1) != shape.a_registers() || registers(2) != shape.b_registers() ||
      registers(3) != 4)
    d.fail("wrong number of registers");
  d.inst.imm[0] = std::uint32_t(kType), d.inst.imm[1] = kK, d.inst.exec = mma;
}

constexpr bool kAligned = true;

constexpr Opcode kOpcodes[] = {
    {"shfl.sync.up", "", "P4444", nullptr, set_shfl<kUp>},
    {"shfl.sync.down", "", "P4444", nullptr, set_shfl<kDown>},
    {"shfl.sync.bfly", "", "P4444", nullptr, set_shfl<kButterfly>},
    {"shfl.sync.idx", "", "P4444", nullptr, set_shfl<kIndex>},
    {"vote.sync.all", "", "pp4", nullptr, set_vote<kAll>},
    {"vote.sync.any", "", "pp4", nullptr, set_vote<kAny>},
    {"vote.sync.uni", "", "pp4", nullptr, set_vote<kUniform>},
    {"vote.sync.ballot", "", "4p4", nullptr, set_vote<kBallot>},
    {"activemask", "", "4", nullptr, [](Decoding& d) { d.inst.exec = active_mask; }},
    {"match.any.sync", "", "4t4",
     [](Type t) {
       return t == Type::b32 ? match_any<std::uint32_t> : t == Type::b64 ? match_any<std::uint64_t> : nullptr;
     },
     nullptr, kAligned},
    {"redux.sync.add", "", "444", choose_reduce<ReduceAdd>, nullptr, kAligned},
    {"redux.sync.min", "", "444", choose_reduce<ReduceMin>, nullptr, kAligned},
    {"redux.sync.max", "", "444", choose_reduce<ReduceMax>, nullptr, kAligned},
    {"redux.sync.and", "", "444", choose_reduce<ReduceAnd>, nullptr, kAligned},
    {"redux.sync.or", "", "444", choose_reduce<ReduceOr>, nullptr, kAligned},
    {"redux.sync.xor", "", "444", choose_reduce<ReduceXor>, nullptr, kAligned},
    {"elect.sync", "", "P4", nullptr, [](Decoding& d) { d.inst.exec = elect; }, kAligned},
    {"bar.warp.sync", "", "4", nullptr, set_syncwarp},
    {"ldmatrix.sync.aligned.m8n8", "x1 x2 x4 trans shared shared::cta", "48", nullptr, set_matrix<false>, kAligned},
    {"stmatrix.sync.aligned.m8n8", "x1 x2 x4 trans shared shared::cta", "84", nullptr, set_matrix<true>, kAligned},
    {"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", "", "4444", nullptr, set_mma<MmaType::bf16, 16>, kAligned},
    {"mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32", "", "4444", nullptr, set_mma<MmaType::bf16, 8>, kAligned},
    {"mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", "", "4444", nullptr, set_mma<MmaType::f16, 16>, kAligned},
    {"mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32", "", "4444", nullptr, set_mma<MmaType::f16, 8>, kAligned},
    {"mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", "", "4444", nullptr, set_mma<MmaType::tf32, 8>, kAligned},
    {"mma.sync.aligned.m16n8k4.row.col.f32.tf32.tf32.f32", "", "4444", nullptr, set_mma<MmaType::tf32, 4>, kAligned},
};

}  // namespace

std::span<const Opcode> warp_opcodes() { return kOpcodes; }

}  // namespace simt::ptx
