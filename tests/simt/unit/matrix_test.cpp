// Fragments of ldmatrix, stmatrix and mma.sync, written out per lane from the PTX ISA.
#include <gtest/gtest.h>

#include <bit>

#include "tests/simt/unit/one_instruction.h"

namespace simt::test {
namespace {

struct Coordinate {
  int row, column;
};

// "The layout of the fragments held by different threads", PTX ISA, with groupID = lane >> 2 and
// threadID_in_group = lane % 4; i is the element's index in the fragment.
Coordinate a_of_16_bit(int lane, int i) {  // m16n8k16: a0..a7
  const int group = lane >> 2, thread = lane % 4;
  const bool upper = i < 2 || (i >= 4 && i < 6);
  return {upper ? group : group + 8, thread * 2 + (i & 1) + (i >= 4 ? 8 : 0)};
}
Coordinate b_of_16_bit(int lane, int i) {  // b0..b3
  return {lane % 4 * 2 + (i & 1) + (i >= 2 ? 8 : 0), lane >> 2};
}
Coordinate a_of_tf32(int lane, int i) {  // m16n8k8: a0..a3
  return {i == 0 || i == 2 ? lane >> 2 : (lane >> 2) + 8, i < 2 ? lane % 4 : lane % 4 + 4};
}
Coordinate b_of_tf32(int lane, int i) { return {i == 0 ? lane % 4 : lane % 4 + 4, lane >> 2}; }
Coordinate c_of(int lane, int i) { return {i < 2 ? lane >> 2 : (lane >> 2) + 8, lane % 4 * 2 + (i & 1)}; }

using Fragments = std::vector<std::uint32_t>;  // [lane][register]

/// d = mma(a, b, c) for one warp; `instruction` is the whole opcode.
std::vector<float> run_mma(const std::string& opcode, const Fragments& a, const Fragments& b,
                           const std::vector<float>& c) {
  const std::size_t na = a.size() / 32, nb = b.size() / 32;
  std::string body, list_a, list_b;
  const auto load = [&](const char* pointer, const char* type, const char* reg, std::size_t n, std::size_t first) {
    std::string list;
    body += std::string("mad.wide.u32 %") + pointer + ", %lane, " + std::to_string(4 * n) + ", %" + pointer + ";\n";
    for (std::size_t r = 0; r < n; ++r) {
      const std::string name = reg + std::to_string(first + r);
      body += std::string("ld.global") + type + " " + name + ", [%" + pointer + "+" + std::to_string(4 * r) + "];\n";
      list += (r ? ", " : "") + name;
    }
    return list;
  };
  list_a = load("a", ".b32", "%r", na, 0), list_b = load("b", ".b32", "%r", nb, 8);
  const std::string list_c = load("c", ".f32", "%f", 4, 0);
  body += "mad.wide.u32 %out, %lane, 16, %out;\n" + opcode + " {%f4, %f5, %f6, %f7}, {" + list_a + "}, {" + list_b +
          "}, {" + list_c + "};\nst.global.v4.f32 [%out], {%f4, %f5, %f6, %f7};";
  const ptx::Module module(ptx_kernel({"out", "a", "b", "c"}, body));
  DeviceHeap heap;
  float* d = heap.poisoned<float>(128);
  Options options;
  options.heap = &heap;
  launch(module.kernel("unit"), {{}, {32, 1, 1}, 0, {}}, options, d, heap.upload(a), heap.upload(b), heap.upload(c));
  return heap.download(d, 128);
}

int small(int row, int column, int salt) { return (row * 7 + column * 3 + salt) % 9 - 4; }  // exact in every type

struct MmaCase {
  const char* opcode;
  int k, elements_a, elements_b, per_register;
  Coordinate (*a)(int, int);
  Coordinate (*b)(int, int);
  std::uint32_t (*encode)(float);
};

const MmaCase kMmaCases[] = {
    {"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", 16, 8, 4, 2, a_of_16_bit, b_of_16_bit,
     [](float f) { return std::bit_cast<std::uint32_t>(f) >> 16; }},
    {"mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", 16, 8, 4, 2, a_of_16_bit, b_of_16_bit,
     [](float f) { return std::uint32_t(std::bit_cast<std::uint16_t>(_Float16(f))); }},
    {"mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32", 8, 4, 2, 2, a_of_16_bit, b_of_16_bit,
     [](float f) { return std::uint32_t(std::bit_cast<std::uint16_t>(_Float16(f))); }},
    {"mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", 8, 4, 2, 1, a_of_tf32, b_of_tf32,
     [](float f) { return std::bit_cast<std::uint32_t>(f) | 0x1abc; }},  // the low 13 bits must not matter
};

TEST(Mma, FragmentsAreWhereThePtxIsaSays) {
  for (const auto& m : kMmaCases) {
    Fragments a(std::size_t(32 * m.elements_a / m.per_register)), b(std::size_t(32 * m.elements_b / m.per_register));
    std::vector<float> c(128);
    const auto fill = [&](Fragments& f, int elements, Coordinate (*where)(int, int), int salt) {
      for (int lane = 0; lane < 32; ++lane)
        for (int i = 0; i < elements; ++i) {
          const auto [row, column] = where(lane, i);
          f[std::size_t((lane * elements + i) / m.per_register)] |= m.encode(float(small(row, column, salt)))
                                                                    << 16 * (i % m.per_register);
        }
    };
    fill(a, m.elements_a, m.a, 1), fill(b, m.elements_b, m.b, 2);
    for (int lane = 0; lane < 32; ++lane)
      for (int i = 0; i < 4; ++i)
        c[std::size_t(lane * 4 + i)] = float(small(c_of(lane, i).row, c_of(lane, i).column, 3));
    const auto d = run_mma(m.opcode, a, b, c);
    for (int lane = 0; lane < 32; ++lane)
      for (int i = 0; i < 4; ++i) {
        const auto [row, column] = c_of(lane, i);
        int sum = small(row, column, 3);
        for (int k = 0; k < m.k; ++k) sum += small(row, k, 1) * small(k, column, 2);
        EXPECT_EQ(d[std::size_t(lane * 4 + i)], float(sum)) << m.opcode << " (" << row << ", " << column << ")";
      }
  }
}

/// Shared memory holds 4 matrices of 8 rows of 8 elements, element = its index; lane l addresses row l.
std::vector<std::uint32_t> run_ldmatrix(int matrices, bool trans) {
  std::string body =
      ".shared .align 16 .b8 buffer[512];\nmov.u32 %r0, buffer;\nshl.b32 %r1, %lane, 4;\nadd.u32 %r2, %r0, %r1;\n"
      "shl.b32 %r3, %lane, 3;\n";
  for (int pair = 0; pair < 4; ++pair)  // elements 8 lane + 2 pair and the next
    body += "add.u32 %r4, %r3, " + std::to_string(2 * pair) +
            ";\nadd.u32 %r5, %r4, 1;\nshl.b32 %r5, %r5, 16;\nor.b32 %r4, %r4, %r5;\n"
            "st.shared.b32 [%r2+" +
            std::to_string(4 * pair) + "], %r4;\n";
  std::string registers;
  for (int r = 0; r < matrices; ++r) registers += (r ? ", %r" : "%r") + std::to_string(10 + r);
  body += "bar.warp.sync -1;\nldmatrix.sync.aligned.m8n8.x" + std::to_string(matrices) + (trans ? ".trans" : "") +
          ".shared.b16 {" + registers + "}, [%r2];\nmad.wide.u32 %out, %lane, 16, %out;\n";
  for (int r = 0; r < matrices; ++r)
    body += "st.global.b32 [%out+" + std::to_string(4 * r) + "], %r" + std::to_string(10 + r) + ";\n";
  const ptx::Module module(ptx_kernel({"out"}, body));
  DeviceHeap heap;
  auto* out = heap.poisoned<std::uint32_t>(128);
  Options options;
  options.heap = &heap;
  launch(module.kernel("unit"), {{}, {32, 1, 1}, 0, {}}, options, out);
  return heap.download(out, 128);
}

TEST(Ldmatrix, LaneHoldsTwoNeighboursOfOneRow) {
  for (const bool trans : {false, true})
    for (const int matrices : {1, 2, 4}) {
      const auto out = run_ldmatrix(matrices, trans);
      for (int lane = 0; lane < 32; ++lane)
        for (int m = 0; m < matrices; ++m)
          for (int h = 0; h < 2; ++h) {
            const int row = lane / 4, column = lane % 4 * 2 + h;
            const int expected = m * 64 + (trans ? column * 8 + row : row * 8 + column);
            EXPECT_EQ(out[std::size_t(lane * 4 + m)] >> 16 * h & 0xffff, std::uint32_t(expected))
                << "x" << matrices << " lane " << lane;
          }
    }
}

TEST(Stmatrix, IsTheInverseOfLdmatrix) {
  for (const bool trans : {false, true}) {
    const std::string t = trans ? ".trans" : "";
    const ptx::Module module(ptx_kernel(
        {"out"},
        ".shared .align 16 .b8 buffer[512];\nmov.u32 %r0, buffer;\nshl.b32 %r1, %lane, 4;\nadd.u32 %r2, %r0, %r1;\n"
        "shl.b32 %r4, %lane, 8;\nadd.u32 %r5, %r4, 0x10001;\nadd.u32 %r6, %r4, 0x20002;\nadd.u32 %r7, %r4, 0x30003;\n"
        "stmatrix.sync.aligned.m8n8.x4" +
            t +
            ".shared.b16 [%r2], {%r4, %r5, %r6, %r7};\nbar.warp.sync -1;\n"
            "ldmatrix.sync.aligned.m8n8.x4" +
            t +
            ".shared.b16 {%r8, %r9, %r10, %r11}, [%r2];\n"
            "mad.wide.u32 %out, %lane, 16, %out;\nst.global.v4.b32 [%out], {%r8, %r9, %r10, %r11};"));
    DeviceHeap heap;
    auto* out = heap.poisoned<std::uint32_t>(128);
    Options options;
    options.heap = &heap;
    launch(module.kernel("unit"), {{}, {32, 1, 1}, 0, {}}, options, out);
    for (std::uint32_t lane = 0; lane < 32; ++lane)
      for (std::uint32_t r = 0; r < 4; ++r) EXPECT_EQ(out[lane * 4 + r], (lane << 8) + r * 0x10001);
  }
}

}  // namespace
}  // namespace simt::test
