// tcgen05: tensor memory, and products and copies in it.
#include <bit>

#include "tests/simt/ptx/decoder.h"

namespace simt::ptx {
namespace {

int cta_group(const Decoding& d) {
  if (d.has("cta_group::1") == d.has("cta_group::2")) d.fail("one of .cta_group::1 and ::2 is expected");
  return d.has("cta_group::1") ? 1 : 2;
}

/// The value of an operand on which all lanes must agree.
std::uint64_t uniform(Warp& w, const Operand& o, std::uint32_t lanes, const Inst& i, bool is_address) {
  const auto value = [&](int l) { return is_address ? std::uint64_t(w.address(o, l)) : w.load(o, l); };
  const std::uint64_t first = value(std::countr_zero(lanes));
  for_lanes(lanes, [&](int l) {
    if (value(l) != first) throw Error(Fault::Divergence, "operands differ between lanes, at " + symbolise(&i));
  });
  return first;
}

// ---------------------------------------------------------------- allocation
void deallocate(Warp& w, const Inst& i, std::uint32_t lanes) {  // op: address, columns; imm: cta_group
  w.cta->cluster.tensor->deallocate(*w.cta, w.index, std::uint32_t(uniform(w, i.op[0], lanes, i, false)),
                                    std::uint32_t(uniform(w, i.op[1], lanes, i, false)), int(i.imm[0]), &i);
}
void relinquish(Warp& w, const Inst& i, std::uint32_t) { w.cta->cluster.tensor->relinquish(*w.cta, int(i.imm[0]), &i); }

void set_alloc(Decoding& d) {
  d.inst.imm[0] = std::uint32_t(cta_group(d));
  d.inst.flow = Flow::TensorAlloc;
}
template <Exec kExec>
void set_in_group(Decoding& d) {
  d.inst.imm[0] = std::uint32_t(cta_group(d)), d.inst.exec = kExec;
}
template <Exec kExec>
void set(Decoding& d) {
  d.inst.exec = kExec;
}

// ---------------------------------------------------------------- loads and stores
void load(Warp& w, const Inst& i, std::uint32_t lanes) {  // op: registers, address; imm: columns
  std::uint32_t values[128][32];
  w.cta->cluster.tensor->load(*w.cta, w.index, std::uint32_t(uniform(w, i.op[1], lanes, i, true)), i.imm[0], values,
                              &i);
  for (std::size_t r = 0; r < i.imm[0]; ++r) {
    const Operand& to = i.op[0].sub[r];
    if (to.kind == Operand::Sink) continue;
    std::memcpy(w.row<std::uint32_t>(to), values[r], sizeof values[r]);
    w.in_flight[to.off / 64] = kTensorLoad;
  }
  w.any_in_flight = true;
}

void store(Warp& w, const Inst& i, std::uint32_t lanes) {  // op: address, registers; imm: columns
  std::uint32_t values[128][32];
  for (std::size_t r = 0; r < i.imm[0]; ++r)
    std::memcpy(values[r], w.row<std::uint32_t>(i.op[1].sub[r]), sizeof values[r]);
  w.cta->cluster.tensor->store(*w.cta, w.index, std::uint32_t(uniform(w, i.op[0], lanes, i, true)), i.imm[0], values,
                               &i);
}

template <bool kStore>
void set_transfer(Decoding& d) {
  unsigned columns = 0;
  for (const auto& m : d.modifiers)
    if (m[0] == 'x') columns = unsigned(std::stoul(m.substr(1)));
  if (d.type != Type::b32 || !columns) d.fail("unsupported form");
  if (d.args.size() != 2) d.fail("wrong number of operands");
  d.add(0, 4), d.add(1, 4);
  const Operand& values = d.inst.op[kStore ? 1 : 0];
  if (values.kind != Operand::Vec || values.sub.size() != columns) d.fail("wrong number of registers");
  d.inst.imm[0] = columns;
  d.inst.exec = kStore ? store : load;
}

void wait_loads(Warp& w, const Inst&, std::uint32_t) {
  w.cta->cluster.tensor->wait_loads(*w.cta, w.index);
  w.any_in_flight = false;
  for (auto& group : w.in_flight) {
    if (group == kTensorLoad) group = 0;
    w.any_in_flight |= group != 0;
  }
}
void wait_stores(Warp& w, const Inst&, std::uint32_t) { w.cta->cluster.tensor->wait_stores(*w.cta, w.index); }

void fence_before(Warp& w, const Inst&, std::uint32_t lanes) {
  for_lanes(lanes, [&](int l) { w.cta->cluster.tensor->fence_before_thread_sync(*w.cta, w.thread(l)); });
}
void fence_after(Warp& w, const Inst&, std::uint32_t lanes) {
  for_lanes(lanes, [&](int l) { w.cta->cluster.tensor->fence_after_thread_sync(*w.cta, w.thread(l)); });
}

// ---------------------------------------------------------------- products, copies, commits
/// These are instructions of one thread: a warp that executes one issues it as many times as it has lanes.
int only_lane(std::uint32_t lanes, const Inst& i) {
  if (std::popcount(lanes) != 1)
    throw Error(Fault::Async, format("issued by %d lanes: each of them starts the operation, at %s",
                                     std::popcount(lanes), symbolise(&i).c_str()));
  return std::countr_zero(lanes);
}

// op: d, a, b, idesc, accumulate [, scale_a, scale_b]; imm: cta_group, kind, scale vector, whether a is in tensor
// memory
void mma(Warp& w, const Inst& i, std::uint32_t lanes) {
  const int l = only_lane(lanes, i);
  TensorMma m;
  m.cta_group = int(i.imm[0]), m.kind = TensorMma::Kind(i.imm[1]), m.scale_vector = int(i.imm[2]);
  m.a_in_tensor_memory = i.imm[3];
  m.a = m.a_in_tensor_memory ? std::uint64_t(w.address(i.op[1], l)) : w.load(i.op[1], l);
  m.d = std::uint32_t(w.address(i.op[0], l)), m.b = w.load(i.op[2], l);
  m.idesc = std::uint32_t(w.load(i.op[3], l)), m.accumulate = w.pred_bits(i.op[4]) >> l & 1;
  if (m.scale_vector)
    m.scale_a = std::uint32_t(w.address(i.op[5], l)), m.scale_b = std::uint32_t(w.address(i.op[6], l));
  w.cta->cluster.tensor->mma(*w.cta, w.thread(l), m, &i);
}

/// The scale vectors that a kind can have, the one without a modifier first (PTX ISA, tcgen05.mma, "block scaling").
struct Kind {
  std::string_view name;
  TensorMma::Kind kind;
  int vectors[2];  // none: no block scaling
};
constexpr Kind kKinds[] = {{"kind::f16", TensorMma::F16, {}},       {"kind::tf32", TensorMma::Tf32, {}},
                           {"kind::f8f6f4", TensorMma::F8f6f4, {}}, {"kind::mxf8f6f4", TensorMma::Mxf8f6f4, {1}},
                           {"kind::mxf4", TensorMma::Mxf4, {2}},    {"kind::mxf4nvf4", TensorMma::Mxf4nvf4, {2, 4}}};

int scale_vector(const Decoding& d, const Kind& kind) {
  int vector = 0;
  if (d.has("scale_vec::1X")) vector = 1;
  if (d.has("scale_vec::2X")) vector = 2;
  if (d.has("scale_vec::4X") || d.has("block16")) vector = 4;
  if (!vector) vector = kind.vectors[0];
  if (d.has("block_scale") != (kind.vectors[0] != 0)) d.fail("block scaling and this kind do not go together");
  if (vector != kind.vectors[0] && vector != kind.vectors[1]) d.fail("this kind has no such scale vector");
  return vector;
}

void set_mma(Decoding& d) {
  const Kind* kind = nullptr;
  for (const Kind& k : kKinds)
    if (d.has(k.name)) kind = &k;
  if (!kind) d.fail("unsupported kind of tcgen05.mma");
  const int vector = scale_vector(d, *kind);
  const bool a_in_tensor_memory = d.args.size() > 1 && d.args[1][0] == '[';
  if (d.args.size() != (vector ? 7u : 5u) || (a_in_tensor_memory && vector)) d.fail("unsupported form of tcgen05.mma");
  d.add(0, 4), d.add(1, a_in_tensor_memory ? 4 : 8), d.add(2, 8), d.add(3, 4), d.add(vector ? 6 : 4, 0);
  if (vector) d.add(4, 4), d.add(5, 4);
  d.inst.imm[0] = std::uint32_t(cta_group(d)), d.inst.imm[1] = kind->kind, d.inst.imm[2] = std::uint32_t(vector);
  d.inst.imm[3] = a_in_tensor_memory;
  d.inst.exec = mma;
}

void copy(Warp& w, const Inst& i, std::uint32_t lanes) {  // op: address, descriptor; imm: cta_group, lanes, bytes
  const int l = only_lane(lanes, i);
  TensorCopy t;
  t.cta_group = int(i.imm[0]), t.lanes = i.imm[1], t.bytes = i.imm[2];
  t.address = std::uint32_t(w.address(i.op[0], l)), t.source = w.load(i.op[1], l);
  w.cta->cluster.tensor->copy(*w.cta, w.thread(l), t, &i);
}

template <unsigned kLanes, unsigned kBytes>
void set_copy(Decoding& d) {
  d.inst.imm[0] = std::uint32_t(cta_group(d)), d.inst.imm[1] = kLanes, d.inst.imm[2] = kBytes;
  if (d.has("warpx4") != (kLanes == 32)) d.fail("unsupported form of tcgen05.cp");
  d.inst.exec = copy;
}

void commit(Warp& w, const Inst& i, std::uint32_t lanes) {  // op: mbarrier [, mask]; imm: cta_group
  const int l = only_lane(lanes, i);
  TensorCommit t;
  t.cta_group = int(i.imm[0]), t.mbar = std::uint32_t(w.address(i.op[0], l));
  t.mask = i.op.size() > 1 ? std::uint16_t(w.load(i.op[1], l)) : std::uint16_t(1u << (t.mbar >> 24));
  w.cta->cluster.tensor->commit(*w.cta, w.thread(l), t, &i);
}

void set_commit(Decoding& d) {
  if (!d.has("mbarrier::arrive::one") || d.has("multicast::cluster") != (d.args.size() == 2))
    d.fail("unsupported form of tcgen05.commit");
  d.add(0, 8);
  if (d.args.size() == 2) d.add(1, 2);
  d.inst.imm[0] = std::uint32_t(cta_group(d)), d.inst.exec = commit;
}

constexpr std::string_view kMmaModifiers =
    "cta_group::1 cta_group::2 kind::f16 kind::tf32 kind::f8f6f4 kind::mxf8f6f4 kind::mxf4 kind::mxf4nvf4 block_scale "
    "scale_vec::1X scale_vec::2X scale_vec::4X block16 block32 collector::a::fill collector::a::use "
    "collector::a::lastuse collector::a::discard";
constexpr std::string_view kTransferModifiers = "x1 x2 x4 x8 x16 x32 x64 x128";
constexpr std::string_view kCopyModifiers = "cta_group::1 cta_group::2 128x256b 128x128b 32x128b warpx4";
constexpr bool kAligned = true;

void set_copy_by_shape(Decoding& d) {
  if (d.has("32x128b")) return set_copy<32, 16>(d);
  if (d.has("128x128b")) return set_copy<128, 16>(d);
  if (d.has("128x256b")) return set_copy<128, 32>(d);
  d.fail("unsupported shape of tcgen05.cp");
}

constexpr Opcode kOpcodes[] = {
    {"tcgen05.alloc", "cta_group::1 cta_group::2 sync aligned shared::cta", "44", nullptr, set_alloc, kAligned},
    {"tcgen05.dealloc", "cta_group::1 cta_group::2 sync aligned", "44", nullptr, set_in_group<deallocate>, kAligned},
    {"tcgen05.relinquish_alloc_permit", "cta_group::1 cta_group::2 sync aligned", "", nullptr, set_in_group<relinquish>,
     kAligned},
    {"tcgen05.ld.sync.aligned.32x32b", kTransferModifiers, "-", nullptr, set_transfer<false>, kAligned},
    {"tcgen05.st.sync.aligned.32x32b", kTransferModifiers, "-", nullptr, set_transfer<true>, kAligned},
    {"tcgen05.wait::ld.sync.aligned", "", "", nullptr, set<wait_loads>, kAligned},
    {"tcgen05.wait::st.sync.aligned", "", "", nullptr, set<wait_stores>, kAligned},
    {"tcgen05.fence::before_thread_sync", "", "", nullptr, set<fence_before>},
    {"tcgen05.fence::after_thread_sync", "", "", nullptr, set<fence_after>},
    {"tcgen05.mma", kMmaModifiers, "-", nullptr, set_mma},
    {"tcgen05.cp", kCopyModifiers, "48", nullptr, set_copy_by_shape},
    {"tcgen05.commit", "cta_group::1 cta_group::2 mbarrier::arrive::one shared::cluster multicast::cluster", "-",
     nullptr, set_commit},
};

}  // namespace

/// False while the allocation waits.  The address goes to shared memory as an ordinary store of the first lane.
bool execute_tensor_alloc(Warp& w, const Inst& i, std::uint32_t lanes) {  // op: where to, columns
  const auto columns = std::uint32_t(uniform(w, i.op[1], lanes, i, false));
  const std::uint32_t to = w.own_shared(std::int64_t(uniform(w, i.op[0], lanes, i, true)), i);
  std::uint32_t address = 0;
  if (!w.cta->cluster.tensor->allocate(*w.cta, w.index, columns, int(i.imm[0]), address, &i)) return false;
  if (to % 4) throw Error(Fault::Misaligned, format("tcgen05.alloc to 0x%x, at %s", to, symbolise(&i).c_str()));
  w.cta->write(w.thread(std::countr_zero(lanes)), to, 4, &i);
  std::memcpy(w.cta->arena + to, &address, 4);
  return true;
}

std::span<const Opcode> tcgen05_opcodes() { return kOpcodes; }

}  // namespace simt::ptx
