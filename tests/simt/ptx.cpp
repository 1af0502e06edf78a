#include "tests/simt/ptx.h"

#include <cxxabi.h>

#include <algorithm>
#include <fstream>
#include <bit>
#include <cmath>
#include <functional>
#include <unordered_map>

namespace simt::ptx {

// ================================================================== machine state
struct Group { uint32_t pc, mask; enum { Run, Mbar, Bar, ClusterBar, Wait } state = Run; uint32_t addr = 0, parity = 0; uint64_t gen = 0; };

struct Machine;
struct Warp {
  Machine* m; const Kernel* k; Cta* cta;
  unsigned index, base;                       // within the CTA
  std::vector<unsigned char> rows, local;
  std::vector<uint32_t> pred;
  std::vector<Group> groups;
  uint32_t live = 0;
  std::vector<Clock> in_flight;               // per row: wgmma group that has yet to deliver it, 0 if none
  bool any_in_flight = false;
  template <class T> T* row(const Operand& o) { return reinterpret_cast<T*>((o.kind == Operand::Const ? const_cast<unsigned char*>(k->consts.data()) : rows.data()) + o.off); }
  uint32_t pbits(const Operand& o) const {  // mov.pred takes immediates: 0 is false
    if (o.kind == Operand::Const) return *reinterpret_cast<const uint32_t*>(k->consts.data() + o.off) ? ~0u : 0;
    uint32_t v = pred[o.off]; return o.negate ? ~v : v;
  }
  void set_pred(const Operand& o, uint32_t v, uint32_t mask) { if (o.kind == Operand::Pred) pred[o.off] = (pred[o.off] & ~mask) | (v & mask); }
};
constexpr uint64_t kLivelock = 20'000'000;     // warp instructions without any event another warp could wait for
struct WgWait { unsigned arrived = 0; uint32_t pc = 0; bool passed[4] = {}; };
struct Machine {
  const Kernel* k; Cluster* cl; const DeviceHeap* heap; const std::vector<unsigned char>* params; Stats stats;
  std::vector<Warp> warps; unsigned warps_per_cta;
  std::vector<WgWait> wg;
  uint64_t last_version = 0, last_event = 0;
  bool owns(uint64_t a) const { for (auto& r : *k->ranges) if (a - r.first < r.second) return true; return false; }
};

enum Special { TidX, TidY, TidZ, NtidX, NtidY, NtidZ, CtaX, CtaY, CtaZ, NctaX, NctaY, NctaZ, LaneId, WarpId, ClusterRank, LaneLt, LaneLe, LaneEq, LaneGe, LaneGt, kSpecials };
static const std::map<std::string, int> kSpecialNames = {
    {"%tid.x", TidX}, {"%tid.y", TidY}, {"%tid.z", TidZ}, {"%ntid.x", NtidX}, {"%ntid.y", NtidY}, {"%ntid.z", NtidZ}, {"%ctaid.x", CtaX}, {"%ctaid.y", CtaY},
    {"%ctaid.z", CtaZ}, {"%nctaid.x", NctaX}, {"%nctaid.y", NctaY}, {"%nctaid.z", NctaZ}, {"%laneid", LaneId}, {"%warpid", WarpId}, {"%cluster_ctarank", ClusterRank},
    {"%lanemask_lt", LaneLt}, {"%lanemask_le", LaneLe}, {"%lanemask_eq", LaneEq}, {"%lanemask_ge", LaneGe}, {"%lanemask_gt", LaneGt}};

#define EACH(l) for (int l = 0; l < 32; ++l) if (m >> l & 1)
static Site site(const Inst& i) { return &i; }

// ================================================================== scalar instructions
template <class T, class F> void unary(Warp& w, const Inst& i, uint32_t m) {
  T* d = w.row<T>(i.op[0]); const T* a = w.row<T>(i.op[1]);
  if (m == ~0u) for (int l = 0; l < 32; ++l) d[l] = F{}(a[l]); else EACH(l) d[l] = F{}(a[l]);
}
template <class T, class F> void binary(Warp& w, const Inst& i, uint32_t m) {
  T* d = w.row<T>(i.op[0]); const T *a = w.row<T>(i.op[1]), *b = w.row<T>(i.op[2]);
  if (m == ~0u) for (int l = 0; l < 32; ++l) d[l] = F{}(a[l], b[l]); else EACH(l) d[l] = F{}(a[l], b[l]);
}
template <class T, class F> void ternary(Warp& w, const Inst& i, uint32_t m) {
  T* d = w.row<T>(i.op[0]); const T *a = w.row<T>(i.op[1]), *b = w.row<T>(i.op[2]), *c = w.row<T>(i.op[3]);
  if (m == ~0u) for (int l = 0; l < 32; ++l) d[l] = F{}(a[l], b[l], c[l]); else EACH(l) d[l] = F{}(a[l], b[l], c[l]);
}
template <class T, class F> void shift(Warp& w, const Inst& i, uint32_t m) {
  T* d = w.row<T>(i.op[0]); const T* a = w.row<T>(i.op[1]); const uint32_t* b = w.row<uint32_t>(i.op[2]);
  EACH(l) d[l] = F{}(a[l], b[l]);
}
template <class T, class D, bool kAdd> void wide(Warp& w, const Inst& i, uint32_t m) {
  D* d = w.row<D>(i.op[0]); const T *a = w.row<T>(i.op[1]), *b = w.row<T>(i.op[2]); const D* c = kAdd ? w.row<D>(i.op[3]) : nullptr;
  EACH(l) d[l] = D(a[l]) * D(b[l]) + (kAdd ? c[l] : 0);
}
template <class T, class F> void compare(Warp& w, const Inst& i, uint32_t m) {   // imm[0]: 0 none, 1 and, 2 or, 3 xor
  const T *a = w.row<T>(i.op[2]), *b = w.row<T>(i.op[3]);
  uint32_t r = 0;
  for (int l = 0; l < 32; ++l) r |= uint32_t(F{}(a[l], b[l])) << l;
  uint32_t q = ~r;
  if (i.imm[0]) {
    uint32_t c = w.pbits(i.op[4]);
    r = i.imm[0] == 1 ? r & c : i.imm[0] == 2 ? r | c : r ^ c;
    q = i.imm[0] == 1 ? q & c : i.imm[0] == 2 ? q | c : q ^ c;
  }
  w.set_pred(i.op[0], r, m), w.set_pred(i.op[1], q, m);
}
template <class T> void select(Warp& w, const Inst& i, uint32_t m) {
  T* d = w.row<T>(i.op[0]); const T *a = w.row<T>(i.op[1]), *b = w.row<T>(i.op[2]);
  uint32_t p = w.pbits(i.op[3]);
  EACH(l) d[l] = p >> l & 1 ? a[l] : b[l];
}
static uint64_t load_row(Warp& w, const Operand& o, int l) {
  switch (o.bytes) { case 1: return w.row<uint8_t>(o)[l]; case 2: return w.row<uint16_t>(o)[l]; case 4: return w.row<uint32_t>(o)[l]; default: return w.row<uint64_t>(o)[l]; }
}
static void store_row(Warp& w, const Operand& o, int l, uint64_t v) {
  switch (o.bytes) { case 1: w.row<uint8_t>(o)[l] = v; break; case 2: w.row<uint16_t>(o)[l] = v; break; case 4: w.row<uint32_t>(o)[l] = v; break; default: w.row<uint64_t>(o)[l] = v; }
}
static uint64_t extend(uint64_t v, unsigned bytes, bool sign) {
  if (bytes == 8) return v;
  uint64_t mask = (uint64_t(1) << bytes * 8) - 1;
  v &= mask;
  return sign && v >> (bytes * 8 - 1) ? v | ~mask : v;
}
template <bool kBf16, class F> void packed(Warp& w, const Inst& i, uint32_t m) {   // f16/bf16, one or two per register
  int halves = i.op[0].bytes / 2; size_t n = i.op.size();
  auto up = [](uint16_t h) { return kBf16 ? bf16_to_f32(h) : f16_to_f32(h); };
  EACH(l) {
    uint32_t out = 0, v[3] = {};
    for (size_t k = 1; k < n; ++k) v[k - 1] = load_row(w, i.op[k], l);
    for (int h = 0; h < halves; ++h) {
      float a = up(v[0] >> 16 * h), b = up(v[1] >> 16 * h), c = up(v[2] >> 16 * h), r;
      if constexpr (std::is_invocable_v<F, float, float, float>) r = F{}(a, b, c); else if constexpr (std::is_invocable_v<F, float, float>) r = F{}(a, b); else r = F{}(a);
      out |= uint32_t(kBf16 ? f32_to_bf16(r) : f32_to_f16(r)) << 16 * h;
    }
    store_row(w, i.op[0], l, out);
  }
}
template <class D, class S> void convert(Warp& w, const Inst& i, uint32_t m) {   // integer <-> float and float <-> float
  EACH(l) {
    uint64_t raw = load_row(w, i.op[1], l);
    S s; std::memcpy(&s, &raw, sizeof s);
    D d;
    if constexpr (std::is_floating_point_v<S> && std::is_integral_v<D>) {
      double x = s;
      x = i.imm[0] == 1 ? std::trunc(x) : i.imm[0] == 2 ? std::floor(x) : i.imm[0] == 3 ? std::ceil(x) : std::nearbyint(x);
      x = std::isnan(x) ? 0 : std::clamp(x, double(std::numeric_limits<D>::min()), double(std::numeric_limits<D>::max()));
      d = D(x);
    } else if constexpr (std::is_floating_point_v<S> && std::is_floating_point_v<D>) {
      d = i.imm[0] == 1 ? D(std::trunc(s)) : i.imm[0] == 2 ? D(std::floor(s)) : i.imm[0] == 3 ? D(std::ceil(s)) : i.imm[0] == 4 ? D(std::nearbyint(s)) : D(s);
    } else d = D(s);
    uint64_t out = 0; std::memcpy(&out, &d, sizeof d);
    if (std::is_integral_v<D>) out = extend(out, sizeof d, std::is_signed_v<D>);
    store_row(w, i.op[0], l, out);
  }
}
static void cvt_bf16x2(Warp& w, const Inst& i, uint32_t m) {   // first source operand becomes the upper half
  const float *hi = w.row<float>(i.op[1]), *lo = w.row<float>(i.op[2]);
  EACH(l) w.row<uint32_t>(i.op[0])[l] = f32_to_bf16(lo[l]) | uint32_t(f32_to_bf16(hi[l])) << 16;
}
static void cvt_f16x2(Warp& w, const Inst& i, uint32_t m) {
  const float *hi = w.row<float>(i.op[1]), *lo = w.row<float>(i.op[2]);
  EACH(l) w.row<uint32_t>(i.op[0])[l] = f32_to_f16(lo[l]) | uint32_t(f32_to_f16(hi[l])) << 16;
}
static void cvt_small(Warp& w, const Inst& i, uint32_t m) {    // imm[0]: 0 bf16->f32, 1 f16->f32, 2 f32->bf16, 3 f32->f16
  EACH(l) {
    if (i.imm[0] < 2) { uint16_t h = load_row(w, i.op[1], l); w.row<float>(i.op[0])[l] = i.imm[0] ? f16_to_f32(h) : bf16_to_f32(h); }
    else { float f = w.row<float>(i.op[1])[l]; store_row(w, i.op[0], l, i.imm[0] == 2 ? f32_to_bf16(f) : f32_to_f16(f)); }
  }
}
static void mov_pack(Warp& w, const Inst& i, uint32_t m) {     // vector <-> scalar
  const Operand &d = i.op[0], &s = i.op[1];
  EACH(l) {
    if (s.kind == Operand::Vec) {
      uint64_t v = 0; unsigned sh = 0;
      for (auto& e : s.sub) v |= load_row(w, e, l) << sh, sh += e.bytes * 8;
      store_row(w, d, l, v);
    } else {
      uint64_t v = load_row(w, s, l);
      for (auto& e : d.sub) { if (e.kind != Operand::Sink) store_row(w, e, l, v); v >>= (e.bytes ? e.bytes : s.bytes / d.sub.size()) * 8; }
    }
  }
}
static void pred_logic(Warp& w, const Inst& i, uint32_t m) {   // imm[0]: 0 mov 1 not 2 and 3 or 4 xor
  uint32_t a = w.pbits(i.op[1]), b = i.op.size() > 2 ? w.pbits(i.op[2]) : 0;
  w.set_pred(i.op[0], i.imm[0] == 0 ? a : i.imm[0] == 1 ? ~a : i.imm[0] == 2 ? a & b : i.imm[0] == 3 ? a | b : a ^ b, m);
}
static void lop3(Warp& w, const Inst& i, uint32_t m) {
  const uint32_t *a = w.row<uint32_t>(i.op[1]), *b = w.row<uint32_t>(i.op[2]), *c = w.row<uint32_t>(i.op[3]);
  EACH(l) {
    uint32_t r = 0;
    for (int t = 0; t < 8; ++t) if (i.imm[0] >> t & 1) r |= (t & 4 ? a[l] : ~a[l]) & (t & 2 ? b[l] : ~b[l]) & (t & 1 ? c[l] : ~c[l]);
    w.row<uint32_t>(i.op[0])[l] = r;
  }
}
static void prmt(Warp& w, const Inst& i, uint32_t m) {
  const uint32_t *a = w.row<uint32_t>(i.op[1]), *b = w.row<uint32_t>(i.op[2]), *c = w.row<uint32_t>(i.op[3]);
  EACH(l) {
    uint64_t v = a[l] | uint64_t(b[l]) << 32; uint32_t r = 0;
    for (int k = 0; k < 4; ++k) { unsigned s = c[l] >> 4 * k & 15; uint32_t byte = v >> (s & 7) * 8 & 255; if (s & 8) byte = byte & 128 ? 255 : 0; r |= byte << 8 * k; }
    w.row<uint32_t>(i.op[0])[l] = r;
  }
}
template <class T> void bfi(Warp& w, const Inst& i, uint32_t m) {      // d = b with c bits at position p replaced by a
  const T *a = w.row<T>(i.op[1]), *b = w.row<T>(i.op[2]); const uint32_t *p = w.row<uint32_t>(i.op[3]), *c = w.row<uint32_t>(i.op[4]);
  EACH(l) {
    uint32_t pos = p[l] & 255, len = c[l] & 255, bits = sizeof(T) * 8;
    T mask = len >= bits ? ~T(0) : (T(1) << len) - 1;
    mask = pos >= bits ? 0 : mask << pos;
    w.row<T>(i.op[0])[l] = (b[l] & ~mask) | (pos >= bits ? 0 : (a[l] << pos) & mask);
  }
}
template <class T> void bfe(Warp& w, const Inst& i, uint32_t m) {
  using U = std::make_unsigned_t<T>;
  const T* a = w.row<T>(i.op[1]); const uint32_t *p = w.row<uint32_t>(i.op[2]), *c = w.row<uint32_t>(i.op[3]);
  EACH(l) {
    uint32_t pos = p[l] & 255, len = c[l] & 255, msb = sizeof(T) * 8 - 1;
    bool sign = std::is_signed_v<T> && len && a[l] >> std::min(pos + len - 1, msb) & 1;
    U d = 0;
    for (uint32_t k = 0; k <= msb; ++k) d |= U(k < len && pos + k <= msb ? U(a[l]) >> (pos + k) & 1 : sign) << k;
    w.row<U>(i.op[0])[l] = d;
  }
}
static void shf(Warp& w, const Inst& i, uint32_t m) {                  // imm: right, wrap
  const uint32_t *a = w.row<uint32_t>(i.op[1]), *b = w.row<uint32_t>(i.op[2]), *c = w.row<uint32_t>(i.op[3]);
  EACH(l) {
    uint64_t v = a[l] | uint64_t(b[l]) << 32; uint32_t n = i.imm[1] ? c[l] & 31 : std::min(c[l], 32u);
    w.row<uint32_t>(i.op[0])[l] = i.imm[0] ? v >> n : v << n >> 32;
  }
}
static void trap(Warp&, const Inst& i, uint32_t) { throw Error(Fault::Unsupported, "executed '" + i.text.substr(0, 80) + "' at " + i.loc); }
static void nop(Warp&, const Inst&, uint32_t) {}

// ================================================================== memory
static int64_t address(Warp& w, const Operand& o, int l) {
  int64_t a = o.disp;
  if (!o.sub.empty()) a += o.sub[0].bytes == 4 ? w.row<uint32_t>(o.sub[0])[l] : w.row<int64_t>(o.sub[0])[l];
  return a;
}
constexpr int64_t kLocalWindow = int64_t(7) << 60;            // generic addresses of local memory; the same for every thread
enum Space { Generic, Global, Shared, LocalMem, ParamMem };
static void count_banks(Warp& w, const uint32_t* addr, unsigned bytes, uint32_t m) {
  unsigned per = bytes <= 4 ? 32 : bytes == 8 ? 16 : 8;        // lanes per wavefront
  for (unsigned s = 0; s < 32; s += per) {
    std::vector<uint32_t> seen[32]; unsigned worst = 0;
    for (unsigned l = s; l < s + per; ++l) if (m >> l & 1)
      for (unsigned b = 0; b < std::max(4u, bytes); b += 4) {
        uint32_t word = addr[l] / 4 + b / 4; auto& v = seen[word % 32];
        if (std::find(v.begin(), v.end(), word) == v.end()) v.push_back(word), worst = std::max(worst, unsigned(v.size()));
      }
    if (worst) w.cta->cluster.bank_conflicts += worst - 1;
  }
}
template <bool kStore> void memory(Warp& w, const Inst& i, uint32_t m) {   // imm: space, element bytes, signed
  const Operand &mem = i.op[kStore ? 0 : 1], &val = i.op[kStore ? 1 : 0];
  unsigned eb = i.imm[1], n = val.kind == Operand::Vec ? val.sub.size() : 1, bytes = eb * n;
  uint32_t shared_addr[32] = {}; uint32_t shared_mask = 0;
  std::set<uint64_t> sectors;
  EACH(l) {
    int64_t a = address(w, mem, l);
    unsigned space = i.imm[0];
    unsigned char* p = nullptr;
    if (space == Generic && a >= kLocalWindow) space = LocalMem, a -= kLocalWindow;
    if (space == ParamMem) p = const_cast<unsigned char*>(w.m->params->data()) + a;
    else if (space == LocalMem) {
      if (a < 0 || a + bytes > w.k->local_bytes) throw Error(Fault::OutOfBounds, format("local %s at offset %lld, at %s", kStore ? "write" : "read", (long long)a, symbolise(site(i)).c_str()));
      p = w.local.data() + l * w.k->local_bytes + a;
    } else {
      if (space == Generic && (unsigned char*)a >= w.cta->arena && (unsigned char*)a < w.cta->arena + (1 << 20)) space = Shared, a = (unsigned char*)a - w.cta->arena;
      else if (space == Generic) space = Global;
      if (a % bytes) throw Error(Fault::Misaligned, format("%u-byte access to %s address 0x%llx at %s", bytes, space == Shared ? "shared" : "global", (long long)a, symbolise(site(i)).c_str()));
      if (space == Shared) {
        kStore ? w.cta->write(w.base + l, a, bytes, site(i)) : w.cta->read(w.base + l, a, bytes, site(i));
        p = w.cta->arena + a, shared_addr[l] = a, shared_mask |= 1u << l;
      } else {
        p = (unsigned char*)a;
        if (w.m->heap && !w.m->owns(a)) w.m->heap->check(p, bytes, kStore ? "write" : "read", site(i));
        sectors.insert(uint64_t(a) / 32);
      }
    }
    for (unsigned e = 0; e < n; ++e) {
      const Operand& r = n > 1 || val.kind == Operand::Vec ? val.sub[e] : val;
      if (kStore) { uint64_t v = load_row(w, r, l); std::memcpy(p + e * eb, &v, eb); }
      else { uint64_t v = 0; std::memcpy(&v, p + e * eb, eb); if (r.kind != Operand::Sink) store_row(w, r, l, extend(v, eb, i.imm[2])); }
    }
  }
  if (shared_mask) count_banks(w, shared_addr, bytes, shared_mask);
  if (!sectors.empty()) w.m->stats.sectors += sectors.size(), ++w.m->stats.requests;
}
template <class T> void atomic(Warp& w, const Inst& i, uint32_t m) {       // imm: space, operation, has result
  unsigned k = i.imm[2];
  const Operand& mem = i.op[k];
  EACH(l) {
    int64_t a = address(w, mem, l);
    unsigned char* p = i.imm[0] == Shared ? w.cta->arena + a : (unsigned char*)a;
    if (i.imm[0] == Shared) w.cta->check_range(a, sizeof(T), "atomic", site(i)); else if (w.m->heap && !w.m->owns(a)) w.m->heap->check(p, sizeof(T), "atomic", site(i));
    T old, b = w.row<T>(i.op[k + 1])[l], r; std::memcpy(&old, p, sizeof old);
    switch (i.imm[1]) { case 0: r = old + b; break; case 1: r = std::min(old, b); break; case 2: r = std::max(old, b); break; case 3: r = b; break;
      default: r = old == b ? w.row<T>(i.op[k + 2])[l] : old; }
    std::memcpy(p, &r, sizeof r);
    if (k) w.row<T>(i.op[0])[l] = old;
  }
}
static void cvta(Warp& w, const Inst& i, uint32_t m) {         // imm[0]: 0 identity, 1 shared->generic, 2 generic->shared
  EACH(l) {
    uint64_t v = load_row(w, i.op[1], l);
    if (i.imm[0] == 1) v = uint64_t(w.cta->arena + v);
    if (i.imm[0] == 3) v += kLocalWindow;
    if (i.imm[0] == 4) v -= kLocalWindow;
    if (i.imm[0] == 2) {
      if (v - uint64_t(w.cta->arena) >= 1 << 20) throw Error(Fault::OutOfBounds, "cvta.to.shared of a pointer outside shared memory, at " + symbolise(site(i)));
      v -= uint64_t(w.cta->arena);
    }
    store_row(w, i.op[0], l, v);
  }
}
static void param_address(Warp& w, const Inst& i, uint32_t m) { EACH(l) store_row(w, i.op[0], l, uint64_t(w.m->params->data()) + i.imm[0]); }

// ================================================================== warp-level
static void ldmatrix(Warp& w, const Inst& i, uint32_t) {       // imm: count, trans
  uint32_t a[32], out[32][4];
  for (int l = 0; l < 32; ++l) a[l] = address(w, i.op[1], l);
  w.cta->ldmatrix(w.index, a, i.imm[0], i.imm[1], out, site(i));
  for (unsigned r = 0; r < i.imm[0]; ++r) for (int l = 0; l < 32; ++l) w.row<uint32_t>(i.imm[0] > 1 || i.op[0].kind == Operand::Vec ? i.op[0].sub[r] : i.op[0])[l] = out[l][r];
}
static void stmatrix(Warp& w, const Inst& i, uint32_t) {
  uint32_t a[32], in[32][4] = {};
  for (int l = 0; l < 32; ++l) a[l] = address(w, i.op[0], l);
  for (unsigned r = 0; r < i.imm[0]; ++r) for (int l = 0; l < 32; ++l) in[l][r] = w.row<uint32_t>(i.op[1].sub[r])[l];
  w.cta->stmatrix(w.index, a, i.imm[0], i.imm[1], in, site(i));
}
static void mma(Warp& w, const Inst& i, uint32_t) {            // imm: type, k
  const MmaShape shape{MmaType(i.imm[0]), int(i.imm[1])};
  uint32_t a[32][4], b[32][2]; float c[32][4], d[32][4];
  for (int r = 0; r < shape.a_registers(); ++r) { auto* x = w.row<uint32_t>(i.op[1].sub[r]); for (int l = 0; l < 32; ++l) a[l][r] = x[l]; }
  for (int r = 0; r < shape.b_registers(); ++r) { auto* x = w.row<uint32_t>(i.op[2].sub[r]); for (int l = 0; l < 32; ++l) b[l][r] = x[l]; }
  for (int r = 0; r < 4; ++r) { auto* y = w.row<float>(i.op[3].sub[r]); for (int l = 0; l < 32; ++l) c[l][r] = y[l]; }
  mma_m16n8(shape, a, b, c, d);
  for (int r = 0; r < 4; ++r) { auto* y = w.row<float>(i.op[0].sub[r]); for (int l = 0; l < 32; ++l) y[l] = d[l][r]; }
}
static void shfl(Warp& w, const Inst& i, uint32_t m) {         // imm[0]: 0 up 1 down 2 bfly 3 idx; op: d|p, a, b, c, mask
  uint32_t in[32]; std::memcpy(in, w.row<uint32_t>(i.op[2]), sizeof in);
  uint32_t ok = 0;
  EACH(l) {
    if (w.row<uint32_t>(i.op[5])[l] != m && (w.row<uint32_t>(i.op[5])[l] & w.live) != m)
      throw Error(Fault::Divergence, format("shfl.sync with mask 0x%x executed by lanes 0x%x, at %s", w.row<uint32_t>(i.op[5])[l], m, symbolise(site(i)).c_str()));
    uint32_t b = w.row<uint32_t>(i.op[3])[l] & 31, c = w.row<uint32_t>(i.op[4])[l], seg = c >> 8 & 31, cl = c & 31;
    int max = (l & seg) | (cl & ~seg), min = l & seg, j; bool p;
    switch (i.imm[0]) { case 0: j = l - b; p = j >= max; break; case 1: j = l + b; p = j <= max; break; case 2: j = l ^ b; p = j <= max; break; default: j = min | (b & ~seg); p = j <= max; }
    if (!p) j = l;
    if (!(m >> j & 1)) throw Error(Fault::Divergence, "shfl.sync from an inactive lane, at " + symbolise(site(i)));
    w.row<uint32_t>(i.op[0])[l] = in[j];
    ok |= uint32_t(p) << l;
  }
  w.set_pred(i.op[1], ok, m);
}
static void vote(Warp& w, const Inst& i, uint32_t m) {         // imm[0]: 0 all 1 any 2 uni 3 ballot
  uint32_t p = w.pbits(i.op[1]) & m;
  if (i.imm[0] == 3) { EACH(l) w.row<uint32_t>(i.op[0])[l] = p; return; }
  bool r = i.imm[0] == 0 ? p == m : i.imm[0] == 1 ? p != 0 : p == 0 || p == m;
  w.set_pred(i.op[0], r ? ~0u : 0, m);
}
static void elect(Warp& w, const Inst& i, uint32_t m) {
  int leader = std::countr_zero(m);
  if (i.op[0].kind == Operand::Row) EACH(l) w.row<uint32_t>(i.op[0])[l] = leader;
  w.set_pred(i.op[1], 1u << leader, m);
}
static void syncwarp(Warp& w, const Inst& i, uint32_t m) {
  unsigned t[32], n = 0;
  (void)i;
  EACH(l) t[n++] = w.base + l;
  w.cta->syncwarp(t, n);
}

// ================================================================== asynchronous copies, mbarriers, fences
static void cp_async(Warp& w, const Inst& i, uint32_t m) {
  EACH(l) {
    uint32_t dst = address(w, i.op[0], l), n = i.imm[0], src_n = i.op.size() > 3 ? uint32_t(load_row(w, i.op[3], l)) : n;
    auto* src = (const void*)address(w, i.op[1], l);
    if (src_n && w.m->heap) w.m->heap->check(src, src_n, "cp.async read", site(i));
    w.cta->cp_async(w.base + l, dst, src, n, src_n, site(i));
  }
}
static void cp_async_commit(Warp& w, const Inst&, uint32_t m) { EACH(l) w.cta->cp_async_commit(w.base + l); }
static void cp_async_wait(Warp& w, const Inst& i, uint32_t m) { EACH(l) w.cta->cp_async_wait(w.base + l, i.imm[0]); }
static const TensorMap& tensor_map(Warp& w, const Operand& o, int l) { return *(const TensorMap*)address(w, o.sub.size() && o.kind == Operand::Vec ? o.sub[0] : o, l); }
static void tma_load(Warp& w, const Inst& i, uint32_t m) {     // op: dst, map, coords, mbar [, mask]
  EACH(l) {
    int32_t c[5] = {};
    for (size_t k = 0; k < i.op[2].sub.size(); ++k) c[k] = int32_t(load_row(w, i.op[2].sub[k], l));
    uint16_t mask = i.op.size() > 4 ? load_row(w, i.op[4], l) : 1u << w.cta->rank;
    w.cta->tma_load(w.base + l, address(w, i.op[0], l), tensor_map(w, i.op[1], l), address(w, i.op[3], l), c, mask, site(i));
  }
}
static void tma_store(Warp& w, const Inst& i, uint32_t m) {    // op: map, coords, src
  EACH(l) {
    int32_t c[5] = {};
    for (size_t k = 0; k < i.op[1].sub.size(); ++k) c[k] = int32_t(load_row(w, i.op[1].sub[k], l));
    w.cta->tma_store(w.base + l, tensor_map(w, i.op[0], l), address(w, i.op[2], l), c, site(i));
  }
}
static void bulk_commit(Warp& w, const Inst&, uint32_t m) { EACH(l) w.cta->bulk_commit(w.base + l); }
static void bulk_wait(Warp& w, const Inst& i, uint32_t m) { EACH(l) w.cta->bulk_wait(w.base + l, i.imm[0], true); }
static void fence_async(Warp& w, const Inst&, uint32_t m) { EACH(l) w.cta->fence_proxy_async(w.base + l); }
static void mbar_init(Warp& w, const Inst& i, uint32_t m) { EACH(l) w.cta->mbarrier_init(w.base + l, address(w, i.op[0], l), load_row(w, i.op[1], l), site(i)); }
static void mbar_arrive(Warp& w, const Inst& i, uint32_t m) {  // op: state, addr [, count]; imm[0]: expect_tx, imm[1]: no arrival
  EACH(l) {
    uint32_t a = address(w, i.op[1], l);
    if (i.imm[0]) w.cta->mbarrier_expect_tx(w.base + l, a, load_row(w, i.op[2], l), site(i));
    if (!i.imm[1]) w.cta->mbarrier_arrive(w.base + l, a, !i.imm[0] && i.op.size() > 2 ? load_row(w, i.op[2], l) : 1, site(i));
  }
}
static void mapa_(Warp& w, const Inst& i, uint32_t m) { EACH(l) w.row<uint32_t>(i.op[0])[l] = mapa(load_row(w, i.op[1], l), load_row(w, i.op[2], l)); }

// ================================================================== operations
struct Add { auto operator()(auto a, auto b) const { return decltype(a)(a + b); } };
struct Sub { auto operator()(auto a, auto b) const { return decltype(a)(a - b); } };
struct Mul { auto operator()(auto a, auto b) const { if constexpr (std::is_floating_point_v<decltype(a)>) return a * b; else return decltype(a)(uint64_t(a) * uint64_t(b)); } };
struct MulHi { auto operator()(auto a, auto b) const { using T = decltype(a); if constexpr (std::is_integral_v<T>) return T(__int128(a) * __int128(b) >> sizeof(T) * 8); else return a; } };
struct Div { auto operator()(auto a, auto b) const { if constexpr (std::is_integral_v<decltype(a)>) return b ? decltype(a)(a / b) : decltype(a)(-1); else return a / b; } };
struct Rem { auto operator()(auto a, auto b) const { if constexpr (std::is_integral_v<decltype(a)>) return b ? decltype(a)(a % b) : a; else return a; } };
struct And { auto operator()(auto a, auto b) const { return decltype(a)(a & b); } };
struct Or { auto operator()(auto a, auto b) const { return decltype(a)(a | b); } };
struct Xor { auto operator()(auto a, auto b) const { return decltype(a)(a ^ b); } };
struct Not { auto operator()(auto a) const { return decltype(a)(~a); } };
struct Min { auto operator()(auto a, auto b) const { if constexpr (std::is_floating_point_v<decltype(a)>) return std::fmin(a, b); else return std::min(a, b); } };
struct Max { auto operator()(auto a, auto b) const { if constexpr (std::is_floating_point_v<decltype(a)>) return std::fmax(a, b); else return std::max(a, b); } };
struct Neg { auto operator()(auto a) const { return decltype(a)(-a); } };
struct Abs { auto operator()(auto a) const { return decltype(a)(a < 0 ? -a : a); } };
struct Id { auto operator()(auto a) const { return a; } };
struct Shl { auto operator()(auto a, uint32_t n) const { return n >= sizeof(a) * 8 ? decltype(a)(0) : decltype(a)(a << n); } };
struct Shr { auto operator()(auto a, uint32_t n) const { return n >= sizeof(a) * 8 ? decltype(a)(a < 0 ? -1 : 0) : decltype(a)(a >> n); } };
struct Fma { auto operator()(auto a, auto b, auto c) const { return std::fma(a, b, c); } };
struct Mad { auto operator()(auto a, auto b, auto c) const { return decltype(a)(uint64_t(a) * uint64_t(b) + uint64_t(c)); } };
struct Eq { bool operator()(auto a, auto b) const { return a == b; } };
struct Ne { bool operator()(auto a, auto b) const { return a < b || a > b; } };
struct Lt { bool operator()(auto a, auto b) const { return a < b; } };
struct Le { bool operator()(auto a, auto b) const { return a <= b; } };
struct Gt { bool operator()(auto a, auto b) const { return a > b; } };
struct Ge { bool operator()(auto a, auto b) const { return a >= b; } };
struct Neu { bool operator()(auto a, auto b) const { return !(a == b); } };
struct Ltu { bool operator()(auto a, auto b) const { return !(a >= b); } };
struct Leu { bool operator()(auto a, auto b) const { return !(a > b); } };
struct Gtu { bool operator()(auto a, auto b) const { return !(a <= b); } };
struct Geu { bool operator()(auto a, auto b) const { return !(a < b); } };
struct Nan { bool operator()(auto a, auto b) const { return a != a || b != b; } };
struct Sin { float operator()(float a) const { return std::sin(a); } };
struct Cos { float operator()(float a) const { return std::cos(a); } };
struct CopySign { auto operator()(auto a, auto b) const { return std::copysign(b, a); } };
struct Ex2 { float operator()(float a) const { return std::exp2(a); } };
struct Lg2 { float operator()(float a) const { return std::log2(a); } };
struct Rcp { auto operator()(auto a) const { return decltype(a)(1) / a; } };
struct Sqrt { auto operator()(auto a) const { return std::sqrt(a); } };
struct Rsqrt { float operator()(float a) const { return 1 / std::sqrt(a); } };
struct Tanh { float operator()(float a) const { return std::tanh(a); } };
struct Popc { uint32_t operator()(uint32_t a) const { return std::popcount(a); } };
struct Clz { uint32_t operator()(uint32_t a) const { return std::countl_zero(a); } };

// ================================================================== decoding
struct Decoder {
  struct Scope { std::map<std::string, Operand> regs; std::map<std::string, uint32_t> labels; std::vector<size_t> fixups; };
  struct Token { std::string s; };
  Kernel k;
  std::map<std::string, Operand> symbols;             // shared variables: constant rows
  std::map<int, std::string> files;
  std::vector<Scope> scopes;
  struct Fix { size_t inst; std::string label; std::vector<int> scope_path; };
  std::vector<Fix> fixes;
  std::vector<std::map<std::string, uint32_t>> label_scopes;  // by scope id
  std::vector<int> path;                              // ids of open scopes
  std::string loc;
  unsigned smem_base = 1024;
  uint32_t shared_top = 0;
  std::map<std::string, uint32_t> local_syms;
  std::map<std::string, uint64_t> data_syms;          // .global and .const variables: host addresses
  std::map<std::string, Param> param_syms;

