#include "tests/simt/conformance/blackwell.h"

#include <cstdio>

#include "tests/simt/simt.h"
#include "tests/simt/unit/tcgen05_expected.h"

namespace simt::conformance {
namespace {

using Words = std::vector<std::uint32_t>;

std::vector<test::Case> all_cases() {
  std::vector<test::Case> all;
  for (const auto& list : {test::layout_cases(), test::shape_cases(), test::format_cases(), test::tensor_a_cases(),
                           test::pair_cases(), test::scaled_cases()})
    all.insert(all.end(), list.begin(), list.end());
  return all;
}

Words on_functional_gpu(const ptx::Module& module, const test::Case& c, const test::Prepared& p) {
  DeviceHeap heap;
  Options options;
  options.heap = &heap;
  const auto ctas = unsigned(c.ctas);
  const std::size_t words = ctas * 128 * std::size_t(p.product.columns);
  auto* out = heap.poisoned<std::uint32_t>(words);
  launch(module.kernel(c.kernel), {{ctas, 1, 1}, {128, 1, 1}, unsigned(p.product.bytes), {ctas, 1, 1}}, options,
         p.product, heap.upload(p.image), out);
  return heap.download(out, words);
}

Words on_gpu(Gpu& gpu, CUmodule module, const test::Case& c, const test::Prepared& p) {
  const auto ctas = unsigned(c.ctas);
  const Words poison(ctas * 128 * std::size_t(p.product.columns), 0xffffffff);
  test::Product product = p.product;
  CUdeviceptr image = gpu.upload(p.image.data(), p.image.size()), out = gpu.upload(poison.data(), poison.size() * 4);
  void* arguments[] = {&product, &image, &out};
  gpu.launch_cluster(module, c.kernel, ctas, 128, unsigned(product.bytes), arguments);
  return gpu.download(out, poison.size());
}

/// Elements of D alone: lanes that no row of it has hold what they held before.
bool compare(const test::Case& c, const test::Prepared& p, const Words& gpu, const Words& model) {
  for (int r = 0; r < c.m; ++r)
    for (int j = 0; j < c.n; ++j) {
      const auto [cta, lane, column] = test::result_place(c, r, j);
      const auto i = std::size_t((cta * 128 + lane) * p.product.columns + column);
      if (gpu[i] == model[i]) continue;
      std::printf("DIFFERS %s: (%d, %d): GPU 0x%08x, functional GPU 0x%08x\n", c.name.c_str(), r, j, gpu[i], model[i]);
      return false;
    }
  std::printf("same    %s\n", c.name.c_str());
  return true;
}

}  // namespace

Tally compare_blackwell(Gpu* gpu) {
  const std::string text = ptx::ptx_text(ASSAY_PTX_DIR, "simt_conformance_blackwell");
  const ptx::Module module(text);
  const CUmodule loaded = gpu ? gpu->load(text) : nullptr;
  Tally tally;
  for (const test::Case& c : all_cases()) {
    ++tally.ran;
    try {
      const test::Prepared p = test::prepare(c);
      const Words model = on_functional_gpu(module, c, p);
      if (gpu)
        tally.failed += !compare(c, p, on_gpu(*gpu, loaded, c, p), model);
      else
        std::printf("runs    %s\n", c.name.c_str());
    } catch (const Error& e) {
      std::printf("FAULT   %s: %s\n", c.name.c_str(), e.what()), ++tally.failed;
    }
  }
  return tally;
}

}  // namespace simt::conformance
