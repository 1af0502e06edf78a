// grouped_probe PTX DTYPE PASS N K CONFIG SMS ROWS...: exit 0 where the kernel in PTX.ptx is right under every
// asynchrony policy, without faults and bank conflicts; else 1, with the finding on stdout.  grouped_mutants.py runs
// it.
#include <cstdio>
#include <cstdlib>

#include "tests/simt/grouped_gemm/grouped_on_simt.h"

namespace {

int probe(const simt::ptx::Module& module, assay::GroupedOnSimt& gemm) {
  for (const auto async : {simt::Async::Lazy, simt::Async::Eager, simt::Async::Random}) {
    simt::Options options;
    options.async = async;
    options.shuffle_schedule = async == simt::Async::Random;
    if (const std::string wrong = gemm.run(module, options); !wrong.empty())
      return std::printf("wrong result: %s\n", wrong.c_str()), 1;
    if (gemm.stats().bank_conflicts)
      return std::printf("bank conflicts: %llu\n", static_cast<unsigned long long>(gemm.stats().bank_conflicts)), 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 9) return std::fprintf(stderr, "usage: grouped_probe PTX DTYPE PASS N K CONFIG SMS ROWS...\n"), 2;
  assay::GroupedGemmProblem problem;
  if (!assay::parse_dtype(argv[2], problem.dtype)) return std::fprintf(stderr, "no such dtype\n"), 2;
  if (!assay::parse_pass(argv[3], problem.pass)) return std::fprintf(stderr, "no such pass\n"), 2;
  problem.n = std::atoll(argv[4]);
  problem.k = std::atoll(argv[5]);
  problem.config = argv[6];
  for (int i = 8; i < argc; ++i) problem.rows.push_back(std::atoll(argv[i]));
  try {
    const simt::ptx::Module module(simt::ptx::ptx_text(".", argv[1]));
    assay::GroupedOnSimt gemm(problem, std::atoi(argv[7]));
    return probe(module, gemm);
  } catch (const simt::Error& fault) {
    return std::printf("FAULT %s\n", fault.what()), 1;
  }
}