  [[noreturn]] void fail(const std::string& s, const std::string& text) { throw Error(Fault::Unsupported, "PTX: " + s + " in '" + text.substr(0, 200) + "' (" + loc + ")"); }

  static unsigned width(const std::string& t) {
    static const std::map<std::string, unsigned> w = {{"b8", 1}, {"u8", 1}, {"s8", 1}, {"b16", 2}, {"u16", 2}, {"s16", 2}, {"f16", 2}, {"bf16", 2}, {"b32", 4}, {"u32", 4}, {"s32", 4}, {"f32", 4},
        {"f16x2", 4}, {"bf16x2", 4}, {"b64", 8}, {"u64", 8}, {"s64", 8}, {"f64", 8}, {"pred", 0}, {"b128", 16}};
    auto it = w.find(t);
    return it == w.end() ? ~0u : it->second;
  }
  Operand new_row(unsigned bytes) {
    Operand o; o.kind = Operand::Row, o.bytes = bytes, o.off = k.row_bytes;
    k.row_bytes += 32 * bytes;
    return o;
  }
  Operand constant(uint64_t v, unsigned bytes) {
    static thread_local std::map<std::pair<uint64_t, unsigned>, uint32_t>* cache = nullptr; (void)cache;
    Operand o; o.kind = Operand::Const, o.bytes = bytes, o.off = k.consts.size();
    for (int l = 0; l < 32; ++l) k.consts.insert(k.consts.end(), (unsigned char*)&v, (unsigned char*)&v + bytes);
    while (k.consts.size() % 64) k.consts.push_back(0);
    return o;
  }
  Operand* find(const std::string& n) {
    for (size_t s = scopes.size(); s--;) { auto it = scopes[s].regs.find(n); if (it != scopes[s].regs.end()) return &it->second; }
    return nullptr;
  }
  void declare(const std::string& type, std::string name) {
    unsigned n = 1;
    if (auto lt = name.find('<'); lt != name.npos) n = std::stoi(name.substr(lt + 1)), name = name.substr(0, lt);
    else { declare_one(type, name); return; }
    for (unsigned i = 0; i < n; ++i) lazy[name + std::to_string(i)] = type;       // rows are allocated on first use
  }
  std::map<std::string, std::string> lazy;
  void declare_one(const std::string& type, const std::string& name) {
    Operand o;
    if (type == "pred") o.kind = Operand::Pred, o.off = k.preds++;
    else o = new_row(width(type));
    scopes.back().regs[name] = o;
  }
  Operand reg(const std::string& n, const std::string& text) {
    if (Operand* o = find(n)) return *o;
    auto it = lazy.find(n);
    if (it == lazy.end()) fail("unknown register " + n, text);
    Operand o;
    if (it->second == "pred") o.kind = Operand::Pred, o.off = k.preds++;
    else o = new_row(width(it->second));
    return scopes[0].regs[n] = o;
  }
  static bool number(const std::string& s, uint64_t& v, unsigned bytes) {
    if (s.empty()) return false;
    if (s.size() == 10 && (s[1] == 'f' || s[1] == 'F') && s[0] == '0') { v = std::stoul(s.substr(2), nullptr, 16); if (bytes == 8) { float f; uint32_t u = v; std::memcpy(&f, &u, 4); double d = f; std::memcpy(&v, &d, 8); } return true; }
    if (s.size() == 18 && (s[1] == 'd' || s[1] == 'D') && s[0] == '0') { v = std::stoull(s.substr(2), nullptr, 16); return true; }
    if (!isdigit(s[0]) && s[0] != '-') return false;
    char* e; v = s[0] == '-' ? uint64_t(strtoll(s.c_str(), &e, 0)) : strtoull(s.c_str(), &e, 0);
    return true;
  }
  static std::vector<std::string> split(const std::string& s) {
    std::vector<std::string> out; int depth = 0; std::string cur;
    for (char c : s) {
      if (c == '{' || c == '[' || c == '(') ++depth;
      if (c == '}' || c == ']' || c == ')') --depth;
      if (c == ',' && !depth) out.push_back(trim(cur)), cur.clear(); else cur += c;
    }
    if (!trim(cur).empty()) out.push_back(trim(cur));
    return out;
  }
  static std::string trim(const std::string& s) { auto a = s.find_first_not_of(" \t\n\r"), b = s.find_last_not_of(" \t\n\r"); return a == s.npos ? "" : s.substr(a, b - a + 1); }

