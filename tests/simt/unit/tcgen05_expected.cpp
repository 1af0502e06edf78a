#include "tests/simt/unit/tcgen05_expected.h"

#include <algorithm>
#include <random>

namespace simt::test {
namespace {

std::vector<double> random_numbers(int count, unsigned seed) {
  static constexpr double kValues[] = {0, 0.5, 1, 1.5, 2, 3, -0.5, -1, -1.5, -2, -3, 4};
  std::mt19937 generator(seed);
  std::vector<double> v(static_cast<std::size_t>(count));
  for (auto& x : v) x = kValues[generator() % (sizeof kValues / sizeof *kValues)];
  return v;
}

class ScaleTile {  // 128 x 4 tiles, one after another along the rows
 public:
  ScaleTile(int rows, const Case& c, unsigned seed) : case_(c), bytes_(std::size_t((rows + 127) / 128 * 512), 0x55) {
    std::mt19937 generator(seed);
    values_.resize(std::size_t(rows * c.scale_vector));
    for (int r = 0; r < rows; ++r)
      for (int v = 0; v < c.scale_vector; ++v) {
        const double value = std::ldexp(1.0, int(generator() % 4) - 1);  // 0.5 to 4
        values_[std::size_t(r * c.scale_vector + v)] = value;
        bytes_[std::size_t(r / 128 * 512 + r % 32 * 16 + r / 32 % 4 * 4 + c.scale_byte + v)] =
            static_cast<unsigned char>(c.scale_is_e8m0 ? 127 + std::ilogb(value) : encode(kFp8E4m3, value));
      }
  }
  double of(int row, int k, int depth) const {
    return case_.scale_vector ? values_[std::size_t(row * case_.scale_vector + k * case_.scale_vector / depth)] : 1;
  }
  const std::vector<unsigned char>& bytes() const { return bytes_; }

