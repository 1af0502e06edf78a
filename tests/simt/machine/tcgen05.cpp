// The queue of tcgen05: products, copies from shared memory, and commits, carried out in the order of their issue.
#include <algorithm>

#include "tests/simt/machine/cluster.h"
#include "tests/simt/machine/tcgen05_operands.h"

namespace simt {
namespace {

constexpr int kMaxM = 128, kMaxN = 256, kMaxK = 64;  // of one CTA

float decode(const TensorElement& e, const unsigned char* bytes, int index) {
  if (e.is_e2m1) return small_to_f32(kE2m1, std::uint32_t(bytes[index / 2] >> index % 2 * 4));
  std::uint32_t bits = 0;
  const int size = e.bits() / 8;
  std::memcpy(&bits, bytes + index * size, std::size_t(size));
  return mma_element(e.type, bits);
}

}  // namespace

// ---------------------------------------------------------------- issue
TensorCores::Op TensorCores::new_op(const Cta& c, unsigned thread, Site s) {
  Op op{};
  op.cta = &c, op.site = s;
  const unsigned index = warp_index(c, thread / 32), a = cluster_.agent(c, thread);
  WarpState& w = warps_[index];
  op.access.self = {agent(index, Pipe), w.issued[Pipe], s}, op.access.warp = index;
  std::copy(w.waited, w.waited + 3, op.access.waited);
  op.issued = w.lane_issued[thread % 32];
  if (!cluster_.opt.racecheck) return op;
  after_.resize(cluster_.thread_count());
  op.access.after.push_back(after_[a]);
  op.clocks = cluster_.snapshot(a);
  return op;
}

void TensorCores::enqueue(Op op) {
  queue_.push_back(std::move(op));
  if (cluster_.opt.async == Async::Eager)
    while (!queue_.empty()) complete_next();
}

void TensorCores::mma(const Cta& c, unsigned thread, const TensorMma& m, Site s) {
  use_group(c, m.cta_group, s);
  if (m.cta_group == 2 && c.rank % 2)
    throw Error(Fault::TensorMemory,
                "tcgen05.mma of a pair issued by its odd CTA: the even one leads, at " + symbolise(s));
  WarpState& w = warps_[warp_index(c, thread / 32)];
  w.lane_issued[thread % 32] = ++w.issued[Pipe];
  Op op = new_op(c, thread, s);
  op.what = Op::Mma, op.mma = m;
  enqueue(std::move(op));
}

void TensorCores::copy(const Cta& c, unsigned thread, const TensorCopy& t, Site s) {
  use_group(c, t.cta_group, s);
  WarpState& w = warps_[warp_index(c, thread / 32)];
  w.lane_issued[thread % 32] = ++w.issued[Pipe];
  Op op = new_op(c, thread, s);
  op.what = Op::Copy, op.copy = t;
  enqueue(std::move(op));
}

void TensorCores::commit(const Cta& c, unsigned thread, const TensorCommit& t, Site s) {
  use_group(c, t.cta_group, s);
  Op op = new_op(c, thread, s);
  op.what = Op::Commit, op.commit = t;
  enqueue(std::move(op));
}

void TensorCores::complete_next() {
  Op op = std::move(queue_.front());
  queue_.pop_front();
  op.access.seen.push_back(&op.clocks.seen);
  switch (op.what) {
    case Op::Mma:
      perform_mma(op);
      break;
    case Op::Copy:
      perform_copy(op);
      break;
    default:
      perform_commit(op);
  }
  ++cluster_.version;
}

void TensorCores::finish() {
  while (!queue_.empty()) {
    const Op& op = queue_.front();
    if (op.what != Op::Commit)
      throw Error(Fault::Async, "kernel exited with a tcgen05.mma or cp outstanding, issued at " + symbolise(op.site));
    complete_next();
  }
}

// ---------------------------------------------------------------- commit
void TensorCores::perform_commit(Op& op) {
  const Epoch signal = {agent(op.access.warp, Committed), ++warps_[op.access.warp].committed, op.site};
  const std::uint32_t address = op.commit.mbar & 0xffffff;
  for (unsigned r = 0; r < 16; ++r) {
    if (!(op.commit.mask >> r & 1)) continue;
    const auto wrong = [&](const std::string& what) {
      throw Error(Fault::Barrier, format("tcgen05.commit to mbarrier 0x%x of cta %u: %s, at %s", address, r,
                                         what.c_str(), symbolise(op.site).c_str()));
    };
    if (r >= cluster_.cta.size()) wrong(format("the cluster has %zu", cluster_.cta.size()));
    Cta& c = *cluster_.cta[r];
    const auto it = c.mbars_.find(address);
    if (it == c.mbars_.end()) wrong("it is not initialised");
    MBarrier& b = it->second;
    if (!b.pending) wrong(format("no arrival is pending in phase %llu", (unsigned long long)b.phase));
    if (cluster_.opt.racecheck) {
      const Epoch& initialised = c.shadow_[address / 2].write;
      if (op.clocks.seen[initialised.agent] < initialised.clock)
        throw Error(Fault::Race, format("tcgen05.commit at %s to mbarrier 0x%x of cta %u is not ordered after its "
                                        "initialisation at %s",
                                        symbolise(op.site).c_str(), address, r, symbolise(initialised.site).c_str()));
      b.current.join(op.clocks);
      for (const int kind : {int(Pipe), Fenced + Pipe}) {
        const unsigned engine = agent(op.access.warp, kind);
        b.current.seen[engine] = std::max(b.current.seen[engine], op.issued);
        b.current.proxy[engine] = std::max(b.current.proxy[engine], op.issued);
      }
      b.current.seen[signal.agent] = signal.clock;
      c.signals_[signal.agent] = signal;
    }
    --b.pending;
    c.maybe_complete(b);
  }
}

// ---------------------------------------------------------------- products
/// One operand, or one CTA's part of it, as [extent][k].
void TensorCores::gather(const Cta& c, const Op& op, const Operand& o, float* out) {
  const SharedDescriptor d(o.descriptor, o.name, op.site);
  const int per_chunk = 16 * 8 / o.element.bits();
  const auto chunk = [&](std::uint32_t address) -> const unsigned char* {
    c.check_range(address, 16, o.name, op.site);
    cluster_.access(*cluster_.cta[c.rank], address, 16, false, true, op.access.self, op.clocks);
    return c.arena + address;
  };
  if (!o.mn_major) {
    for (int mn = 0; mn < o.extent; ++mn)
      for (int h = 0; h < 2; ++h) {  // 32 bytes of k
        const unsigned char* bytes = chunk(d.k_major(mn, h));
        for (int j = 0; j < per_chunk; ++j)
          out[mn * o.k + h * per_chunk + j] = float(o.sign) * decode(o.element, bytes, j);
      }
    return;
  }
  for (int k = 0; k < o.k; ++k)
    for (int mn = 0; mn < o.extent; mn += per_chunk) {
      const unsigned char* bytes = chunk(d.mn_major(mn, k, o.element.bits() / 8));
      for (int j = 0; j < per_chunk; ++j) out[(mn + j) * o.k + k] = float(o.sign) * decode(o.element, bytes, j);
    }
}

/// A in tensor memory: row r in lane r, its elements along k packed into 32-bit columns, the first in the lowest bits
/// (PTX ISA, "Packing formats used in Tensor Memory", for elements that fill their bits).
void TensorCores::gather_from_lanes(const Cta& c, Op& op, const InstructionDescriptor& i, float* out) {
  const std::uint32_t address = std::uint32_t(op.mma.a), first = address & 0xffff;
  const unsigned columns = unsigned(i.k * i.a.bits() / 32);
  if (i.m != 128 || op.mma.cta_group != 1)
    throw Error(Fault::Unsupported, "tcgen05.mma with A in tensor memory and m != 128, at " + symbolise(op.site));
  if (i.a_mn_major)
    throw Error(Fault::Descriptor, "tcgen05.mma with A in tensor memory and MN-major, at " + symbolise(op.site));
  if (address >> 16)
    throw Error(Fault::TensorMemory,
                format("tcgen05.mma with A at lane %u, at %s", address >> 16, symbolise(op.site).c_str()));
  check_allocated(c, first, columns, "A of tcgen05.mma", op.site);
  memory(c);
  op.access.last_ordered = {};
  for (unsigned lane = 0; lane < kLanes; lane += 16)
    for (unsigned k = first; k < first + columns; ++k) touch(c, lane, k, false, op.access);
  std::vector<std::uint32_t> row(columns);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    for (unsigned k = 0; k < columns; ++k) row[k] = word(c, lane, first + k);
    for (int k = 0; k < i.k; ++k)
      out[int(lane) * i.k + k] = float(i.a_sign) * decode(i.a, reinterpret_cast<const unsigned char*>(row.data()), k);
  }
}