  Operand operand(std::string s, unsigned bytes, const std::string& text) {
    Operand o;
    if (s == "_") { o.kind = Operand::Sink; return o; }
    if (s[0] == '!') { o = operand(s.substr(1), bytes, text); o.negate = true; return o; }
    if (s[0] == '{') { o.kind = Operand::Vec; for (auto& e : split(s.substr(1, s.rfind('}') - 1))) o.sub.push_back(operand(e, bytes, text)); return o; }
    if (s[0] == '[') {
      o.kind = Operand::Addr;
      std::string in = trim(s.substr(1, s.rfind(']') - 1));
      auto parts = split(in);
      if (parts.size() > 1) { o.kind = Operand::Vec; o.sub.push_back(operand("[" + parts[0] + "]", 8, text)); o.sub.push_back(operand(parts[1], 4, text)); return o; }   // [map, {x, y}]
      if (auto plus = in.find('+'); plus != in.npos) { o.disp = strtoll(trim(in.substr(plus + 1)).c_str(), nullptr, 0); in = trim(in.substr(0, plus)); }
      if (param_syms.count(in)) { o.disp += param_syms[in].off; return o; }
      if (data_syms.count(in)) { o.disp += int64_t(data_syms[in]); return o; }
      if (local_syms.count(in)) { o.disp += local_syms[in]; return o; }
      if (symbols.count(in)) { o.disp += *(uint32_t*)(k.consts.data() + symbols[in].off); return o; }
      uint64_t v;
      if (number(in, v, 8)) { o.disp += v; return o; }
      o.sub.push_back(reg(in, text));
      return o;
    }
    if (s.rfind("%", 0) == 0) if (auto it = kSpecialNames.find(s); it != kSpecialNames.end()) { o.kind = Operand::Row, o.bytes = 4, o.off = it->second * 128; return o; }
    uint64_t v;
    if (number(s, v, bytes)) return constant(v, bytes ? bytes : 4);
    if (symbols.count(s)) { uint32_t a = *(uint32_t*)(k.consts.data() + symbols[s].off); return constant(a, bytes ? bytes : 4); }
    if (data_syms.count(s)) return constant(data_syms[s], 8);
    if (local_syms.count(s)) return constant(local_syms[s], bytes ? bytes : 8);
    if (auto bar = s.find('|'); bar != s.npos) fail("pair operand", text);
    return reg(s, text);
  }

