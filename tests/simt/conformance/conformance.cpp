// Runs every modelled instruction on a GPU and on the functional GPU, by the same PTX and inputs, and compares bits.
// Inputs of products are small integers, so that every sum is exact in whatever order it is taken.
// Exit code: 0 all equal, 1 some differ, 4 no GPU here.
#include <cstdio>
#include <random>

#include "tests/simt/conformance/blackwell.h"
#include "tests/simt/simt.h"
#include "tests/simt/tensor_map_encoder.h"

namespace simt::conformance {
namespace {

enum class Fill { Bits, Floats, Bf16, F16, Tf32, E4m3 };
using Words = std::vector<std::uint32_t>;

Words make_input(Fill fill, std::size_t words) {
  std::mt19937 generator(11);
  const auto small = [&] { return float(int(generator() % 9) - 4); };
  std::normal_distribution<float> normal(0, 100);
  Words v(words);
  for (auto& x : v) {
    switch (fill) {
      case Fill::Bits:
        x = std::uint32_t(generator());
        break;
      case Fill::Floats:
        x = f32_to_bits(normal(generator));
        break;
      case Fill::Bf16:
        x = f32_to_bf16(small()), x |= std::uint32_t(f32_to_bf16(small())) << 16;
        break;
      case Fill::F16:
        x = f32_to_f16(small()), x |= std::uint32_t(f32_to_f16(small())) << 16;
        break;
      case Fill::Tf32:
        x = f32_to_bits(small()) | (generator() & 0x1fff);
        break;  // the low 13 bits are ignored
      case Fill::E4m3: {  // 0 to 4 and their negatives; as e5m2 0, 0.5, 2, 4 and 8
        static constexpr std::uint32_t kIntegers[] = {0xc8, 0xc4, 0xc0, 0xb8, 0x00, 0x38, 0x40, 0x44, 0x48};
        for (int byte = 0; byte < 4; ++byte) x = x << 8 | kIntegers[generator() % 9];
        break;
      }
    }
  }
  return v;
}

struct Case {
  std::string name;
  const char* kernel;
  bool hopper;
  unsigned threads;
  Fill fill;
  std::size_t out_words;
  Swizzle swizzle = Swizzle::None;
  bool tensor = false;  // tensor_load
  bool wgmma = false;
  std::uint64_t fields_a = 0, fields_b = 0;  // descriptor fields but the start address
};

/// Leading and stride offsets in bytes, and the swizzle, where a matrix descriptor has them.
std::uint64_t descriptor(std::uint64_t leading, std::uint64_t stride, Swizzle s) {
  static constexpr std::uint64_t kModes[] = {0, 3, 2, 1};
  return leading >> 4 << 16 | stride >> 4 << 32 | kModes[int(s)] << 62;
}

/// A 64 x 16 operand. K-major: 8 rows a pattern, patterns follow each other.  MN-major: 8 k a pattern; where a row of
/// the pattern holds less than the 64 elements, blocks of it follow at the leading offset.
std::uint64_t k_major(Swizzle s) {
  static constexpr unsigned kSpans[] = {16, 32, 64, 128};
  const unsigned pattern = 8 * kSpans[int(s)];
  return s == Swizzle::None ? descriptor(128, 256, s) : descriptor(16, pattern, s);
}
std::uint64_t mn_major(Swizzle s) {
  static constexpr unsigned kSpans[] = {16, 32, 64, 128};
  const unsigned span = kSpans[int(s)], pattern = 8 * span, blocks = 128 / span;
  if (s == Swizzle::None) return descriptor(128, 256, s);
  return descriptor(blocks > 1 ? 2 * pattern : pattern * 2, pattern, s);
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  const auto base = [&](const char* kernel, Fill fill, std::size_t out) {
    cases.push_back({kernel, kernel, false, 32, fill, out});
  };
  for (const char* k : {"ldmatrix_x1", "ldmatrix_x1_trans"}) base(k, Fill::Bits, 32);
  for (const char* k : {"ldmatrix_x2", "ldmatrix_x2_trans"}) base(k, Fill::Bits, 64);
  for (const char* k : {"ldmatrix_x4", "ldmatrix_x4_trans"}) base(k, Fill::Bits, 128);
  base("mma_bf16", Fill::Bf16, 128), base("mma_f16", Fill::F16, 128), base("mma_tf32", Fill::Tf32, 128);
  base("cp_async_4", Fill::Bits, 32), base("cp_async_8", Fill::Bits, 64);
  base("cp_async_16", Fill::Bits, 128), base("cp_async_16_cg", Fill::Bits, 128);
  base("cvt_bf16x2", Fill::Floats, 32), base("cvt_f16x2", Fill::Floats, 32), base("cvt_rna_tf32", Fill::Floats, 32);
  base("prmt", Fill::Bits, 32), base("funnel_shift", Fill::Bits, 32);
  for (const char* k : {"stmatrix_x4", "stmatrix_x4_trans"}) cases.push_back({k, k, true, 32, Fill::Bits, 128});
  cases.push_back({"cvt_e4m3x2", "cvt_e4m3x2", true, 32, Fill::Floats, 32});

  static constexpr std::pair<Swizzle, const char*> kSwizzles[] = {
      {Swizzle::None, "none"}, {Swizzle::B32, "32"}, {Swizzle::B64, "64"}, {Swizzle::B128, "128"}};
  for (const auto& [s, name] : kSwizzles) {
    const std::size_t row_words = s == Swizzle::B64 ? 16 : s == Swizzle::B32 ? 8 : 32;
    cases.push_back(
        {std::string("tensor_load swizzle ") + name, "tensor_load", true, 32, Fill::Bits, 16 * row_words, s, true});
    const auto wgmma = [&](const char* kernel, std::uint64_t a, std::uint64_t b) {
      cases.push_back(
          {std::string(kernel) + " swizzle " + name, kernel, true, 128, Fill::Bf16, 128 * 32, s, false, true, a, b});
    };
    wgmma("wgmma_k_k", k_major(s), k_major(s)), wgmma("wgmma_k_mn", k_major(s), mn_major(s));
    wgmma("wgmma_mn_k", mn_major(s), k_major(s)), wgmma("wgmma_registers", 0, k_major(s));
    for (const char* kernel : {"wgmma_e4m3", "wgmma_e5m2_e4m3", "wgmma_e4m3_registers"}) {
      wgmma(kernel, k_major(s), k_major(s));
      cases.back().fill = Fill::E4m3;
    }
  }
  return cases;
}

// The tensor of tensor_load: 20 rows of 136 columns of 16 bits; the box starts three columns before it.
constexpr std::uint64_t kDim[2] = {136, 20}, kRowBytes = 272;

Words on_gpu(Gpu& gpu, CUmodule module, const Case& c, const Words& in) {
  const Words poison(c.out_words, 0xffffffff);
  CUdeviceptr source = gpu.upload(in.data(), in.size() * 4), out = gpu.upload(poison.data(), poison.size() * 4);
  auto row_bytes = std::uint32_t(c.out_words / 4);  // 16 rows of words
  if (c.tensor) {
    const cuuint64_t dim[2] = {kDim[0], kDim[1]};
    const cuuint32_t box[2] = {row_bytes / 2, 16};
    CUtensorMap map =
        gpu.encode(reinterpret_cast<const void*>(source), dim, kRowBytes, box, CUtensorMapSwizzle(c.swizzle));
    void* arguments[] = {&map, &out, &row_bytes};
    gpu.launch(module, c.kernel, c.threads, arguments);
  } else {
    std::uint64_t a = c.fields_a, b = c.fields_b;
    void* arguments[] = {&source, &out, &a, &b};
    gpu.launch(module, c.kernel, c.threads, arguments);
  }
  return gpu.download(out, c.out_words);
}

Words on_functional_gpu(const ptx::Module& module, const Case& c, const Words& in) {
  DeviceHeap heap;
  Options options;
  options.heap = &heap;
  std::uint32_t *source = heap.upload(in), *out = heap.poisoned<std::uint32_t>(c.out_words);
  const auto& kernel = module.kernel(c.kernel);
  const ptx::Launch shape{{}, {c.threads, 1, 1}, 0, {}};
  if (c.tensor) {
    const auto row_bytes = std::uint32_t(c.out_words / 4);
    const std::uint32_t box[2] = {row_bytes / 2, 16};
    const std::uint64_t stride[1] = {kRowBytes};
    launch(kernel, shape, options, encode_tiled(source, 2, 2, kDim, stride, box, c.swizzle), out, row_bytes);
  } else if (c.wgmma) {
    launch(kernel, shape, options, source, out, c.fields_a, c.fields_b);
  } else {
    launch(kernel, shape, options, source, out);
  }
  return heap.download(out, c.out_words);
}

bool compare(const Case& c, const Words& gpu, const Words& model) {
  std::size_t different = 0, first = 0;
  for (std::size_t i = 0; i < gpu.size(); ++i)
    if (gpu[i] != model[i] && different++ == 0) first = i;
  if (different == 0) {
    std::printf("same    %s\n", c.name.c_str());
    return true;
  }
  std::printf("DIFFERS %s: %zu of %zu words, first %zu: GPU 0x%08x, functional GPU 0x%08x\n", c.name.c_str(), different,
              gpu.size(), first, gpu[first], model[first]);
  return false;
}

/// Without a GPU: that every case runs on the functional GPU and writes all of its output.
int dry_run(const ptx::Module& base, const ptx::Module& hopper) {
  int failed = 0;
  for (const Case& c : all_cases()) {
    try {
      on_functional_gpu(c.hopper ? hopper : base, c, make_input(c.fill, 8192));
      std::printf("runs    %s\n", c.name.c_str());
    } catch (const Error& e) {
      std::printf("FAULT   %s: %s\n", c.name.c_str(), e.what()), ++failed;
    }
  }
  failed += compare_blackwell(nullptr).failed;
  return failed ? 1 : 0;
}

int run(bool dry) {
  const std::string base_text = ptx::ptx_text(ASSAY_PTX_DIR, "simt_conformance_base"),
                    hopper_text = ptx::ptx_text(ASSAY_PTX_DIR, "simt_conformance_hopper");
  const ptx::Module base(base_text), hopper(hopper_text);
  if (dry) return dry_run(base, hopper);
  Gpu gpu;
  const bool has_hopper = gpu.compute_capability() == 90;      // sm_90a code runs on nothing else
  const bool has_blackwell = gpu.compute_capability() == 100;  // nor sm_100a code
  std::printf("%s, compute capability %d.%d%s%s\n", gpu.name().c_str(), gpu.compute_capability() / 10,
              gpu.compute_capability() % 10, has_hopper ? "" : ": the sm_90a cases are left out",
              has_blackwell ? "" : ": the sm_100a cases are left out");
  const CUmodule base_module = gpu.load(base_text), hopper_module = has_hopper ? gpu.load(hopper_text) : nullptr;
  int failed = 0, ran = 0;
  for (const Case& c : all_cases()) {
    if (c.hopper && !has_hopper) continue;
    const Words in = make_input(c.fill, 8192);
    ++ran;
    try {
      failed += !compare(c, on_gpu(gpu, c.hopper ? hopper_module : base_module, c, in),
                         on_functional_gpu(c.hopper ? hopper : base, c, in));
    } catch (const Error& e) {
      std::printf("FAULT   %s: %s\n", c.name.c_str(), e.what()), ++failed;
    }
  }
  if (has_blackwell) {
    const Tally blackwell = compare_blackwell(&gpu);
    ran += blackwell.ran, failed += blackwell.failed;
  }
  std::printf("%d instructions compared, %d differ\n", ran, failed);
  return failed ? 1 : 0;
}

}  // namespace
}  // namespace simt::conformance

int main(int argc, char** argv) {
  try {
    return simt::conformance::run(argc > 1 && std::string(argv[1]) == "--dry-run");
  } catch (const simt::conformance::NoGpu& e) {
    std::fprintf(stderr, "assay_simt_conformance: cannot compare, %s\n", e.what());
    return 4;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "assay_simt_conformance: %s\n", e.what());
    return 1;
  }
}