void TensorCores::perform_mma(Op& op) {
  const InstructionDescriptor i(op.mma, op.site);
  const auto ctas = group(*op.cta, op.mma.cta_group, op.site);
  const int parts = int(ctas.size()), m = i.m / parts, n_part = i.n / parts;
  std::vector<float> a(kMaxM * kMaxK), b(kMaxN * kMaxK), scaled_b, transposed(kMaxK * kMaxN), d(std::size_t(m * i.n));
  for (int p = 0; p < parts; ++p)  // each CTA has half of B's columns
    gather(*ctas[std::size_t(p)], op, {"B", op.mma.b, i.b, n_part, i.k, i.b_sign, i.b_mn_major},
           &b[std::size_t(p * n_part * i.k)]);
  for (const Cta* c : ctas) {
    if (op.mma.a_in_tensor_memory)
      gather_from_lanes(*c, op, i, a.data());
    else
      gather(*c, op, {"A", op.mma.a, i.a, m, i.k, i.a_sign, i.a_mn_major}, a.data());
    scaled_b = b;
    if (op.mma.scale_vector) {  // each CTA has the factors of its rows of A and of all columns of B
      scale(*c, op, {op.mma.scale_a, i.scale_a, i.scale_is_e8m0, m, i.k}, a.data());
      scale(*c, op, {op.mma.scale_b, i.scale_b, i.scale_is_e8m0, i.n, i.k}, scaled_b.data());
    }
    for (int j = 0; j < i.n; ++j)
      for (int k = 0; k < i.k; ++k) transposed[std::size_t(k * i.n + j)] = scaled_b[std::size_t(j * i.k + k)];
    accumulate(*c, op, i, a.data(), transposed.data(), d.data());
  }
}