  static Operand sink() { Operand o; o.kind = Operand::Sink; return o; }

  // ---- one instruction
  void instruction(std::string text) {
    Inst in; in.text = text, in.loc = loc;
    std::string s = text;
    if (s[0] == '@') {
      auto sp = s.find_first_of(" \t\n");
      std::string g = s.substr(1, sp - 1);
      if (g[0] == '!') in.guard_not = true, g = g.substr(1);
      in.guard = reg(g, text).off;
      s = trim(s.substr(sp));
    }
    auto sp = s.find_first_of(" \t\n{[");
    std::string op = s.substr(0, sp), rest = sp == s.npos ? "" : trim(s.substr(sp));
    std::vector<std::string> f; { std::string c; for (char ch : op + ".") if (ch == '.') f.push_back(c), c.clear(); else c += ch; }
    auto args = split(rest);
    auto has = [&](const char* m) { return std::find(f.begin(), f.end(), m) != f.end(); };
    auto starts = [&](const char* p) { return op.rfind(p, 0) == 0; };
    const std::string& name = f[0]; const std::string type = f.back();
    unsigned w = width(type);
    auto ops = [&](unsigned bytes) { for (auto& a : args) in.op.push_back(operand(a, bytes, text)); };
    auto space = [&]() -> uint32_t { return has("shared") || has("shared::cta") ? Shared : has("global") || has("const") ? Global : has("local") ? LocalMem : has("param") ? ParamMem : Generic; };

#define BY_INT(FN, OP) (type == "s16" ? FN<int16_t, OP> : type == "u16" || type == "b16" ? FN<uint16_t, OP> : type == "s32" ? FN<int32_t, OP> : type == "u32" || type == "b32" ? FN<uint32_t, OP> : \
                        type == "s64" ? FN<int64_t, OP> : type == "u64" || type == "b64" ? FN<uint64_t, OP> : nullptr)
#define PACKED(OP) (type == "bf16" || type == "bf16x2" ? packed<true, OP> : type == "f16" || type == "f16x2" ? packed<false, OP> : nullptr)
#define BY_NUM(FN, OP) (type == "f32" ? FN<float, OP> : type == "f64" ? FN<double, OP> : BY_INT(FN, OP))