 private:
  const Case& case_;
  std::vector<unsigned char> bytes_;
  std::vector<double> values_;
};

/// Shared memory of one CTA: its rows of A, its part of B's columns, its scale factors.
struct Parts {
  Operand a, b;
  int b_start, scale_a_start, scale_b_start, bytes;
  explicit Parts(const Case& c, int depth)
      : a{c.a, c.m / c.ctas, depth, c.format.bits}, b{c.b, c.n / c.ctas, depth, c.format.bits} {
    b_start = a.bytes(), scale_a_start = b_start + b.bytes();
    scale_b_start = scale_a_start + 512, bytes = scale_b_start + 1024;
  }
};

Product product(const Case& c, const Parts& parts) {
  Product p{};
  p.a = parts.a.descriptor(0), p.b = parts.b.descriptor(parts.b_start);
  p.a_step = parts.a.step(), p.b_step = parts.b.step();
  p.instruction = c.format.code << 7 | c.format.code << 10 | (c.sign_a < 0 ? 1u << 13 : 0) |
                  (c.sign_b < 0 ? 1u << 14 : 0) | unsigned(c.a.mn_major) << 15 | unsigned(c.b.mn_major) << 16 |
                  unsigned(c.n / 8) << 17 | unsigned(c.m / 16) << 24;
  p.instruction |= c.scale_vector
                       ? unsigned(c.scale_is_e8m0) << 23 | unsigned(c.scale_byte) << 29 | unsigned(c.scale_byte) << 4
                       : 1u << 4;
  p.scale_a = unsigned(parts.scale_a_start), p.scale_b = unsigned(parts.scale_b_start);
  p.b_scale_tiles = (c.n + 127) / 128, p.bytes = parts.bytes;
  p.steps = c.steps, p.columns = c.ctas == 2 && c.m == 128 ? c.n / 2 : c.n, p.accumulate = c.accumulate;
  return p;
}

}  // namespace

std::array<int, 3> result_place(const Case& c, int row, int column) {
  const int rows = c.m / c.ctas, cta = row / rows, r = row % rows;
  if (c.m == 64) return {cta, r / 16 * 32 + r % 16, column};
  if (rows == 64) return {cta, r + (column < c.n / 2 ? 0 : 64), column % (c.n / 2)};
  return {cta, r, column};
}

Prepared prepare(const Case& c) {
  const int depth = 256 / c.format.bits * c.steps, rows = c.m / c.ctas, columns = c.n / c.ctas;
  const Parts parts(c, depth);
  const auto A = random_numbers(c.m * depth, 1), B = random_numbers(c.n * depth, 2);
  std::vector<ScaleTile> scale_a;
  for (int cta = 0; cta < c.ctas; ++cta) scale_a.emplace_back(rows, c, 3 + cta);
  const ScaleTile scale_b(c.n, c, 9);
  Prepared out{product(c, parts), {}, {}};
  for (int cta = 0; cta < c.ctas; ++cta) {
    std::vector<unsigned char> image(static_cast<std::size_t>(parts.bytes), 0);
    for (int k = 0; k < depth; ++k) {
      for (int r = 0; r < rows; ++r)
        put(image, parts.a.place(r, k), c.format.bits, encode(c.format, A[std::size_t((cta * rows + r) * depth + k)]));
      for (int j = 0; j < columns; ++j) {
        auto place = parts.b.place(j, k);
        place.first += parts.b_start;
        put(image, place, c.format.bits, encode(c.format, B[std::size_t((cta * columns + j) * depth + k)]));
      }
    }
    if (c.scale_vector) {
      const auto &sa = scale_a[std::size_t(cta)].bytes(), &sb = scale_b.bytes();
      std::copy(sa.begin(), sa.end(), image.begin() + parts.scale_a_start);
      std::copy(sb.begin(), sb.end(), image.begin() + parts.scale_b_start);
    }
    out.image.insert(out.image.end(), image.begin(), image.end());
  }
  for (int r = 0; r < c.m; ++r)
    for (int j = 0; j < c.n; ++j) {
      const auto place = result_place(c, r, j);
      double sum = c.accumulate ? place[1] + place[2] : 0;  // what the kernel stores first: lane + column
      for (int k = 0; k < depth; ++k)
        sum += c.sign_a * A[std::size_t(r * depth + k)] * scale_a[std::size_t(r / rows)].of(r % rows, k, depth) *
               c.sign_b * B[std::size_t(j * depth + k)] * scale_b.of(j, k, depth);
      out.expected.push_back(sum);
    }
  return out;
}

// ---------------------------------------------------------------- lists
namespace {

Case make(const char* kernel, const Format& format, int m, int n, int steps, const Layout& a, const Layout& b) {
  const std::string name = std::string(kernel) + " " + format.name + " " + std::to_string(m) + "x" + std::to_string(n) +
                           " " + a.name + " " + b.name;
  return {name, kernel, format, m, n, steps, m == 256 ? 2 : 1, a, b};
}
const Layout &kK128 = kLayouts[0], &kK64 = kLayouts[1], &kK32 = kLayouts[2], &kMn128 = kLayouts[4];

}  // namespace

std::vector<Case> layout_cases() {
  std::vector<Case> cases;
  for (const Layout& l : kLayouts)
    for (const Format& f : {kBf16, kFp8E4m3}) {
      const int steps = l.mn_major || !l.mode ? 2 : l.span / 32;  // swizzled K-major rows are one span long
      cases.push_back(make(f.bits == 16 ? "product_f16" : "product_f8f6f4", f, 128, 128, steps, l, l));
    }
  cases.push_back(make("product_f16", kBf16, 128, 64, 4, kMn128, kK128));
  cases.push_back(make("product_f16", kBf16, 128, 64, 4, kK128, kMn128));
  return cases;
}

std::vector<Case> shape_cases() {
  std::vector<Case> cases;
  for (const auto& [m, n] : {std::pair{128, 16}, {128, 256}, {64, 8}, {64, 136}})
    for (const int variant : {0, 1, 2}) {
      Case c = make("product_f16", kBf16, m, n, 2, kK64, kK64);
      c.accumulate = variant && m == 128, c.sign_a = variant ? -1 : 1, c.sign_b = variant == 2 ? -1 : 1;
      c.name += variant == 0 ? "" : variant == 1 ? " D - AB" : " D + (-A)(-B)";
      cases.push_back(c);
    }
  return cases;
}

std::vector<Case> format_cases() {
  return {make("product_f16", kF16, 128, 48, 4, kK128, kK128),
          make("product_f8f6f4", kFp8E5m2, 128, 48, 4, kK128, kK128),
          make("product_tf32", kTf32, 128, 48, 4, kK128, kK128)};
}

std::vector<Case> tensor_a_cases() {
  std::vector<Case> cases;
  for (const Format& f : {kBf16, kF16})
    for (const auto& [n, layout] : {std::pair{48, kK128}, {128, kMn128}}) {
      cases.push_back(make("product_f16_tensor_a", f, 128, n, 4, kK128, layout));
      cases.back().accumulate = f.code;
      cases.back().sign_a = f.code ? -1 : 1;
    }
  return cases;
}

std::vector<Case> pair_cases() {
  std::vector<Case> cases;
  for (const auto& [m, n] : {std::pair{256, 256}, {256, 64}, {128, 128}})
    for (const Format& f : {kBf16, kFp8E4m3}) {
      cases.push_back(make(f.bits == 16 ? "product_f16_pair" : "product_f8f6f4_pair", f, m, n, 4, kK128, kK128));
      cases.back().ctas = 2;
    }
  return cases;
}

std::vector<Case> scaled_cases() {
  std::vector<Case> cases;
  const auto add = [&](const char* kernel, const Format& f, int m, int n, int vector, int byte, bool e8m0) {
    Case c = make(kernel, f, m, n, 1, kK32, kK32);
    c.scale_vector = vector, c.scale_byte = byte, c.scale_is_e8m0 = e8m0;
    c.name += std::string(e8m0 ? " e8m0" : " e4m3") + " at byte " + std::to_string(byte);
    cases.push_back(c);
  };
  for (const int byte : {0, 1, 2, 3}) add("product_mxf8f6f4", kFp8E4m3, 128, 192, 1, byte, true);
  for (const int byte : {0, 2}) add("product_mxf4", kFp4, 128, 256, 2, byte, true);
  for (const int byte : {0, 2}) add("product_mxf4nvf4_2x", kFp4, 128, 256, 2, byte, true);
  for (const bool e8m0 : {false, true}) {
    add("product_mxf4nvf4", kFp4, 128, 64, 4, 0, e8m0);
    add("product_mxf4nvf4_pair", kFp4, 256, 256, 4, 0, e8m0);
  }
  return cases;
}

}  // namespace simt::test