/// Multiplies rows by their scale factors: of row r in lane r % 32 of each quarter, column r / 32, one byte to a block
/// of k (PTX ISA, "Scale Factor A ID", "Scale Factor B ID").
void TensorCores::scale(const Cta& c, Op& op, const Scales& s, float* operand) {
  const unsigned first = s.address & 0xffff, columns = unsigned(s.rows + 31) / 32;
  if (s.address >> 16 & 0x3fff)  // the two highest bits may repeat the byte
    throw Error(Fault::TensorMemory,
                format("scale factors at lane %u, at %s", s.address >> 16 & 0x3fff, symbolise(op.site).c_str()));
  check_allocated(c, first, columns, "scale factors of tcgen05.mma", op.site);
  memory(c);
  op.access.last_ordered = {};
  for (unsigned lane = 0; lane < kLanes; lane += 16)
    for (unsigned k = first; k < first + columns; ++k) touch(c, lane, k, false, op.access);
  for (int r = 0; r < s.rows; ++r) {
    const unsigned lane = unsigned(r % 32), column = first + unsigned(r / 32);
    const std::uint32_t factors = word(c, lane, column) >> 8 * s.byte;
    for (unsigned quarter = 1; quarter < 4; ++quarter)
      if (word(c, quarter * 32 + lane, column) >> 8 * s.byte != factors)
        throw Error(Fault::TensorMemory,
                    format("scale factors in column %u differ between the quarters of the lanes, at %s", column,
                           symbolise(op.site).c_str()));
    for (int k = 0; k < s.k; ++k) {
      const auto bits = std::uint8_t(factors >> 8 * (k * op.mma.scale_vector / s.k));
      operand[r * s.k + k] *= s.is_e8m0 ? e8m0_to_f32(bits) : small_to_f32(kE4m3, bits & 0x7f);
    }
  }
}