    if (name == "bra") {
      in.flow = Flow::Branch;
      in.op.push_back({}); in.op[0].kind = Operand::Label;
      fixes.push_back({k.code.size(), args[0], path});
    } else if (name == "ret" || name == "exit") in.flow = Flow::Exit;
    else if (name == "mov" && type == "pred") ops(0), in.exec = pred_logic, in.imm[0] = 0;
    else if (name == "mov") {
      if (args[1][0] == '{' || args[0][0] == '{') { ops(w / 2); in.exec = mov_pack; for (auto& o : in.op) if (o.kind == Operand::Vec) for (auto& e : o.sub) if (e.kind == Operand::Sink) e.bytes = w / o.sub.size(); }
      else if (param_syms.count(args[1])) { in.op.push_back(operand(args[0], w, text)); in.imm[0] = param_syms[args[1]].off; in.exec = param_address; }
      else ops(w), in.exec = w == 2 ? unary<uint16_t, Id> : w == 4 ? unary<uint32_t, Id> : unary<uint64_t, Id>;
    } else if (type == "pred" && (name == "and" || name == "or" || name == "xor" || name == "not")) ops(0), in.exec = pred_logic, in.imm[0] = name == "not" ? 1 : name == "and" ? 2 : name == "or" ? 3 : 4;
    else if (Exec e = name == "add" ? PACKED(Add) : name == "sub" ? PACKED(Sub) : name == "mul" ? PACKED(Mul) : name == "fma" ? PACKED(Fma) : name == "min" ? PACKED(Min) : name == "max" ? PACKED(Max)
                    : name == "neg" ? PACKED(Neg) : name == "abs" ? PACKED(Abs) : nullptr) ops(w), in.exec = e;
    else if (name == "add") ops(w), in.exec = BY_NUM(binary, Add);
    else if (name == "sub") ops(w), in.exec = BY_NUM(binary, Sub);
    else if ((name == "mul" || name == "mad") && has("wide")) {
      bool mad = name == "mad";
      for (size_t a = 0; a < args.size(); ++a) in.op.push_back(operand(args[a], a == 0 || a == 3 ? 2 * w : w, text));
      in.exec = type == "s32" ? (mad ? wide<int32_t, int64_t, true> : wide<int32_t, int64_t, false>) : type == "u32" ? (mad ? wide<uint32_t, uint64_t, true> : wide<uint32_t, uint64_t, false>)
              : type == "s16" ? (mad ? wide<int16_t, int32_t, true> : wide<int16_t, int32_t, false>) : (mad ? wide<uint16_t, uint32_t, true> : wide<uint16_t, uint32_t, false>);
    } else if (name == "mul") ops(w), in.exec = has("hi") ? BY_INT(binary, MulHi) : BY_NUM(binary, Mul);
    else if (name == "mad" && has("lo")) ops(w), in.exec = BY_INT(ternary, Mad);
    else if (name == "fma") ops(w), in.exec = type == "f32" ? ternary<float, Fma> : type == "f64" ? ternary<double, Fma> : nullptr;
    else if (name == "div") ops(w), in.exec = BY_NUM(binary, Div);
    else if (name == "rem") ops(w), in.exec = BY_INT(binary, Rem);
    else if (name == "and") ops(w), in.exec = BY_INT(binary, And);
    else if (name == "or") ops(w), in.exec = BY_INT(binary, Or);
    else if (name == "xor") ops(w), in.exec = BY_INT(binary, Xor);
    else if (name == "not") ops(w), in.exec = BY_INT(unary, Not);
    else if (name == "min") ops(w), in.exec = BY_NUM(binary, Min);
    else if (name == "max") ops(w), in.exec = BY_NUM(binary, Max);
    else if (name == "neg") ops(w), in.exec = BY_NUM(unary, Neg);
    else if (name == "abs") ops(w), in.exec = BY_NUM(unary, Abs);
    else if (name == "shl" || name == "shr") {
      for (size_t a = 0; a < 3; ++a) in.op.push_back(operand(args[a], a == 2 ? 4 : w, text));
      in.exec = name == "shl" ? BY_INT(shift, Shl) : BY_INT(shift, Shr);
    } else if (name == "ex2") ops(4), in.exec = unary<float, Ex2>;
    else if (name == "sin") ops(4), in.exec = unary<float, Sin>;
    else if (name == "cos") ops(4), in.exec = unary<float, Cos>;
    else if (name == "copysign") ops(w), in.exec = w == 4 ? binary<float, CopySign> : binary<double, CopySign>;
    else if (name == "brev" && w == 4) ops(4), in.exec = [](Warp& w, const Inst& i, uint32_t m) { EACH(l) { uint32_t v = w.row<uint32_t>(i.op[1])[l], r = 0; for (int k = 0; k < 32; ++k) r |= (v >> k & 1) << (31 - k); w.row<uint32_t>(i.op[0])[l] = r; } };
    else if (name == "lg2") ops(4), in.exec = unary<float, Lg2>;
    else if (name == "rcp") ops(w), in.exec = w == 4 ? unary<float, Rcp> : unary<double, Rcp>;
    else if (name == "sqrt") ops(w), in.exec = w == 4 ? unary<float, Sqrt> : unary<double, Sqrt>;
    else if (name == "rsqrt") ops(4), in.exec = unary<float, Rsqrt>;
    else if (name == "tanh") ops(4), in.exec = unary<float, Tanh>;
    else if (name == "popc" && type == "b32") ops(4), in.exec = unary<uint32_t, Popc>;
    else if (name == "clz" && type == "b32") ops(4), in.exec = unary<uint32_t, Clz>;
    else if (name == "lop3") { in.imm[0] = strtoul(args.back().c_str(), nullptr, 0); args.pop_back(); ops(4); in.exec = lop3; }
    else if (name == "prmt") ops(4), in.exec = prmt;
    else if (name == "bfi" || name == "bfe") {
      size_t ints = name == "bfi" ? 3 : 2;
      for (size_t a = 0; a < args.size(); ++a) in.op.push_back(operand(args[a], a < ints ? w : 4, text));
      in.exec = name == "bfi" ? (w == 4 ? bfi<uint32_t> : bfi<uint64_t>) : type == "s32" ? bfe<int32_t> : type == "u32" ? bfe<uint32_t> : type == "s64" ? bfe<int64_t> : bfe<uint64_t>;
    } else if (name == "shf") ops(4), in.exec = shf, in.imm[0] = has("r"), in.imm[1] = has("wrap");
    else if (name == "trap" || name == "brkpt" || name == "call") in.exec = trap;
    else if (name == "setp") {
      std::string cmp = f[1], boolop = f.size() > 3 && f[2] != "ftz" ? f[2] : "";
      auto bar = args[0].find('|');
      in.op.push_back(operand(trim(args[0].substr(0, bar)), 0, text));
      in.op.push_back(bar == args[0].npos ? sink() : operand(trim(args[0].substr(bar + 1)), 0, text));
      in.op.push_back(operand(args[1], w, text)), in.op.push_back(operand(args[2], w, text));
      if (args.size() > 3) in.op.push_back(operand(args[3], 0, text)), in.imm[0] = boolop == "and" ? 1 : boolop == "or" ? 2 : 3;
      in.exec = cmp == "eq" ? BY_NUM(compare, Eq) : cmp == "ne" ? BY_NUM(compare, Ne) : cmp == "lt" || cmp == "lo" ? BY_NUM(compare, Lt) : cmp == "le" || cmp == "ls" ? BY_NUM(compare, Le)
              : cmp == "gt" || cmp == "hi" ? BY_NUM(compare, Gt) : cmp == "ge" || cmp == "hs" ? BY_NUM(compare, Ge) : cmp == "neu" ? BY_NUM(compare, Neu) : cmp == "ltu" ? BY_NUM(compare, Ltu)
              : cmp == "leu" ? BY_NUM(compare, Leu) : cmp == "gtu" ? BY_NUM(compare, Gtu) : cmp == "geu" ? BY_NUM(compare, Geu) : cmp == "nan" ? BY_NUM(compare, Nan) : nullptr;
    } else if (name == "selp") {
      for (size_t a = 0; a < 4; ++a) in.op.push_back(operand(args[a], a == 3 ? 0 : w, text));
      in.exec = w == 2 ? select<uint16_t> : w == 4 ? select<uint32_t> : select<uint64_t>;
    } else if (name == "cvt") {
      std::string to = f[f.size() - 2], from = f.back();
      unsigned wd = width(to), ws = width(from);
      in.imm[0] = has("rzi") ? 1 : has("rmi") ? 2 : has("rpi") ? 3 : has("rni") ? 4 : 0;
      for (size_t a = 0; a < args.size(); ++a) in.op.push_back(operand(args[a], a ? ws : wd, text));
      if (to == "bf16x2" && from == "f32") in.exec = cvt_bf16x2;
      else if (to == "f16x2" && from == "f32") in.exec = cvt_f16x2;
      else if (from == "bf16" || from == "f16") { if (to == "f32") in.exec = cvt_small, in.imm[0] = from == "f16"; }
      else if (to == "bf16" || to == "f16") { if (from == "f32") in.exec = cvt_small, in.imm[0] = to == "bf16" ? 2 : 3; }
      else {
#define CVT_FROM(D) (from == "f32" ? convert<D, float> : from == "f64" ? convert<D, double> : from == "s8" ? convert<D, int8_t> : from == "u8" ? convert<D, uint8_t> : from == "s16" ? convert<D, int16_t> : \
        from == "u16" ? convert<D, uint16_t> : from == "s32" ? convert<D, int32_t> : from == "u32" ? convert<D, uint32_t> : from == "s64" ? convert<D, int64_t> : from == "u64" ? convert<D, uint64_t> : nullptr)
        in.exec = to == "f32" ? CVT_FROM(float) : to == "f64" ? CVT_FROM(double) : to == "s8" ? CVT_FROM(int8_t) : to == "u8" ? CVT_FROM(uint8_t) : to == "s16" ? CVT_FROM(int16_t) : to == "u16" ? CVT_FROM(uint16_t)
                : to == "s32" ? CVT_FROM(int32_t) : to == "u32" ? CVT_FROM(uint32_t) : to == "s64" ? CVT_FROM(int64_t) : to == "u64" ? CVT_FROM(uint64_t) : nullptr;
      }
    } else if (name == "cvta") ops(w), in.exec = cvta, in.imm[0] = has("shared") || has("shared::cta") ? (has("to") ? 2 : 1) : has("local") ? (has("to") ? 4 : 3) : 0;
    else if (name == "ld" || name == "ldu") ops(w), in.exec = memory<false>, in.imm[0] = space(), in.imm[1] = w, in.imm[2] = type[0] == 's';
    else if (name == "st") ops(w), in.exec = memory<true>, in.imm[0] = space(), in.imm[1] = w;
    else if (name == "atom" || name == "red") {
      ops(w), in.imm[0] = space(), in.imm[1] = has("add") ? 0 : has("min") ? 1 : has("max") ? 2 : has("exch") ? 3 : 4, in.imm[2] = name == "atom";
      in.exec = type == "f32" ? atomic<float> : type == "s32" ? atomic<int32_t> : type == "u32" || type == "b32" ? atomic<uint32_t> : type == "u64" || type == "b64" ? atomic<uint64_t> : nullptr;
    } else if (starts("ldmatrix.sync.aligned.m8n8") && type == "b16") ops(4), in.exec = ldmatrix, in.imm[0] = has("x4") ? 4 : has("x2") ? 2 : 1, in.imm[1] = has("trans"), in.aligned = true;
    else if (starts("stmatrix.sync.aligned.m8n8") && type == "b16") ops(4), in.exec = stmatrix, in.imm[0] = has("x4") ? 4 : has("x2") ? 2 : 1, in.imm[1] = has("trans"), in.aligned = true;
    else if (starts("mma.sync.aligned.m16n8k") && has("row") && has("col") && f[6] == "f32" && f.back() == "f32" && f[7] == f[8] && (f[7] == "bf16" || f[7] == "f16" || f[7] == "tf32"))
      ops(4), in.exec = mma, in.aligned = true, in.imm[0] = uint32_t(f[7] == "bf16" ? MmaType::bf16 : f[7] == "f16" ? MmaType::f16 : MmaType::tf32), in.imm[1] = std::stoi(f[3].substr(6));
    else if (starts("shfl.sync")) {
      auto bar = args[0].find('|');
      in.op.push_back(operand(trim(args[0].substr(0, bar)), 4, text));
      in.op.push_back(bar == args[0].npos ? sink() : operand(trim(args[0].substr(bar + 1)), 0, text));
      for (size_t a = 1; a < 5; ++a) in.op.push_back(operand(args[a], 4, text));
      in.imm[0] = has("up") ? 0 : has("down") ? 1 : has("bfly") ? 2 : 3, in.exec = shfl, in.aligned = args[4] == "-1" || args[4] == "0xffffffff";
    } else if (starts("vote.sync")) ops(4), in.imm[0] = has("all") ? 0 : has("any") ? 1 : has("uni") ? 2 : 3, in.exec = vote, in.aligned = true;
    else if (starts("elect.sync")) {
      auto bar = args[0].find('|');
      in.op.push_back(operand(trim(args[0].substr(0, bar)), 4, text)), in.op.push_back(operand(trim(args[0].substr(bar + 1)), 0, text));
      in.exec = elect, in.aligned = true;
    } else if (op == "bar.warp.sync") in.exec = syncwarp, in.aligned = true;
    else if (name == "bar" || starts("barrier.cta")) {
      in.flow = Flow::Barrier, in.aligned = name == "bar" || has("aligned"), in.imm[0] = has("arrive");
      for (auto& a : args) in.op.push_back(operand(a, 4, text));
    } else if (starts("barrier.cluster")) in.flow = Flow::Barrier, in.aligned = has("aligned"), in.imm[0] = has("arrive"), in.imm[1] = 1;
    else if (op == "cp.async.commit_group") in.exec = cp_async_commit;
    else if (op == "cp.async.wait_group") in.exec = cp_async_wait, in.imm[0] = std::stoi(args[0]);
    else if (op == "cp.async.wait_all") in.exec = cp_async_wait;
    else if (starts("cp.async.cg.shared") || starts("cp.async.ca.shared")) { ops(4); in.imm[0] = std::stoi(args[2]); in.exec = cp_async; }
    else if (starts("cp.async.bulk.tensor") && has("mbarrier::complete_tx::bytes")) {
      Operand t = operand(args[1], 8, text);
      in.op = {operand(args[0], 4, text), t.sub[0], t.sub[1], operand(args[2], 4, text)};
      if (has("multicast::cluster")) in.op.push_back(operand(args[3], 2, text));
      in.exec = tma_load;
    } else if (starts("cp.async.bulk.tensor") && has("bulk_group")) { Operand t = operand(args[0], 8, text); in.op = {t.sub[0], t.sub[1], operand(args[1], 4, text)}; in.exec = tma_store; }
    else if (op == "cp.async.bulk.commit_group") in.exec = bulk_commit;
    else if (starts("cp.async.bulk.wait_group")) in.exec = bulk_wait, in.imm[0] = std::stoi(args[0]);
    else if (starts("mbarrier.init")) ops(4), in.exec = mbar_init;
    else if (starts("mbarrier.arrive")) { ops(4); in.imm[0] = has("expect_tx"); in.exec = mbar_arrive; }
    else if (starts("mbarrier.expect_tx")) { args.insert(args.begin(), "_"); ops(4); in.imm[0] = in.imm[1] = 1; in.exec = mbar_arrive; }
    else if (starts("mbarrier.try_wait.parity") || starts("mbarrier.test_wait.parity")) { for (size_t a = 0; a < 3; ++a) in.op.push_back(operand(args[a], a ? 4 : 0, text)); in.flow = Flow::MbarWait; }
    else if (starts("fence.proxy.async") || starts("fence.mbarrier_init")) in.exec = fence_async;
    else if (starts("fence") || starts("membar") || name == "prefetch" || name == "nanosleep" || starts("griddepcontrol") || name == "prefetchu" || starts("cp.async.bulk.prefetch")) in.exec = nop;
    else if (starts("mapa.shared::cluster")) ops(4), in.exec = mapa_;
    else if (starts("setmaxnreg")) in.flow = Flow::Wg, in.imm[0] = 1, in.imm[1] = std::stoi(args[0]), in.aligned = true;
    else if (op == "wgmma.fence.sync.aligned") in.flow = Flow::Wg, in.imm[0] = 2, in.aligned = true;
    else if (op == "wgmma.commit_group.sync.aligned") in.flow = Flow::Wg, in.imm[0] = 3, in.aligned = true;
    else if (op == "wgmma.wait_group.sync.aligned") in.flow = Flow::Wg, in.imm[0] = 4, in.imm[1] = std::stoi(args[0]), in.aligned = true;
    else if (starts("wgmma.mma_async.sync.aligned.m64n") && has("bf16")) {
      in.flow = Flow::Wg, in.imm[0] = 5, in.imm[1] = std::stoi(f[4].substr(4)), in.aligned = true;
      bool rs = args[1][0] == '{';
      in.op = {operand(args[0], 4, text), operand(args[1], rs ? 4 : 8, text), operand(args[2], 8, text), operand(args[3], 0, text)};
      in.imm[2] = rs;                                        // then scale-a, scale-b [, trans-a], trans-b
      if (std::stoi(args[4]) != 1 || std::stoi(args[5]) != 1) fail("negated wgmma operands", text);
      in.imm[3] = rs ? (std::stoi(args[6]) << 1) : (std::stoi(args[6]) | std::stoi(args[7]) << 1);
    } else fail("unsupported instruction", text);
    if (!in.exec && in.flow == Flow::Plain) fail("unsupported operand type", text);
    k.code.push_back(std::move(in));
  }

  void directive(const std::string& st) {
    auto words = [&] { std::vector<std::string> v; std::string c; for (char ch : st + " ") if (isspace(ch)) { if (!c.empty()) v.push_back(c); c.clear(); } else c += ch; return v; }();
    if (words[0] == ".reg") {
      std::string names = trim(st.substr(st.find(words[1], 4) + words[1].size()));
      for (auto& n : split(names)) declare(words[1].substr(1), n);
    } else if (words[0] == ".local" || words[0] == ".shared") {
      std::string n = words.back(); uint32_t align = 1, bytes = 1;
      for (size_t i = 0; i < words.size(); ++i) { if (words[i] == ".align") align = std::stoi(words[i + 1]); else if (words[i][0] == '.' && width(words[i].substr(1)) != ~0u) bytes = width(words[i].substr(1)); }
      if (auto b = n.find('['); b != n.npos) { bytes *= std::stoi("0" + n.substr(b + 1)); n = n.substr(0, b); }
      uint32_t& top = words[0] == ".local" ? k.local_bytes : shared_top;
      top = (top + align - 1) / align * align;
      if (words[0] == ".local") local_syms[n] = top; else symbols[n] = constant(smem_base + top, 4);
      top += bytes;
    }
  }
};

