// ld, st, atom, red, fences, cvta.
#include <algorithm>

#include "tests/simt/ptx/shapes.h"

namespace simt::ptx {
namespace {

enum Space : std::uint32_t { kGeneric, kGlobal, kShared, kLocal, kParam };
enum Order : std::uint32_t { kStrong = 1, kAcquire = 2, kRelease = 4 };  // imm[3]

Space space_of(const Decoding& d) {
  if (d.has("shared") || d.has("shared::cta")) return kShared;
  if (d.has("global") || d.has("const")) return kGlobal;
  if (d.has("local")) return kLocal;
  return d.has("param") || d.has("param::entry") ? kParam : kGeneric;
}

/// Accesses of CTA scope are weak as far as other CTAs are concerned.
std::uint32_t order_of(const Decoding& d, bool is_atomic) {
  if (d.has("cta")) return 0;
  std::uint32_t order = 0;
  if (is_atomic || d.has("volatile") || d.has("relaxed")) order = kStrong;
  if (d.has("acquire") || d.has("acq_rel")) order |= kStrong | kAcquire;
  if (d.has("release") || d.has("acq_rel")) order |= kStrong | kRelease;
  return order;
}
Strength strength(const Inst& i, bool atomic) {
  const std::uint32_t o = i.imm[3];
  return {(o & kStrong) != 0, (o & kAcquire) != 0, (o & kRelease) != 0, atomic};
}

/// A generic address belongs to the space whose window it lies in; shared addresses become relative to the CTA.
Space resolve(const Warp& w, const Inst& i, Space space, std::int64_t& a) {
  if (space == kShared) a = w.own_shared(a, i);
  if (space != kGeneric) return space;
  if (a >= kLocalWindow) {
    a -= kLocalWindow;
    return kLocal;
  }
  if (w.cta->in_arena(reinterpret_cast<const void*>(a))) {
    a -= reinterpret_cast<std::int64_t>(w.cta->arena);
    return kShared;
  }
  return kGlobal;
}

/// What one warp's request touched, for the counters.
struct Request {
  std::uint32_t shared_addr[32], shared_lanes = 0;
  std::uint64_t sector[64];
  unsigned sectors = 0;
  void add_sector(std::uint64_t s) {
    if (std::find(sector, sector + sectors, s) == sector + sectors && sectors < 64) sector[sectors++] = s;
  }
  void count(Warp& w, unsigned bytes) {
    if (shared_lanes) w.cta->count_bank_conflicts(shared_addr, bytes, shared_lanes);
    if (sectors) w.machine->stats.sectors += sectors, ++w.machine->stats.requests;
  }
};

void check_aligned(std::int64_t a, unsigned bytes, Space space, const Inst& i) {
  if (a % bytes)
    throw Error(Fault::Misaligned, format("%u-byte access to %s address 0x%llx at %s", bytes,
                                          space == kShared ? "shared" : "global", (long long)a, symbolise(&i).c_str()));
}

unsigned char* local_memory(Warp& w, std::int64_t a, unsigned bytes, int lane, const Inst& i) {
  const std::size_t size = w.kernel->local_bytes;
  if (a < 0 || std::size_t(a) + bytes > size)
    throw Error(Fault::OutOfBounds,
                format("local access at offset %lld of %zu bytes, at %s", (long long)a, size, symbolise(&i).c_str()));
  return w.local.data() + std::size_t(lane) * size + a;
}

/// `a` is an offset, or an address that `mov` took of a parameter: the same number serves as generic address.
unsigned char* parameter_memory(Warp& w, std::int64_t a, unsigned bytes, const Inst& i) {
  const auto base = std::int64_t(reinterpret_cast<std::uintptr_t>(w.machine->params));
  if (a >= base) a -= base;
  if (a < 0 || std::size_t(a) + bytes > w.machine->param_bytes)
    throw Error(Fault::OutOfBounds,
                format("parameter access at offset %lld, at %s", (long long)a, symbolise(&i).c_str()));
  return const_cast<unsigned char*>(w.machine->params) + a;
}

/// Checks one lane's access, tells the race detector, and returns where the data is.
template <bool kStore>
unsigned char* locate(Warp& w, const Inst& i, int lane, std::int64_t a, unsigned bytes, Request& request) {
  const Space space = resolve(w, i, Space(i.imm[0]), a);
  if (space == kParam) return parameter_memory(w, a, bytes, i);
  if (space == kLocal) return local_memory(w, a, bytes, lane, i);
  check_aligned(a, bytes, space, i);
  if (space == kShared) {
    const auto addr = std::uint32_t(a);
    kStore ? w.cta->write(w.thread(lane), addr, bytes, &i) : w.cta->read(w.thread(lane), addr, bytes, &i);
    request.shared_addr[lane] = addr, request.shared_lanes |= 1u << lane;
    return w.cta->arena + a;
  }
  auto* p = reinterpret_cast<unsigned char*>(a);
  const auto params = reinterpret_cast<std::int64_t>(w.machine->params);
  if (!kStore && a >= params && a < params + std::int64_t(w.machine->param_bytes)) return p;  // its address was taken
  w.machine->check_global(p, bytes, kStore ? "write" : "read", &i);
  Cluster& cluster = w.cta->cluster;
  if (kStore)
    cluster.global_write(w.agent(lane), std::uint64_t(a), bytes, strength(i, false), &i);
  else
    cluster.global_read(w.agent(lane), std::uint64_t(a), bytes, strength(i, false), &i);
  for (std::uint64_t s = std::uint64_t(a) / 32; s <= (std::uint64_t(a) + bytes - 1) / 32; ++s) request.add_sector(s);
  return p;
}

template <bool kStore>
void memory(Warp& w, const Inst& i, std::uint32_t lanes) {  // imm: space, element bytes, sign-extends, order
  const Operand &mem = i.op[kStore ? 0 : 1], &val = i.op[kStore ? 1 : 0];
  const bool vector = val.kind == Operand::Vec;
  const unsigned element = i.imm[1], n = vector ? unsigned(val.sub.size()) : 1;
  Request request;
  for_lanes(lanes, [&](int l) {
    unsigned char* p = locate<kStore>(w, i, l, w.address(mem, l), element * n, request);
    for (unsigned e = 0; e < n; ++e) {
      const Operand& r = vector ? val.sub[e] : val;
      std::uint64_t v = 0;
      if (kStore) {
        v = w.load(r, l);
        std::memcpy(p + e * element, &v, element);
      } else if (r.kind != Operand::Sink) {
        std::memcpy(&v, p + e * element, element);
        w.store(r, l, sign_extend(v, element, i.imm[2]));
      }
    }
  });
  request.count(w, element * n);
}

void executed_unsupported(Warp&, const Inst& i, std::uint32_t) {
  throw Error(Fault::Unsupported, "executed '" + i.text.substr(0, 80) + "' at " + symbolise(&i));
}

template <bool kStore>
void set_memory(Decoding& d) {
  if (d.args.size() != 2) d.fail("a cache policy operand");
  const std::size_t mem = kStore ? 0 : 1;
  if (d.decoder.is_call_parameter(d.args[mem])) {  // arguments of a call: the call itself faults when executed
    d.inst.exec = executed_unsupported;
    return;
  }
  const unsigned bytes = width(d.type);
  if (bytes == 0 || bytes > 8) d.fail("unsupported operand type");
  d.add(0, bytes), d.add(1, bytes);
  d.inst.imm[0] = space_of(d), d.inst.imm[1] = bytes, d.inst.imm[2] = is_signed(d.type),
  d.inst.imm[3] = order_of(d, false);
  d.inst.exec = memory<kStore>;
}

// ---------------------------------------------------------------- atomics
enum AtomicOp : std::uint32_t { kAdd, kMin, kMax, kAnd, kOr, kXor, kExchange, kCompareAndSwap, kInc, kDec };

template <class T>
T apply(std::uint32_t op, T old, T b, T c) {
  switch (op) {
    case kMin:
      return std::min(old, b);
    case kMax:
      return std::max(old, b);
    case kExchange:
      return b;
    case kCompareAndSwap:
      return old == b ? c : old;
    default:
      break;
  }
  if constexpr (std::is_integral_v<T>) {
    switch (op) {
      case kAnd:
        return old & b;
      case kOr:
        return old | b;
      case kXor:
        return old ^ b;
      case kInc:
        return old >= b ? T(0) : T(old + 1);
      case kDec:
        return old == 0 || old > b ? b : T(old - 1);
      default:
        return T(std::make_unsigned_t<T>(old) + std::make_unsigned_t<T>(b));
    }
  }
  return old + b;
}

template <class T>
void atomic(Warp& w, const Inst& i, std::uint32_t lanes) {  // imm: space, operation, has result, order
  const unsigned first = i.imm[2];
  for_lanes(lanes, [&](int l) {
    std::int64_t a = w.address(i.op[first], l);
    const Space space = resolve(w, i, Space(i.imm[0]), a);
    check_aligned(a, sizeof(T), space, i);
    unsigned char* p;
    if (space == kShared) {
      w.cta->atomic(w.thread(l), std::uint32_t(a), sizeof(T), &i);
      p = w.cta->arena + a;
    } else {
      p = reinterpret_cast<unsigned char*>(a);
      w.machine->check_global(p, sizeof(T), "atomic", &i);
      w.cta->cluster.global_atomic(w.agent(l), std::uint64_t(a), sizeof(T), strength(i, true), &i);
    }
    T old;
    std::memcpy(&old, p, sizeof old);
    const T c = i.op.size() > first + 2 ? w.row<T>(i.op[first + 2])[l] : T(0);
    const T next = apply(i.imm[1], old, w.row<T>(i.op[first + 1])[l], c);
    std::memcpy(p, &next, sizeof next);
    if (first && i.op[0].kind != Operand::Sink) w.row<T>(i.op[0])[l] = old;
  });
}

template <bool kResult>
void set_atomic(Decoding& d) {
  static constexpr std::pair<const char*, AtomicOp> kOps[] = {
      {"add", kAdd}, {"min", kMin}, {"max", kMax},       {"and", kAnd},
      {"or", kOr},   {"xor", kXor}, {"exch", kExchange}, {"cas", kCompareAndSwap},
      {"inc", kInc}, {"dec", kDec}};
  for (const auto& [name, op] : kOps)
    if (d.has(name)) d.inst.imm[1] = op;
  for (std::size_t a = 0; a < d.args.size(); ++a) d.add(a, width(d.type));
  d.inst.imm[0] = space_of(d), d.inst.imm[2] = kResult, d.inst.imm[3] = order_of(d, true);
  const auto bad_operands = d.args.size() != (kResult ? 3u : 2u) + (d.has("cas") ? 1 : 0);
  if (bad_operands) d.fail("wrong number of operands");
  switch (d.type) {
    case Type::f32:
      d.inst.exec = atomic<float>;
      break;
    case Type::f64:
      d.inst.exec = atomic<double>;
      break;
    case Type::s32:
      d.inst.exec = atomic<std::int32_t>;
      break;
    case Type::u32:
    case Type::b32:
      d.inst.exec = atomic<std::uint32_t>;
      break;
    case Type::s64:
      d.inst.exec = atomic<std::int64_t>;
      break;
    case Type::u64:
    case Type::b64:
      d.inst.exec = atomic<std::uint64_t>;
      break;
    default:
      break;
  }
}

// ---------------------------------------------------------------- fences, address conversion
void gpu_fence(Warp& w, const Inst&, std::uint32_t lanes) {
  for_lanes(lanes, [&](int l) { w.cta->cluster.global_fence(w.agent(l)); });
}
void nothing(Warp&, const Inst&, std::uint32_t) {}
void set_fence(Decoding& d) { d.inst.exec = d.has("gpu") || d.has("sys") || d.has("gl") ? gpu_fence : nothing; }
void set_nothing(Decoding& d) { d.inst.exec = nothing; }

enum Conversion : std::uint32_t { kIdentity, kFromShared, kToShared, kFromLocal, kToLocal };
void cvta(Warp& w, const Inst& i, std::uint32_t lanes) {
  const auto arena = reinterpret_cast<std::uint64_t>(w.cta->arena);
  for_lanes(lanes, [&](int l) {
    std::uint64_t v = w.load(i.op[1], l);
    switch (i.imm[0]) {
      case kFromShared:
        v = arena + w.own_shared(std::int64_t(v), i);
        break;
      case kFromLocal:
        v += std::uint64_t(kLocalWindow);
        break;
      case kToLocal:
        v -= std::uint64_t(kLocalWindow);
        break;
      case kToShared:
        if (!w.cta->in_arena(reinterpret_cast<const void*>(v)))
          throw Error(Fault::OutOfBounds, "cvta.to.shared of a pointer outside shared memory, at " + symbolise(&i));
        v = mapa(std::uint32_t(v - arena), w.cta->rank);
        break;
      default:
        break;
    }
    w.store(i.op[0], l, v);
  });
}
void set_cvta(Decoding& d) {
  const bool to = d.has("to");
  d.inst.imm[0] = d.has("shared") || d.has("shared::cta") ? (to ? kToShared : kFromShared)
                  : d.has("local")                        ? (to ? kToLocal : kFromLocal)
                                                          : kIdentity;
  d.inst.exec = cvta;
}

constexpr std::string_view kLoadModifiers =
    "global shared shared::cta local param param::entry const nc v2 v4 v8 weak volatile relaxed acquire cta cluster "
    "gpu sys "
    "ca cg cs lu cv L1::evict_normal L1::evict_first L1::evict_last L1::no_allocate L2::64B L2::128B L2::256B";
constexpr std::string_view kStoreModifiers =
    "global shared shared::cta local param param::func v2 v4 v8 weak volatile relaxed release cta cluster gpu sys "
    "wb cg cs wt L1::evict_normal L1::evict_first L1::evict_last L1::no_allocate";
constexpr std::string_view kAtomicModifiers =
    "global shared shared::cta relaxed acquire release acq_rel cta cluster gpu sys add min max and or xor exch cas inc "
    "dec";

constexpr Opcode kOpcodes[] = {
    {"ld", kLoadModifiers, "-", nullptr, set_memory<false>},
    {"ldu", "global", "-", nullptr, set_memory<false>},
    {"st", kStoreModifiers, "-", nullptr, set_memory<true>},
    {"atom", kAtomicModifiers, "-", nullptr, set_atomic<true>},
    {"red", kAtomicModifiers, "-", nullptr, set_atomic<false>},
    {"membar", "cta gl sys", "", nullptr, set_fence},
    {"fence", "sc acq_rel acquire release cta cluster gpu sys", "", nullptr, set_fence},
    {"cvta", "to global shared shared::cta local const param", "tt", nullptr, set_cvta},
    {"prefetch", "global L1 L2 tensormap param const", "-", nullptr, set_nothing},
    {"prefetchu", "L1", "-", nullptr, set_nothing},
    {"call", "uni", "-", nullptr, [](Decoding& d) { d.inst.exec = executed_unsupported; }},
    {"trap", "", "-", nullptr, [](Decoding& d) { d.inst.exec = executed_unsupported; }},
    {"brkpt", "", "-", nullptr, [](Decoding& d) { d.inst.exec = executed_unsupported; }},
};

}  // namespace

std::span<const Opcode> memory_opcodes() { return kOpcodes; }

}  // namespace simt::ptx
