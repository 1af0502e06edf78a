// wgmma: asynchronous 64 x n products of a warpgroup, operands by descriptor or from registers; setmaxnreg.
#include <algorithm>

#include "tests/simt/machine/cluster.h"
#include "tests/simt/machine/matrix_layout.h"

namespace simt {
namespace {

constexpr int kMaxN = 256, kMaxK = 32;

/// A shared-memory matrix descriptor of sm_90, taken apart.
struct MatrixDescriptor : MatrixLayout {
  unsigned base_offset;

  explicit MatrixDescriptor(std::uint64_t d) : MatrixLayout(d), base_offset(d >> 49 & 7) {
    static constexpr Swizzle kModes[] = {Swizzle::None, Swizzle::B128, Swizzle::B64, Swizzle::B32};
    static constexpr std::uint32_t kSpans[] = {16, 128, 64, 32};
    swizzle = kModes[d >> 62], span = kSpans[d >> 62];
  }
};

/// Accumulator i of thread `lane`: its place in the row-major 64 x n tile.
int accumulator_index(int lane, int i, int n) {
  return (lane / 32 * 16 + lane % 32 / 4 + i / 2 % 2 * 8) * n + i / 4 * 8 + lane % 4 * 2 + i % 2;
}

}  // namespace

void Cta::wgmma_fence(unsigned wg) { wg_[wg].fenced = true; }

/// The operation is ordered only after what every warp of the group has seen.
void Cta::order_wgmma(unsigned wg, WgmmaOp& op) {
  if (!wg_[wg].fenced)
    throw Error(Fault::Async,
                "wgmma.mma_async with no wgmma.fence since the last wgmma.wait_group, at " + symbolise(op.site));
  if (!cluster.opt.racecheck) return;
  op.clk = cluster.clocks(cluster.agent(*this, wg * 128));
  for (unsigned warp = 1; warp < 4; ++warp) {
    const Clocks& k = cluster.clocks(cluster.agent(*this, wg * 128 + warp * 32));
    for (std::size_t i = 0; i < k.seen.size(); ++i) {
      op.clk.seen[i] = std::min(op.clk.seen[i], k.seen[i]);
      op.clk.proxy[i] = std::min(op.clk.proxy[i], k.proxy[i]);
    }
  }
  for (unsigned l = 0; l < 128; ++l) {
    const unsigned a = cluster.agent(*this, wg * 128 + l);
    ++cluster.clocks(a).seen[a];
  }
}

void Cta::wgmma(unsigned wg, const Wgmma& w, Site s) {
  WgmmaOp op{w, {}, s};
  order_wgmma(wg, op);
  perform(wg, op);
  wg_[wg].groups.open.push_back(std::move(op));
}

void Cta::gather(unsigned wg, std::uint64_t desc, MmaType type, bool mn_major, int extent, float sign, float* out,
                 const WgmmaOp& op, const char* which) {
  const MatrixDescriptor d(desc);
  const int element = bytes(type), per_chunk = 16 / element, depth = op.w.k();
  if (d.base_offset)
    throw Error(Fault::Unsupported, "wgmma descriptor with a non-zero base offset, at " + symbolise(op.site));
  if (!d.starts_in_first_row())
    throw Error(Fault::Descriptor,
                format("%s descriptor starts at 0x%x, not at row 0 of its %u-byte swizzle pattern, at %s", which,
                       d.start, d.span, symbolise(op.site).c_str()));
  const Epoch self{cluster.wgmma_agent(*this, wg), wg_[wg].groups.committed + 1, op.site};
  const auto chunk = [&](std::uint32_t address, auto store) {  // store(index in the chunk, value)
    check_range(address, 16, which, op.site);
    cluster.access(*this, address, 16, false, true, self, op.clk);
    for (int j = 0; j < per_chunk; ++j) {
      std::uint32_t bits = 0;
      std::memcpy(&bits, arena + address + j * element, std::size_t(element));
      store(j, sign * mma_element(type, bits));
    }
  };
  if (!mn_major) {
    for (int mn = 0; mn < extent; ++mn)
      for (int h = 0; h < 2; ++h)  // 32 bytes of k in two chunks
        chunk(d.k_major(mn, h), [&](int j, float v) { out[mn * depth + h * per_chunk + j] = v; });
    return;
  }
  for (int k = 0; k < depth; ++k)
    for (int mn = 0; mn < extent; mn += per_chunk)
      chunk(d.mn_major(mn, k, element), [&](int j, float v) { out[(mn + j) * depth + k] = v; });
}

void Cta::perform(unsigned wg, const WgmmaOp& op) {
  const Wgmma& w = op.w;
  const int depth = w.k(), per = 4 / bytes(w.a_type);
  float a[64 * kMaxK], b[kMaxN * kMaxK], transposed[kMaxK * kMaxN];
  std::vector<float> d(std::size_t(64 * w.n));
  if (w.a_in_regs) {
    for (int l = 0; l < 128; ++l)
      for (int r = 0; r < 4; ++r)
        for (int e = 0; e < per; ++e) {
          const int row = l / 32 * 16 + l % 32 / 4 + r % 2 * 8, k = r / 2 * 4 * per + l % 4 * per + e;
          a[row * depth + k] = float(w.neg_a) * mma_element(w.a_type, w.a[l][r] >> 8 * bytes(w.a_type) * e);
        }
  } else {
    gather(wg, w.desc_a, w.a_type, w.tnsp_a, 64, float(w.neg_a), a, op, "wgmma A");
  }
  gather(wg, w.desc_b, w.b_type, w.tnsp_b, w.n, float(w.neg_b), b, op, "wgmma B");
  for (int j = 0; j < w.n; ++j)
    for (int k = 0; k < depth; ++k) transposed[k * w.n + j] = b[j * depth + k];
  for (int l = 0; w.scale_d && l < 128; ++l)
    for (int i = 0; i < w.n / 2; ++i) d[std::size_t(accumulator_index(l, i, w.n))] = w.d[l][i];
  multiply_add(d.data(), a, transposed, 64, w.n, depth);
  for (int l = 0; l < 128; ++l)
    for (int i = 0; i < w.n / 2; ++i) w.d[l][i] = d[std::size_t(accumulator_index(l, i, w.n))];
}

void Cta::wgmma_commit(unsigned wg) {
  auto& g = wg_[wg].groups;
  g.closed.push_back(std::move(g.open));
  g.open.clear();
  ++g.committed;
}

void Cta::wgmma_wait(unsigned wg, unsigned pending) {
  WgState& st = wg_[wg];
  auto& g = st.groups;
  while (g.closed.size() > pending) {
    const Clock finished = Clock(g.committed - g.closed.size()) + 1;
    g.closed.pop_front();
    if (!cluster.opt.racecheck) continue;
    for (unsigned l = 0; l < 128; ++l)
      cluster.clocks(cluster.agent(*this, wg * 128 + l)).seen[cluster.wgmma_agent(*this, wg)] = finished;
  }
  st.fenced = false;
}

bool Cta::setmaxnreg(unsigned wg, unsigned regs, Site s) {
  if (regs % 8 || regs < 24 || regs > 256)
    throw Error(Fault::Registers, format("setmaxnreg %u, at %s", regs, symbolise(s).c_str()));
  WgState& st = wg_[wg];
  if (regs <= st.regs) {
    free_regs_ += (st.regs - regs) * 128, st.regs = regs;
    ++cluster.version;
    return true;
  }
  if ((regs - st.regs) * 128 > free_regs_) return false;
  free_regs_ -= (regs - st.regs) * 128, st.regs = regs;
  return true;
}

}  // namespace simt