Module::Module(const std::string& src) {
  std::map<int, std::string> files;
  for (size_t p = 0; (p = src.find(".file", p)) != src.npos; ++p) {
    int n; char buf[512];
    if (sscanf(src.c_str() + p, ".file %d \"%511[^\"]\"", &n, buf) == 2) { std::string s = buf; files[n] = s.substr(s.rfind('/') + 1); }
  }
  std::vector<std::string> extern_shared, module_shared;
  for (size_t p = 0; p < src.size();) {
    size_t e = src.find('\n', p); if (e == src.npos) e = src.size();
    std::string line = src.substr(p, e - p);
    if (line.find(".shared") != line.npos && line.find(".extern") != line.npos) { auto b = line.find('['), a = line.rfind(' ', b); extern_shared.push_back(line.substr(a + 1, b - a - 1)); }
    else if (line.rfind(".shared", 0) == 0) module_shared.push_back(line.substr(0, line.find(';')));
    p = e + 1;
  }
  std::map<std::string, uint64_t> data;
  for (size_t p = 0; p < src.size();) {                    // module-scope variables with initial values
    size_t e = src.find('\n', p); if (e == src.npos) e = src.size();
    std::string line = src.substr(p, e - p); p = e + 1;
    if (line.rfind(".global", 0) && line.rfind(".const", 0) && line.rfind(".visible .global", 0)) continue;
    std::string decl = line.substr(0, line.find_first_of("=;")), n; unsigned bytes = 1, count = 1;
    std::vector<std::string> v; std::string c; for (char ch : decl + " ") if (isspace(ch)) { if (!c.empty()) v.push_back(c); c.clear(); } else c += ch;
    for (auto& x : v) if (x[0] == '.' && Decoder::width(x.substr(1)) != ~0u) bytes = Decoder::width(x.substr(1));
    n = v.back();
    if (auto b = n.find('['); b != n.npos) count = std::max(1, std::stoi("0" + n.substr(b + 1))), n = n.substr(0, b);
    storage.push_back(std::make_unique<unsigned char[]>(bytes * count + 16));
    auto* q = (unsigned char*)((uintptr_t(storage.back().get()) + 15) & ~uintptr_t(15));
    std::memset(q, 0, bytes * count);
    if (auto b = line.find("= {"); b != line.npos) { unsigned k = 0; for (auto& x : Decoder::split(line.substr(b + 3, line.find('}') - b - 3))) { uint64_t u; if (Decoder::number(x, u, bytes)) std::memcpy(q + k++ * bytes, &u, bytes); } }
    data[n] = uint64_t(q), ranges.push_back({uint64_t(q), bytes * count});
  }
  for (size_t p = 0; (p = src.find(".entry", p)) != src.npos;) {
    Decoder d; d.files = files, d.data_syms = data;
    size_t par = src.find('(', p), end = src.find(')', par), body = src.find('{', end);
    d.k.name = Decoder::trim(src.substr(p + 6, par - p - 6));
    d.k.row_bytes = kSpecials * 128;
    for (auto& prm : Decoder::split(src.substr(par + 1, end - par - 1))) {
      std::vector<std::string> v; std::string c; for (char ch : prm + " ") if (isspace(ch)) { if (!c.empty()) v.push_back(c); c.clear(); } else c += ch;
      uint32_t align = 0, bytes = 1; std::string n = v.back();
      for (size_t i = 0; i < v.size(); ++i) { if (v[i] == ".align") align = std::stoi(v[i + 1]); else if (v[i][0] == '.' && Decoder::width(v[i].substr(1)) != ~0u) bytes = Decoder::width(v[i].substr(1)); }
      if (auto b = n.find('['); b != n.npos) { bytes *= std::stoi(n.substr(b + 1)); n = n.substr(0, b); }
      if (!align) align = bytes;
      d.k.param_bytes = (d.k.param_bytes + align - 1) / align * align;
      Param q{n, d.k.param_bytes, bytes};
      d.k.params.push_back(q), d.param_syms[n] = q, d.k.param_bytes += bytes;
    }
    d.scopes.push_back({}), d.path = {0}, d.label_scopes.push_back({});
    for (auto& s : module_shared) d.directive(s);
    for (auto& s : extern_shared) d.symbols[s] = d.constant(d.smem_base + (d.shared_top + 1023) / 1024 * 1024, 4);
    // --- statements
    size_t q = body + 1; int depth = 1;
    while (depth) {
      while (isspace(src[q])) ++q;
      if (src.compare(q, 2, "//") == 0) { q = src.find('\n', q); continue; }
      if (src.compare(q, 4, ".loc") == 0 && isspace(src[q + 4])) {
        size_t e = src.find('\n', q); std::string l = src.substr(q, e - q); q = e;
        std::vector<std::pair<int, int>> chain; int a, b;
        if (sscanf(l.c_str(), ".loc %d %d", &a, &b) == 2) chain.push_back({a, b});
        if (auto at = l.find("inlined_at"); at != l.npos && sscanf(l.c_str() + at, "inlined_at %d %d", &a, &b) == 2) chain.push_back({a, b});
        d.loc.clear();
        for (auto& c : chain) { std::string fn = files[c.first]; if (fn.find("ptx") == 0 || fn.find("sm_") == 0) continue; d.loc = fn + ":" + std::to_string(c.second); break; }
        continue;
      }
      if (src[q] == '{') { ++depth, ++q; d.scopes.push_back({}); d.path.push_back(d.label_scopes.size()); d.label_scopes.push_back({}); continue; }
      if (src[q] == '}') { --depth, ++q; d.scopes.pop_back(); d.path.pop_back(); continue; }
      size_t id = q; while (isalnum(src[id]) || src[id] == '_' || src[id] == '$') ++id;
      if (id > q && src[id] == ':' && src[id + 1] != ':') { d.label_scopes[d.path.back()][src.substr(q, id - q)] = d.k.code.size(); q = id + 1; continue; }
      size_t e = src.find(';', q); std::string st = Decoder::trim(src.substr(q, e - q)); q = e + 1;
      if (st.empty()) continue;
      if (st[0] == '.') d.directive(st); else d.instruction(st);
    }
    for (auto& f : d.fixes) {
      bool found = false;
      for (size_t s = f.scope_path.size(); s-- && !found;) { auto& m = d.label_scopes[f.scope_path[s]]; auto it = m.find(f.label); if (it != m.end()) d.k.code[f.inst].op[0].off = it->second, found = true; }
      if (!found) throw Error(Fault::Unsupported, "PTX: label " + f.label);
    }
    d.k.static_shared = d.shared_top, d.k.ranges = &ranges;
    kernels.push_back(std::move(d.k));
    p = q;
  }
}
static std::string demangle(const std::string& name) {
  int status = 0;
  std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), std::free);
  return status == 0 ? text.get() : name;
}
/// "gemm" of "void assay::gemm<128>(Params)".
static std::string plain_name(std::string s) {
  s = s.substr(0, s.find_first_of("<("));
  return s.substr(std::max(s.rfind(' ') + 1, s.rfind(':') + 1));
}
std::string ptx_text(const std::string& build_folder, const std::string& name) {
  std::ifstream file;
  if (const char* folder = std::getenv("ASSAY_SIMT_PTX_DIR")) file.open(std::string(folder) + "/" + name + ".ptx");
  if (!file.is_open()) file.clear(), file.open(build_folder + "/" + name + ".ptx");
  if (!file) throw std::runtime_error("cannot read " + name + ".ptx in " + build_folder);
  return {std::istreambuf_iterator<char>(file), {}};
}
const Kernel& Module::kernel(const std::string& part) const {
  std::vector<const Kernel*> found;
  std::string names;
  for (auto& k : kernels) {
    std::string full = demangle(k.name);
    if (full.find(part) == full.npos && k.name != part) continue;
    if (plain_name(full) == part || k.name == part) return k;
    found.push_back(&k), names += "\n  " + full;
  }
  if (found.empty()) for (auto& k : kernels) names += "\n  " + demangle(k.name);
  if (found.size() != 1) throw Error(Fault::Unsupported, (found.empty() ? "no kernel is named " : "several kernels are named ") + part + "; there are:" + names);
  return *found[0];
}

