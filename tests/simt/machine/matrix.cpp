// ldmatrix and stmatrix: 8x8 matrices of 16-bit elements, one row address per lane.
#include "tests/simt/machine/cluster.h"

namespace simt {
namespace {

void check_row(std::uint32_t addr, int lane, const char* what, Site s) {
  if (addr % 16)
    throw Error(Fault::Misaligned,
                format("%s row address 0x%x, lane %d, at %s", what, addr, lane, symbolise(s).c_str()));
}

}  // namespace

void Cta::ldmatrix(unsigned warp, const std::uint32_t (&addr)[32], int n, bool trans, std::uint32_t (&out)[32][4],
                   Site s) {
  std::uint16_t m[4][8][8];
  for (int i = 0; i < n; ++i) {
    count_bank_conflicts(addr, 16, 0xffu << 8 * i);
    for (int r = 0; r < 8; ++r) {
      const std::uint32_t a = addr[i * 8 + r];
      check_row(a, i * 8 + r, "ldmatrix", s);
      read(warp * 32 + i * 8 + r, a, 16, s);
      std::memcpy(m[i][r], arena + a, 16);
    }
  }
  for (int l = 0; l < 32; ++l)
    for (int i = 0; i < n; ++i) {
      const int r = l / 4, c = l % 4 * 2;
      out[l][i] =
          trans ? m[i][c][r] | std::uint32_t(m[i][c + 1][r]) << 16 : m[i][r][c] | std::uint32_t(m[i][r][c + 1]) << 16;
    }
}

void Cta::stmatrix(unsigned warp, const std::uint32_t (&addr)[32], int n, bool trans, const std::uint32_t (&in)[32][4],
                   Site s) {
  for (int i = 0; i < n; ++i) {
    std::uint16_t m[8][8];
    for (int l = 0; l < 32; ++l)
      for (int h = 0; h < 2; ++h) {
        const int row = l / 4, column = l % 4 * 2 + h;
        (trans ? m[column][row] : m[row][column]) = std::uint16_t(in[l][i] >> 16 * h);
      }
    count_bank_conflicts(addr, 16, 0xffu << 8 * i);
    for (int r = 0; r < 8; ++r) {
      const std::uint32_t a = addr[i * 8 + r];
      check_row(a, i * 8 + r, "stmatrix", s);
      write(warp * 32 + i * 8 + r, a, 16, s);
      std::memcpy(arena + a, m[r], 16);
    }
  }
}

}  // namespace simt
