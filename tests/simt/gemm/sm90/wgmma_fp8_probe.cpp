// wgmma_fp8_sm90_probe PTX DTYPE SCALING OUTPUT M N K CONFIG: exit 0 where the kernel in PTX.ptx is right under every
// asynchrony policy, without faults and bank conflicts; else 1, with the finding on stdout.  OUTPUT is store or add.
// wgmma_fp8_mutants.py runs it.
#include <cstdio>
#include <cstdlib>

#include "tests/simt/gemm/sm90/wgmma_fp8_on_simt.h"

int main(int argc, char** argv) {
  assay::GemmProblem p;
  const std::string scaling = argc > 3 ? argv[3] : "", output = argc > 4 ? argv[4] : "";
  if (argc != 9 || !assay::parse_dtype(argv[2], p.dtype) || (scaling != "tensor" && scaling != "block") ||
      (output != "store" && output != "add"))
    return std::fprintf(stderr, "usage: wgmma_fp8_sm90_probe PTX e4m3|e5m2 tensor|block store|add M N K CONFIG\n"), 2;
  p.scaling = scaling == "block" ? assay::GemmScaling::block : assay::GemmScaling::tensor;
  p.accumulate = output == "add";
  p.m = std::atoll(argv[5]), p.n = std::atoll(argv[6]), p.k = std::atoll(argv[7]);
  try {
    const simt::ptx::Module module(simt::ptx_text(".", argv[1]));
    const assay::GemmProblemOnSimt problem(p);
    for (const auto async : {simt::Async::Lazy, simt::Async::Eager, simt::Async::Random}) {
      simt::Options options;
      options.async = async;
      options.shuffle_schedule = async == simt::Async::Random;
      simt::Stats stats;
      const std::string wrong = assay::run_wgmma_fp8_sm90(module, problem, argv[8], options, &stats);
      if (!wrong.empty()) return std::printf("wrong result: %s\n", wrong.c_str()), 1;
      if (stats.bank_conflicts)
        return std::printf("bank conflicts: %llu\n", static_cast<unsigned long long>(stats.bank_conflicts)), 1;
    }
  } catch (const simt::Error& fault) {
    return std::printf("FAULT %s\n", fault.what()), 1;
  }
  return 0;
}