// ================================================================== execution
/// Warpgroup instructions wait here for all four warps, then take effect once.
static bool warpgroup(Warp& w, const Inst& i) {
  Machine& M = *w.m;
  unsigned wg = w.index / 4, q = w.index % 4, id = w.cta->rank * ((M.warps_per_cta + 3) / 4) + wg;
  WgWait& st = M.wg[id];
  uint32_t pc = uint32_t(&i - w.k->code.data());
  if (st.passed[q]) { st.passed[q] = false; return true; }             // completed by the last arriver
  if (st.arrived & 1u << q) { if (i.imm[0] != 1) return false; }       // still waiting
  if (st.arrived && st.pc != pc)
    throw Error(Fault::Divergence, format("warp %u is at '%s' %s while others of its warpgroup are at '%s' %s", w.index, i.text.substr(0, 40).c_str(), i.loc.c_str(), w.k->code[st.pc].text.substr(0, 40).c_str(), w.k->code[st.pc].loc.c_str()));
  st.pc = pc, st.arrived |= 1u << q;
  if (st.arrived != 15) return false;
  Warp* warp = &M.warps[w.cta->rank * M.warps_per_cta + wg * 4];
  switch (i.imm[0]) {
    case 1: if (!w.cta->setmaxnreg(wg, i.imm[1], site(i))) return false; break;
    case 2: w.cta->wgmma_fence(wg); break;
    case 3: w.cta->wgmma_commit(wg); break;
    case 4: {
      w.cta->wgmma_wait(wg, i.imm[1], site(i));
      Clock done = w.cta->wgmma_group(wg) - 1 - i.imm[1];
      for (int k = 0; k < 4; ++k) {
        warp[k].any_in_flight = false;
        for (auto& f : warp[k].in_flight) { if (f && int32_t(f - done) <= 0) f = 0; warp[k].any_in_flight |= f != 0; }
      }
      break;
    }
    case 5: {
      // Results are delivered at issue: PTX may rename accumulators before the wait, ptxas keeps track of that.
      // The race detector still sees the reads as asynchronous, until wgmma.wait_group.
      int n = i.imm[1];
      std::vector<float> d(128 * n / 2); std::vector<uint32_t> a(128 * 4);
      Cta::Wgmma g{}; g.n = n, g.a_in_regs = i.imm[2], g.tnsp_a = i.imm[3] & 1, g.tnsp_b = i.imm[3] >> 1 & 1;
      for (int q4 = 0; q4 < 4; ++q4)
        for (int l = 0; l < 32; ++l) {
          Warp& v = warp[q4]; int t = q4 * 32 + l;
          uint64_t db = v.row<uint64_t>(i.op[2])[l], da = g.a_in_regs ? 0 : v.row<uint64_t>(i.op[1])[l]; bool sd = v.pbits(i.op[3]) >> l & 1;
          if (t == 0) g.desc_a = da, g.desc_b = db, g.scale_d = sd;
          else if (g.desc_a != da || g.desc_b != db || g.scale_d != sd) throw Error(Fault::Divergence, "wgmma operands differ within the warpgroup, at " + symbolise(site(i)));
          g.d[t] = &d[t * n / 2], g.a[t] = &a[t * 4];
        }
      for (int q4 = 0; q4 < 4; ++q4) {
        for (int r = 0; r < n / 2; ++r) { const float* x = warp[q4].row<float>(i.op[0].sub[r]); for (int l = 0; l < 32; ++l) g.d[q4 * 32 + l][r] = x[l]; }
        if (g.a_in_regs) for (int r = 0; r < 4; ++r) { const uint32_t* x = warp[q4].row<uint32_t>(i.op[1].sub[r]); for (int l = 0; l < 32; ++l) a[(q4 * 32 + l) * 4 + r] = x[l]; }
      }
      w.cta->wgmma_now(wg, g, site(i));
      for (int k = 0; k < 4; ++k) {
        warp[k].any_in_flight = true;
        for (auto& o : i.op[0].sub) warp[k].in_flight[o.off / 64] = w.cta->wgmma_group(wg);
      }
      for (int q4 = 0; q4 < 4; ++q4)
        for (int r = 0; r < n / 2; ++r) { float* x = warp[q4].row<float>(i.op[0].sub[r]); for (int l = 0; l < 32; ++l) x[l] = g.d[q4 * 32 + l][r]; }
      break;
    }
  }
  ++w.cta->cluster.version;
  for (int k = 0; k < 4; ++k) st.passed[k] = unsigned(k) != q;
  st.arrived = 0;
  return true;
}

/// Accumulators of an unfinished wgmma may be renamed (mov), not used.
static void check_in_flight(Warp& w, const Inst& i) {
  auto use = [&](const Operand& o, auto& self) -> void {
    if (o.kind == Operand::Row && w.in_flight[o.off / 64])
      throw Error(Fault::Async, "accumulator used before wgmma.wait_group, at " + symbolise(site(i)));
    for (auto& e : o.sub) self(e, self);
  };
  bool is_mov = i.text.find("mov.") < i.text.size() && i.op.size() == 2 && i.op[0].kind == Operand::Row;
  if (is_mov) { w.in_flight[i.op[0].off / 64] = i.op[1].kind == Operand::Row ? w.in_flight[i.op[1].off / 64] : 0; return; }
  for (size_t k = i.op.size() && i.op[0].kind == Operand::Row ? 1 : 0; k < i.op.size(); ++k) use(i.op[k], use);
  if (i.op.size() && i.op[0].kind == Operand::Row) w.in_flight[i.op[0].off / 64] = 0;
}

