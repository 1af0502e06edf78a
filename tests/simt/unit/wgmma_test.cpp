// wgmma on 8-bit operands: layouts written out from the PTX ISA, values from the format's definition.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "tests/simt/unit/one_instruction.h"

namespace simt::test {
namespace {

TEST(SmallFloat, HasTheValuesTheFormatsDefine) {
  const std::map<int, float> e4m3 = {{0x00, 0},   {0x01, 0x1p-9f}, {0x07, 7 * 0x1p-9f}, {0x08, 0x1p-6f},
                                     {0x38, 1},   {0x39, 1.125},   {0xb8, -1},          {0x40, 2},
                                     {0x7e, 448}, {0xfe, -448},    {0x78, 256}};
  for (const auto& [bits, value] : e4m3) EXPECT_EQ(small_to_f32(kE4m3, std::uint32_t(bits)), value) << bits;
  const std::map<int, float> e5m2 = {{0x00, 0},        {0x01, 0x1p-16f}, {0x03, 3 * 0x1p-16f}, {0x04, 0x1p-14f},
                                     {0x3c, 1},        {0x3d, 1.25},     {0xbc, -1},           {0x7b, 57344},
                                     {0x7c, INFINITY}, {0xfc, -INFINITY}};
  for (const auto& [bits, value] : e5m2) EXPECT_EQ(small_to_f32(kE5m2, std::uint32_t(bits)), value) << bits;
  const float e2m1[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  for (std::uint32_t bits = 0; bits < 16; ++bits)
    EXPECT_EQ(small_to_f32(kE2m1, bits), bits < 8 ? e2m1[bits] : -e2m1[bits - 8]) << bits;
  for (std::uint32_t bits = 0; bits < 256; ++bits) {
    EXPECT_EQ(std::isnan(small_to_f32(kE4m3, bits)), (bits & 0x7f) == 0x7f) << bits;
    EXPECT_EQ(std::isnan(small_to_f32(kE5m2, bits)), (bits & 0x7f) > 0x7c) << bits;
  }
  for (std::uint32_t bits = 1; bits < 0x7c; ++bits) {  // the encodings are in the order of the values
    EXPECT_LT(small_to_f32(kE4m3, bits - 1), small_to_f32(kE4m3, bits)) << bits;
    EXPECT_LT(small_to_f32(kE5m2, bits - 1), small_to_f32(kE5m2, bits)) << bits;
  }
  EXPECT_EQ(e8m0_to_f32(127), 1.0f);
  EXPECT_EQ(e8m0_to_f32(0), 0x1p-127f);
  EXPECT_EQ(e8m0_to_f32(254), 0x1p127f);
  EXPECT_TRUE(std::isnan(e8m0_to_f32(255)));
}

/// An 8-bit format, and numbers small enough that their products sum exactly.
struct Format {
  const char* name;
  std::vector<std::pair<std::uint8_t, float>> numbers;
};
const Format kFormats[] = {
    {"e4m3",
     {{0x00, 0}, {0x38, 1}, {0xb8, -1}, {0x39, 1.125}, {0xbf, -1.875}, {0x46, 3.5}, {0xc8, -4}, {0x04, 0x1p-7f}}},
    {"e5m2", {{0x00, 0}, {0x3c, 1}, {0xbc, -1}, {0x3d, 1.25}, {0xbf, -1.75}, {0x47, 7}, {0xc4, -4}, {0x20, 0x1p-7f}}},
};

struct Matrix {  // [rows][32], as bytes and as values
  std::vector<std::uint8_t> bytes;
  std::vector<float> values;
};
Matrix random_matrix(const Format& format, int rows, unsigned seed) {
  std::mt19937 generator(seed);
  Matrix m;
  for (int i = 0; i < rows * 32; ++i) {
    const auto& [bits, value] = format.numbers[generator() % format.numbers.size()];
    m.bytes.push_back(bits), m.values.push_back(value);
  }
  return m;
}

/// Without a swizzle, k-major: core matrices of 8 rows of 16 bytes; two of them along k 128 bytes apart (leading
/// dimension), groups of 8 rows 256 bytes apart (stride).
std::vector<std::uint8_t> core_matrices(const Matrix& m) {
  std::vector<std::uint8_t> out(m.bytes.size());
  for (std::size_t row = 0; row < m.bytes.size() / 32; ++row)
    for (std::size_t k = 0; k < 32; ++k)
      out[row / 8 * 256 + k / 16 * 128 + row % 8 * 16 + k % 16] = m.bytes[row * 32 + k];
  return out;
}

/// "Register fragments of wgmma.mma_async.m64nNk32", PTX ISA: element i of 16 in each thread.
std::vector<std::uint8_t> register_fragments(const Matrix& m) {
  std::vector<std::uint8_t> out(m.bytes.size());
  for (std::size_t thread = 0; thread < 128; ++thread)
    for (std::size_t i = 0; i < 16; ++i) {
      const std::size_t group = thread % 32 / 4;
      const std::size_t row = thread / 32 * 16 + group + (i / 4 % 2 == 1 ? 8 : 0);
      const std::size_t k = thread % 4 * 4 + i % 4 + (i >= 8 ? 16 : 0);
      out[thread * 16 + i] = m.bytes[row * 32 + k];
    }
  return out;
}

std::string list(const char* name, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += (i ? ", " : "") + (name + std::to_string(i));
  return "{" + text + "}";
}

/// d [128 threads][n / 2] = c + a b^T by one wgmma; c is 3 in every element.
std::vector<float> run_wgmma(const std::string& types, int n, bool registers, const Matrix& a, const Matrix& b) {
  // Shared memory: a's 2048 bytes, then b's n * 32; thread t copies 16 bytes of a and, where there are as many, of b.
  std::string body = ".shared .align 128 .b8 buffer[10240];\n.reg .f32 %acc<128>;\n.reg .b64 %da, %db;\n";
  body += "mov.u32 %r0, buffer;\nshl.b32 %r1, %lane, 4;\nmul.wide.u32 %offset, %lane, 16;\n";
  body += "add.s64 %rd0, %a, %offset;\nadd.s64 %rd1, %b, %offset;\nadd.u32 %r2, %r0, %r1;\n";
  body += "ld.global.v4.b32 {%r4, %r5, %r6, %r7}, [%rd0];\n";
  if (!registers) body += "st.shared.v4.b32 [%r2], {%r4, %r5, %r6, %r7};\n";
  for (int first = 0; first < n * 2; first += 128)  // 16-byte pieces of b
    body += "add.u32 %r3, %lane, " + std::to_string(first) + ";\nsetp.lt.u32 %p1, %r3, " + std::to_string(n * 2) +
            ";\n@%p1 ld.global.v4.b32 {%r8, %r9, %r10, %r11}, [%rd1+" + std::to_string(first * 16) +
            "];\n@%p1 st.shared.v4.b32 [%r2+" + std::to_string(2048 + first * 16) + "], {%r8, %r9, %r10, %r11};\n";
  body += "fence.proxy.async;\nbar.sync 0;\n";
  for (int i = 0; i < n / 2; ++i) body += "mov.f32 %acc" + std::to_string(i) + ", 0f40400000;\n";  // 3
  const std::string fields = std::to_string(std::uint64_t(256 >> 4) << 32 | std::uint64_t(128 >> 4) << 16);
  body += "shr.u32 %r12, %r0, 4;\nadd.u32 %r13, %r12, 128;\ncvt.u64.u32 %da, %r12;\ncvt.u64.u32 %db, %r13;\n";
  body += "or.b64 %da, %da, " + fields + ";\nor.b64 %db, %db, " + fields + ";\n";
  body += "setp.eq.u32 %p0, 0, 0;\nwgmma.fence.sync.aligned;\nwgmma.mma_async.sync.aligned.m64n" + std::to_string(n) +
          "k32.f32." + types + " " + list("%acc", n / 2) + ", " + (registers ? "{%r4, %r5, %r6, %r7}" : "%da") +
          ", %db, %p0, 1, 1;\nwgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n";
  body += "mul.wide.u32 %offset, %lane, " + std::to_string(n * 2) + ";\nadd.s64 %out, %out, %offset;\n";
  for (int i = 0; i < n / 2; ++i)
    body += "st.global.f32 [%out+" + std::to_string(4 * i) + "], %acc" + std::to_string(i) + ";\n";
  const ptx::Module module(ptx_kernel({"out", "a", "b"}, body));
  DeviceHeap heap;
  float* d = heap.poisoned<float>(std::size_t(64 * n));
  Options options;
  options.heap = &heap;
  launch(module.kernel("unit"), {{}, {128, 1, 1}, 0, {}}, options, d,
         heap.upload(registers ? register_fragments(a) : core_matrices(a)), heap.upload(core_matrices(b)));
  return heap.download(d, std::size_t(64 * n));
}

TEST(Wgmma, MultipliesEveryPairOf8BitTypes) {
  for (const Format& fa : kFormats)
    for (const Format& fb : kFormats)
      for (const bool registers : {false, true})
        for (const int n : {8, 24, 256}) {
          const std::string types = std::string(fa.name) + "." + fb.name;
          const Matrix a = random_matrix(fa, 64, 1), b = random_matrix(fb, n, 2);
          const auto d = run_wgmma(types, n, registers, a, b);
          int wrong = 0;
          for (int thread = 0; thread < 128; ++thread)
            for (int i = 0; i < n / 2; ++i) {  // the accumulator fragment of every wgmma
              const int row = thread / 32 * 16 + thread % 32 / 4 + (i % 4 >= 2 ? 8 : 0);
              const int column = i / 4 * 8 + thread % 4 * 2 + i % 2;
              double sum = 3;
              for (int k = 0; k < 32; ++k)
                sum += double(a.values[std::size_t(row * 32 + k)]) * double(b.values[std::size_t(column * 32 + k)]);
              wrong += d[std::size_t(thread * (n / 2) + i)] != float(sum);
            }
          EXPECT_EQ(wrong, 0) << types << " n " << n << (registers ? " registers" : " shared");
        }
}

TEST(Wgmma, RefusesWhatTheHardwareHasNot) {
  const auto accepted = [](const std::string& shape_and_types, const std::string& immediates) {
    const std::string body = ".reg .f32 %acc<4>;\nwgmma.mma_async.sync.aligned." + shape_and_types +
                             " {%acc0, %acc1, %acc2, %acc3}, %rd0, %rd1, %p0, " + immediates + ";";
    try {
      const ptx::Module module(ptx_kernel({"out"}, body));
      return true;
    } catch (const Error& e) {
      EXPECT_EQ(e.fault, Fault::Unsupported);
      return false;
    }
  };
  EXPECT_TRUE(accepted("m64n8k32.f32.e4m3.e5m2", "1, 1"));
  EXPECT_TRUE(accepted("m64n8k16.f32.bf16.bf16", "1, 1, 0, 1"));
  EXPECT_FALSE(accepted("m64n8k32.f32.e4m3.e4m3", "1, 1, 0, 0"));  // 8-bit operands are k-major only
  EXPECT_FALSE(accepted("m64n8k16.f32.e4m3.e4m3", "1, 1"));
  EXPECT_FALSE(accepted("m64n8k32.f32.e4m3.bf16", "1, 1"));
  EXPECT_FALSE(accepted("m64n8k16.f32.bf16.f16", "1, 1, 0, 0"));
  EXPECT_FALSE(accepted("m64n12k32.f32.e4m3.e4m3", "1, 1"));
}

}  // namespace
}  // namespace simt::test