/// Lane and column of element (row, column) of one CTA's part of D (PTX ISA, "Data path layout organization").
static std::pair<unsigned, unsigned> place(const InstructionDescriptor& i, int cta_group, int row, int column) {
  if (i.m == 64) return {unsigned(row / 16 * 32 + row % 16), unsigned(column)};  // layout F
  if (i.m == 128 && cta_group == 2)                                              // layout B
    return {unsigned(row + column / (i.n / 2) * 64), unsigned(column % (i.n / 2))};
  return {unsigned(row), unsigned(column)};  // layouts A and D
}

void TensorCores::accumulate(const Cta& c, Op& op, const InstructionDescriptor& i, const float* a, const float* b,
                             float* d) {
  const int rows = i.m / op.mma.cta_group;
  const bool half_columns = i.m == 128 && op.mma.cta_group == 2;
  const unsigned lane = op.mma.d >> 16, first = op.mma.d & 0xffff, columns = unsigned(half_columns ? i.n / 2 : i.n);
  if (lane != 0 && !(i.m == 64 && lane == 16))
    throw Error(Fault::TensorMemory, format("tcgen05.mma with D at lane %u, at %s", lane, symbolise(op.site).c_str()));
  check_allocated(c, first, columns, "tcgen05.mma", op.site);
  memory(c);
  op.access.shape = 1 + first + (std::uint64_t(i.n) << 16) + (std::uint64_t(i.m) << 32);
  op.access.last_ordered = {};
  for (unsigned l = 0; l < kLanes; l += i.m == 64 ? 32 : 16)
    for (unsigned k = first; k < first + columns; ++k) {
      if (op.mma.accumulate) touch(c, lane + l, k, false, op.access);
      touch(c, lane + l, k, true, op.access);
    }
  for (int r = 0; r < rows; ++r)
    for (int j = 0; j < i.n; ++j) {
      const auto [l, k] = place(i, op.mma.cta_group, r, j);
      d[r * i.n + j] = op.mma.accumulate ? bits_to_f32(word(c, lane + l, first + k)) : 0.0f;
    }
  multiply_add(d, a, b, rows, i.n, i.k);
  for (int r = 0; r < rows; ++r)
    for (int j = 0; j < i.n; ++j) {
      const auto [l, k] = place(i, op.mma.cta_group, r, j);
      word(c, lane + l, first + k) = f32_to_bits(d[r * i.n + j]);
    }
}

// ---------------------------------------------------------------- copies
/// Rows lie as those of a K-major operand: eight to a core matrix, groups of eight at the stride.
void TensorCores::perform_copy(Op& op) {
  const TensorCopy& t = op.copy;
  const SharedDescriptor d(t.source, "tcgen05.cp", op.site);
  const unsigned first = t.address & 0xffff;
  if (t.address >> 16)
    throw Error(Fault::TensorMemory,
                format("tcgen05.cp to lane %u, at %s", t.address >> 16, symbolise(op.site).c_str()));
  for (const Cta* c : group(*op.cta, t.cta_group, op.site)) {  // each from its own shared memory
    check_allocated(*c, first, t.bytes / 4, "tcgen05.cp", op.site);
    memory(*c);
    op.access.last_ordered = {}, op.access.is_copy = true;
    for (unsigned l = 0; l < kLanes; l += 16)
      for (unsigned k = first; k < first + t.bytes / 4; ++k) touch(*c, l, k, true, op.access);
    for (unsigned row = 0; row < t.lanes; ++row)
      for (unsigned h = 0; h < t.bytes / 16; ++h) {
        const std::uint32_t address = d.k_major(int(row), int(h));
        c->check_range(address, 16, "tcgen05.cp", op.site);
        cluster_.access(*cluster_.cta[c->rank], address, 16, false, true, op.access.self, op.clocks);
        for (unsigned l = row; l < kLanes; l += t.lanes)
          std::memcpy(&word(*c, l, first + h * 4), c->arena + address, 16);
      }
  }
}

}  // namespace simt