/// Runs one warp until nothing in it can proceed or the quantum is used up; true if anything was executed.
static bool run_warp(Warp& w, uint64_t quantum) {
  Machine& M = *w.m;
  bool progress = false;
  while (quantum && !w.groups.empty()) {
    for (size_t g = 0; g < w.groups.size(); ++g)                        // reconverge
      for (size_t h = g + 1; h < w.groups.size();) {
        Group &x = w.groups[g], &y = w.groups[h];
        auto free = [](const Group& q) { return q.state == Group::Run || q.state == Group::Wait; };
        if (x.pc != y.pc || !free(x) || !free(y)) { ++h; continue; }
        x.mask |= y.mask, x.state = Group::Run;
        w.groups.erase(w.groups.begin() + h);
      }
    // lowest program counter first, among groups that are not blocked
    int best = -1;
    for (size_t g = 0; g < w.groups.size(); ++g) {
      Group& x = w.groups[g];
      if (x.state == Group::Mbar && !w.cta->mbarrier_ready(x.addr, x.parity)) continue;
      if (x.state == Group::Bar) { if (!w.cta->barrier_passed(x.addr, x.gen)) continue; for (int l = 0; l < 32; ++l) if (x.mask >> l & 1) w.cta->barrier_acquire(w.base + l, x.addr); x.state = Group::Run, ++x.pc; }
      if (x.state == Group::ClusterBar) { if (!w.cta->cluster.cluster_passed(x.gen)) continue; for (int l = 0; l < 32; ++l) if (x.mask >> l & 1) w.cta->cluster.cluster_acquire(w.cta->cluster.agent(*w.cta, w.base + l)); x.state = Group::Run, ++x.pc; }
      if (x.state == Group::Wait && w.k->code[x.pc].flow != Flow::Wg && x.mask != w.live) continue;   // partial warp at an aligned instruction
      if (best < 0 || x.pc < w.groups[best].pc) best = g;
    }
    if (best < 0) return progress;
    uint32_t stop = ~0u;                                                // where the next group waits to be joined
    for (size_t g = 0; g < w.groups.size(); ++g) if (int(g) != best && w.groups[g].pc > w.groups[best].pc) stop = std::min(stop, w.groups[g].pc);
    Group& g = w.groups[best];
    for (bool go = true; go && quantum;) {
      const Inst& i = w.k->code[g.pc];
      uint32_t m = g.mask;
      if (i.guard >= 0) m &= i.guard_not ? ~w.pred[i.guard] : w.pred[i.guard];
      --quantum, ++M.stats.warp_insts, M.stats.lane_insts += std::popcount(g.mask);
      if (i.flow == Flow::Branch) {
        progress = true;
        uint32_t target = i.op[0].off;
        if (m == g.mask) g.pc = target;
        else if (m == 0) ++g.pc;
        else { Group taken = g; taken.mask = m, taken.pc = target; g.mask &= ~m, ++g.pc; w.groups.push_back(taken); break; }
        if (w.groups.size() > 1) break;
        continue;
      }
      if (m == 0) { ++g.pc; progress = true; if (g.pc >= stop) break; continue; }
      if (i.aligned && m != w.live) { g.state = Group::Wait; --M.stats.warp_insts; break; }   // wait for the other lanes
      if (g.state == Group::Wait) g.state = Group::Run;
      switch (i.flow) {
        case Flow::Plain: if (w.any_in_flight) check_in_flight(w, i); i.exec(w, i, m); ++g.pc; progress = true; break;
        case Flow::Exit:
          for (int l = 0; l < 32; ++l) if (m >> l & 1) w.cta->thread_exits(w.base + l, site(i));
          w.live &= ~m, g.mask &= ~m, ++g.pc, progress = true;
          if (!g.mask) w.groups.erase(w.groups.begin() + best);
          go = false;
          break;
        case Flow::Barrier:
          progress = true;
          if (i.imm[1]) {
            auto& cl = w.cta->cluster;
            if (i.imm[0]) { for (int l = 0; l < 32; ++l) if (m >> l & 1) g.gen = cl.cluster_arrive(cl.agent(*w.cta, w.base + l)); ++g.pc; }
            else g.state = Group::ClusterBar, go = false;
          } else {
            uint32_t id = load_row(w, i.op[0], 0), n = i.op.size() > 1 ? load_row(w, i.op[1], 0) : 0;
            uint64_t gen = 0;
            for (int l = 0; l < 32; ++l) if (m >> l & 1) gen = w.cta->barrier_arrive(w.base + l, id, n, site(i));
            if (i.imm[0]) ++g.pc; else g.state = Group::Bar, g.addr = id, g.gen = gen, go = false;
          }
          break;
        case Flow::MbarWait: {
          uint32_t a = 0, parity = 0; bool first = true;
          for (int l = 0; l < 32; ++l) if (m >> l & 1) {
            uint32_t x = address(w, i.op[1], l), y = load_row(w, i.op[2], l);
            if (first) a = x, parity = y, first = false;
            else if (a != x || parity != y) throw Error(Fault::Unsupported, "lanes of one warp wait for different mbarriers, at " + symbolise(site(i)));
          }
          bool done = true;
          for (int l = 0; l < 32; ++l) if (m >> l & 1) done = w.cta->mbarrier_test(w.base + l, a, parity, site(i));
          if (done) { g.state = Group::Run; w.set_pred(i.op[0], ~0u, m); ++g.pc; progress = true; }
          else g.state = Group::Mbar, g.addr = a, g.parity = parity, go = false;
          break;
        }
        case Flow::Wg:
          if (warpgroup(w, i)) g.state = Group::Run, ++g.pc, progress = true;
          else { g.state = Group::Wait; return progress; }
          break;
        default: break;
      }
      if (go && g.pc >= stop) break;
    }
  }
  return progress;
}

static void deadlock(Machine& M, const char* what = "no warp can make progress") {
  std::string s = what + std::string("\n");
  for (auto& w : M.warps)
    for (auto& g : w.groups) {
      const Inst& i = w.k->code[g.pc];
      s += format("  cta %u warp %u lanes 0x%08x at %s: ", w.cta->rank, w.index, g.mask, symbolise(&i).c_str());
      if (g.state == Group::Mbar) s += format("waiting for parity %u of ", g.parity) + w.cta->describe_mbarrier(g.addr);
      else if (g.state == Group::Bar) s += format("barrier %u, %u of %u arrived", g.addr, w.cta->named(g.addr).arrived, w.cta->named(g.addr).expected);
      else s += "'" + i.text.substr(0, 50) + "'";
      s += "\n";
    }
  throw Error(Fault::Deadlock, s);
}

Stats run(const Kernel& k, const Launch& c, const Options& opt, const std::vector<unsigned char>& params) {
  Machine M; M.k = &k, M.params = &params, M.heap = opt.heap;
  unsigned threads = c.block.count(), n = c.cluster.count();
  M.warps_per_cta = (threads + 31) / 32;
  for (unsigned z = 0; z < c.grid.z; z += c.cluster.z) for (unsigned y = 0; y < c.grid.y; y += c.cluster.y) for (unsigned x = 0; x < c.grid.x; x += c.cluster.x) {
    Options o = opt; o.seed = opt.seed * 1000003 + (z * c.grid.y + y) * c.grid.x + x;
    Cluster cl(o, n, threads, c.smem_bytes + (k.static_shared + 1023) / 1024 * 1024);
    M.cl = &cl;
    M.warps.assign(n * M.warps_per_cta, {});
    M.wg.assign(n * ((M.warps_per_cta + 3) / 4), {});
    for (unsigned i = 0; i < M.warps.size(); ++i) {
      Warp& w = M.warps[i];
      unsigned r = i / M.warps_per_cta;
      w.m = &M, w.k = &k, w.cta = cl.cta[r].get(), w.index = i % M.warps_per_cta, w.base = w.index * 32;
      w.rows.assign(k.row_bytes + 64, 0), w.in_flight.assign(k.row_bytes / 64 + 4, 0), w.pred.assign(k.preds + 1, 0), w.local.assign(size_t(k.local_bytes) * 32, 0xff);
      unsigned lanes = std::min(32u, threads - w.base);
      w.live = lanes == 32 ? ~0u : (1u << lanes) - 1;
      w.groups = {{0, w.live}};
      auto set = [&](int s, int l, uint32_t v) { ((uint32_t*)w.rows.data())[s * 32 + l] = v; };
      for (int l = 0; l < 32; ++l) {
        unsigned t = w.base + l;
        set(TidX, l, t % c.block.x), set(TidY, l, t / c.block.x % c.block.y), set(TidZ, l, t / c.block.x / c.block.y);
        set(NtidX, l, c.block.x), set(NtidY, l, c.block.y), set(NtidZ, l, c.block.z);
        set(CtaX, l, x + r % c.cluster.x), set(CtaY, l, y + r / c.cluster.x % c.cluster.y), set(CtaZ, l, z + r / c.cluster.x / c.cluster.y);
        set(NctaX, l, c.grid.x), set(NctaY, l, c.grid.y), set(NctaZ, l, c.grid.z), set(LaneId, l, l), set(WarpId, l, w.index), set(ClusterRank, l, r);
        set(LaneLt, l, (1u << l) - 1), set(LaneLe, l, (2u << l) - 1), set(LaneEq, l, 1u << l), set(LaneGe, l, ~((1u << l) - 1)), set(LaneGt, l, ~((2u << l) - 1));
      }
    }
    std::vector<unsigned> order(M.warps.size()); for (unsigned i = 0; i < order.size(); ++i) order[i] = i;
    for (;;) {
      bool progress = false, alive = false;
      if (o.shuffle_schedule) std::shuffle(order.begin(), order.end(), cl.rng);
      for (unsigned i : order) {
        if (M.warps[i].groups.empty()) continue;
        alive = true;
        progress |= run_warp(M.warps[i], o.shuffle_schedule ? 1 + cl.rng() % 200 : 1 << 20);
        if (o.async == Async::Random && cl.has_async() && cl.rng() % 4 == 0) cl.step_async(cl.rng() % cl.async_count()), progress = true;
      }
      if (!alive) break;
      if (cl.version != M.last_version) M.last_version = cl.version, M.last_event = M.stats.warp_insts;
      else if (M.stats.warp_insts - M.last_event > kLivelock) deadlock(M, "warps execute but nothing changes");
      if (progress) continue;
      if (!cl.has_async()) deadlock(M);
      cl.step_async(o.async == Async::Random ? cl.rng() % cl.async_count() : 0);
    }
    cl.finish();
    M.stats.bank_conflicts += cl.bank_conflicts;
  }
  return M.stats;
}

}  // namespace simt::ptx
