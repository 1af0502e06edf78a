// cp.async, bulk copies, mbarriers, proxy fences, cluster addresses.
#include <algorithm>

#include "tests/simt/ptx/decoder.h"

namespace simt::ptx {
namespace {

// ---------------------------------------------------------------- cp.async
void cp_async(Warp& w, const Inst& i,
              std::uint32_t lanes) {  // op: dst, src, [src-size]; imm: cp-size, ignore predicate
  for_lanes(lanes, [&](int l) {
    std::uint32_t source_bytes = i.imm[0];
    if (i.op.size() > 2) {
      const Operand& third = i.op[2];
      source_bytes = third.kind == Operand::Pred ? (w.pred_bits(third) >> l & 1 ? 0 : i.imm[0])  // ignore-src
                                                 : std::uint32_t(w.load(third, l));
    }
    const std::uint32_t dst = w.shared_address(i.op[0], l, i);
    const auto src = std::uint64_t(w.address(i.op[1], l));
    const auto* p = reinterpret_cast<const void*>(src);
    if (source_bytes) {
      w.machine->check_global(p, source_bytes, "cp.async read", &i);
      w.cta->cluster.global_read(w.agent(l), src, source_bytes, {}, &i);
    }
    w.cta->cp_async(w.thread(l), dst, p, i.imm[0], source_bytes, &i);
  });
}
void cp_async_commit(Warp& w, const Inst&, std::uint32_t lanes) {
  for_lanes(lanes, [&](int l) { w.cta->cp_async_commit(w.thread(l)); });
}
void cp_async_wait(Warp& w, const Inst& i, std::uint32_t lanes) {
  for_lanes(lanes, [&](int l) { w.cta->cp_async_wait(w.thread(l), i.imm[0]); });
}
void cp_async_wait_all(Warp& w, const Inst&, std::uint32_t lanes) {
  for_lanes(lanes, [&](int l) { w.cta->cp_async_wait_all(w.thread(l)); });
}

template <bool kBypassL1>
void set_cp_async(Decoding& d) {
  if (d.args.size() < 3 || d.args.size() > 4) d.fail("wrong number of operands");
  d.add(0, 4), d.add(1, 8);
  if (d.args.size() == 4) d.add(3, 4);
  d.inst.imm[0] = d.integer(2);
  const std::uint32_t n = d.inst.imm[0];
  if (n != 16 && (kBypassL1 || (n != 4 && n != 8))) d.fail("cp.async of that size");
  d.inst.exec = cp_async;
}
template <Exec kExec>
void set(Decoding& d) {
  d.inst.exec = kExec;
}
template <Exec kExec>
void set_with_count(Decoding& d) {
  d.inst.exec = kExec, d.inst.imm[0] = d.integer(0);
}

// ---------------------------------------------------------------- bulk copies
const TensorMap& tensor_map(Warp& w, const Operand& o, int lane, const Inst& i) {
  const auto a = std::uint64_t(w.address(o, lane));
  if (a % 64)
    throw Error(Fault::Descriptor, format("tensor map at 0x%llx, not 64-byte aligned, at %s", (unsigned long long)a,
                                          symbolise(&i).c_str()));
  return *reinterpret_cast<const TensorMap*>(a);
}
void read_coordinates(Warp& w, const Operand& o, int lane, const TensorMap& m, std::int32_t (&c)[5], const Inst& i) {
  const std::size_t n = o.kind == Operand::Vec ? o.sub.size() : 1;
  if (n != m.rank)
    throw Error(Fault::Descriptor,
                format("%zu coordinates for a tensor map of rank %u, at %s", n, m.rank, symbolise(&i).c_str()));
  for (std::size_t k = 0; k < n; ++k) c[k] = std::int32_t(w.load(o.kind == Operand::Vec ? o.sub[k] : o, lane));
}

void tensor_load(Warp& w, const Inst& i, std::uint32_t lanes) {  // op: dst, map, coordinates, mbarrier [, mask]
  for_lanes(lanes, [&](int l) {                                  // imm: for a pair of CTAs
    const TensorMap& m = tensor_map(w, i.op[1], l, i);
    std::int32_t c[5] = {};
    read_coordinates(w, i.op[2], l, m, c, i);
    const std::uint32_t mask = i.op.size() > 4 ? std::uint32_t(w.load(i.op[4], l)) : 1u << w.cta->rank;
    w.cta->bulk_load(w.thread(l), w.shared_address(i.op[0], l, i), m, std::uint32_t(w.address(i.op[3], l)), c,
                     std::uint16_t(mask), i.imm[0], &i);
  });
}
void tensor_store(Warp& w, const Inst& i, std::uint32_t lanes) {  // op: map, coordinates, src; imm: adds
  for_lanes(lanes, [&](int l) {
    const TensorMap& m = tensor_map(w, i.op[0], l, i);
    std::int32_t c[5] = {};
    read_coordinates(w, i.op[1], l, m, c, i);
    w.cta->bulk_store(w.thread(l), m, w.shared_address(i.op[2], l, i), c, i.imm[0], &i);
  });
}

std::uint32_t linear_size(Warp& w, const Operand& size, std::int64_t global, int lane, const Inst& i) {
  const auto bytes = std::uint32_t(w.load(size, lane));
  if (bytes == 0 || bytes % 16 || global % 16)
    throw Error(Fault::Misaligned,
                format("bulk copy of %u bytes at global address 0x%llx; both must be multiples of 16, at %s", bytes,
                       (long long)global, symbolise(&i).c_str()));
  return bytes;
}
void linear_load(Warp& w, const Inst& i, std::uint32_t lanes) {  // op: dst, src, size, mbarrier
  for_lanes(lanes, [&](int l) {
    const std::int64_t src = w.address(i.op[1], l);
    const TensorMap m = linear_map(reinterpret_cast<void*>(src), linear_size(w, i.op[2], src, l, i));
    const std::int32_t zero[5] = {};
    w.cta->bulk_load(w.thread(l), w.shared_address(i.op[0], l, i), m, std::uint32_t(w.address(i.op[3], l)), zero,
                     std::uint16_t(1u << w.cta->rank), false, &i);
  });
}
void linear_store(Warp& w, const Inst& i, std::uint32_t lanes) {  // op: dst, src, size; imm: adds, format
  for_lanes(lanes, [&](int l) {
    const std::int64_t dst = w.address(i.op[0], l);
    TensorMap m = linear_map(reinterpret_cast<void*>(dst), linear_size(w, i.op[2], dst, l, i));
    m.format = MapFormat(i.imm[1]);
    const std::int32_t zero[5] = {};
    w.cta->bulk_store(w.thread(l), m, w.shared_address(i.op[1], l, i), zero, i.imm[0], &i);
  });
}

void set_tensor_copy(Decoding& d) {
  const bool load = d.has("mbarrier::complete_tx::bytes");
  if (load == d.has("bulk_group")) d.fail("unsupported kind of bulk copy");
  const Operand tensor = d.operand(load ? 1 : 0, 8);
  if (tensor.kind != Operand::Vec) d.fail("a tensor operand [map, {coordinates}] is expected");
  if (!load) {
    d.inst.op = {tensor.sub[0], tensor.sub[1], d.operand(1, 4)};
    d.inst.exec = tensor_store;
    return;
  }
  d.inst.op = {d.operand(0, 4), tensor.sub[0], tensor.sub[1], d.operand(2, 4)};
  const bool multicast = d.has("multicast::cluster");
  if (d.args.size() != (multicast ? 4u : 3u)) d.fail("a cache policy operand");
  if (multicast) d.inst.op.push_back(d.operand(3, 2));
  d.inst.imm[0] = d.has("cta_group::2");
  d.inst.exec = tensor_load;
}

void set_linear_copy(Decoding& d) {
  const bool load = d.has("mbarrier::complete_tx::bytes");
  if (load == d.has("bulk_group") || d.args.size() != (load ? 4u : 3u)) d.fail("unsupported kind of bulk copy");
  for (std::size_t a = 0; a < d.args.size(); ++a) d.add(a, a == 2 ? 4 : 8);
  d.inst.exec = load ? linear_load : linear_store;
}

void set_tensor_reduction(Decoding& d) {
  if (!d.has("add")) d.fail("unsupported reduction");
  set_tensor_copy(d);
  d.inst.imm[0] = 1;
}

void set_linear_reduction(Decoding& d) {
  if (!d.has("add")) d.fail("unsupported reduction");
  set_linear_copy(d);
  const MapFormat format = d.type == Type::f32    ? MapFormat::F32
                           : d.type == Type::f16  ? MapFormat::F16
                           : d.type == Type::bf16 ? MapFormat::Bf16
                                                  : MapFormat::Bits;
  if (format == MapFormat::Bits) d.fail("unsupported type of reduction");
  d.inst.imm[0] = 1, d.inst.imm[1] = std::uint32_t(format);
}

void bulk_commit(Warp& w, const Inst&, std::uint32_t lanes) {
  for_lanes(lanes, [&](int l) { w.cta->bulk_commit(w.thread(l)); });
}
void bulk_wait(Warp& w, const Inst& i, std::uint32_t lanes) {
  for_lanes(lanes, [&](int l) { w.cta->bulk_wait(w.thread(l), i.imm[0], i.imm[1] != 0); });
}
void set_bulk_wait(Decoding& d) {
  set_with_count<bulk_wait>(d);
  d.inst.imm[1] = d.has("read");
}
void proxy_fence(Warp& w, const Inst&, std::uint32_t lanes) {
  for_lanes(lanes, [&](int l) { w.cta->fence_proxy_async(w.thread(l)); });
}
void nothing(Warp&, const Inst&, std::uint32_t) {}

// ---------------------------------------------------------------- mbarriers
void mbarrier_init(Warp& w, const Inst& i, std::uint32_t lanes) {
  for_lanes(lanes, [&](int l) {
    w.cta->mbarrier_init(w.thread(l), w.shared_address(i.op[0], l, i), std::uint32_t(w.load(i.op[1], l)), &i);
  });
}
void mbarrier_inval(Warp& w, const Inst& i, std::uint32_t lanes) {
  for_lanes(lanes, [&](int l) { w.cta->mbarrier_inval(w.thread(l), w.shared_address(i.op[0], l, i), &i); });
}
void mbarrier_arrive(Warp& w, const Inst& i, std::uint32_t lanes) {  // op: state, address [, count]
  for_lanes(lanes, [&](int l) {
    const std::uint32_t n = i.op.size() > 2 ? std::uint32_t(w.load(i.op[2], l)) : 1;
    const std::uint64_t phase = w.cta->mbarrier_arrive(w.thread(l), std::uint32_t(w.address(i.op[1], l)), n, &i);
    if (i.op[0].kind != Operand::Sink) w.store(i.op[0], l, phase);
  });
}
void mbarrier_arrive_expect_tx(Warp& w, const Inst& i, std::uint32_t lanes) {  // op: state, address, bytes
  for_lanes(lanes, [&](int l) {
    const auto addr = std::uint32_t(w.address(i.op[1], l));
    w.cta->mbarrier_expect_tx(w.thread(l), addr, std::uint32_t(w.load(i.op[2], l)), &i);
    const std::uint64_t phase = w.cta->mbarrier_arrive(w.thread(l), addr, 1, &i);
    if (i.op[0].kind != Operand::Sink) w.store(i.op[0], l, phase);
  });
}
void mbarrier_expect_tx(Warp& w, const Inst& i, std::uint32_t lanes) {  // op: address, bytes
  for_lanes(lanes, [&](int l) {
    w.cta->mbarrier_expect_tx(w.thread(l), std::uint32_t(w.address(i.op[0], l)), std::uint32_t(w.load(i.op[1], l)), &i);
  });
}
template <unsigned kPhaseBytes>
void set_mbarrier_wait(Decoding& d) {  // a suspend-time hint may follow
  if (d.args.size() < 3 || d.args.size() > 4) d.fail("wrong number of operands");
  d.add(0, 0), d.add(1, 4), d.add(2, kPhaseBytes);
  d.inst.imm[0] = kPhaseBytes;
  d.inst.flow = Flow::MbarrierWait;
}

void mapa_instruction(Warp& w, const Inst& i, std::uint32_t lanes) {
  for_lanes(lanes,
            [&](int l) { w.store(i.op[0], l, mapa(std::uint32_t(w.load(i.op[1], l)), unsigned(w.load(i.op[2], l)))); });
}

constexpr std::string_view kBarrierModifiers = "shared shared::cta shared::cluster release relaxed cta cluster";
constexpr std::string_view kWaitModifiers = "shared shared::cta acquire relaxed cta cluster";
constexpr std::string_view kBulkModifiers =
    "1d 2d 3d 4d 5d tile shared::cluster shared::cta global mbarrier::complete_tx::bytes multicast::cluster bulk_group "
    "cta_group::1 cta_group::2";

constexpr Opcode kOpcodes[] = {
    {"cp.async.ca", "shared shared::cta global L2::64B L2::128B L2::256B", "-", nullptr, set_cp_async<false>},
    {"cp.async.cg", "shared shared::cta global L2::64B L2::128B L2::256B", "-", nullptr, set_cp_async<true>},
    {"cp.async.commit_group", "", "", nullptr, set<cp_async_commit>},
    {"cp.async.wait_group", "", "-", nullptr, set_with_count<cp_async_wait>},
    {"cp.async.wait_all", "", "", nullptr, set<cp_async_wait_all>},
    {"cp.async.bulk.tensor", kBulkModifiers, "-", nullptr, set_tensor_copy},
    {"cp.async.bulk", "shared::cluster shared::cta global mbarrier::complete_tx::bytes bulk_group", "-", nullptr,
     set_linear_copy},
    {"cp.reduce.async.bulk.tensor", "1d 2d 3d 4d 5d tile global shared::cta bulk_group add", "-", nullptr,
     set_tensor_reduction},
    {"cp.reduce.async.bulk", "global shared::cta bulk_group add noftz", "-", nullptr, set_linear_reduction},
    {"cp.async.bulk.commit_group", "", "", nullptr, set<bulk_commit>},
    {"cp.async.bulk.wait_group", "read", "-", nullptr, set_bulk_wait},
    {"cp.async.bulk.prefetch", "tensor 1d 2d 3d 4d 5d tile L2 global", "-", nullptr, set<nothing>},
    {"mbarrier.init", "shared shared::cta", "44", nullptr, set<mbarrier_init>},
    {"mbarrier.inval", "shared shared::cta", "4", nullptr, set<mbarrier_inval>},
    {"mbarrier.arrive", kBarrierModifiers, "84?4", nullptr, set<mbarrier_arrive>},
    {"mbarrier.arrive.expect_tx", kBarrierModifiers, "844", nullptr, set<mbarrier_arrive_expect_tx>},
    {"mbarrier.expect_tx", kBarrierModifiers, "44", nullptr, set<mbarrier_expect_tx>},
    {"mbarrier.try_wait.parity", kWaitModifiers, "-", nullptr, set_mbarrier_wait<4>},
    {"mbarrier.test_wait.parity", kWaitModifiers, "-", nullptr, set_mbarrier_wait<4>},
    {"mbarrier.try_wait", kWaitModifiers, "-", nullptr, set_mbarrier_wait<8>},
    {"mbarrier.test_wait", kWaitModifiers, "-", nullptr, set_mbarrier_wait<8>},
    {"fence.proxy.async", "global shared::cta shared::cluster", "", nullptr, set<proxy_fence>},
    {"fence.mbarrier_init", "release cluster", "", nullptr, set<proxy_fence>},
    {"mapa.shared::cluster", "", "444", nullptr, set<mapa_instruction>},
};

}  // namespace

std::span<const Opcode> async_opcodes() { return kOpcodes; }

}  // namespace simt::ptx
