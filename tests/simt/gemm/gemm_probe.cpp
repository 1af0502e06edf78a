// gemm_probe PTX KERNEL DTYPE LAYOUT M N K [MISALIGN]: exit 0 where the kernel in PTX.ptx is right under every
// asynchrony policy, without faults and bank conflicts; else 1, with the finding on stdout.  gemm_mutants.py runs it.
#include <cstdio>
#include <cstdlib>

#include "tests/simt/gemm/gemm_on_simt.h"

namespace {

int probe(const simt::ptx::Module& module, const assay::GemmRun& run, const simt::Options& options) {
  const assay::GemmOutcome outcome = assay::run_gemm(module, run, options);
  if (!outcome.wrong.empty()) return std::printf("wrong result: %s\n", outcome.wrong.c_str()), 1;
  // The narrow copies claim nothing about banks.
  const bool narrow = std::string(assay::plan(run, {}).kernel).find("Narrow") != std::string::npos || run.misalign;
  if (outcome.stats.bank_conflicts && !narrow)
    return std::printf("bank conflicts: %llu\n", static_cast<unsigned long long>(outcome.stats.bank_conflicts)), 1;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 8) return std::fprintf(stderr, "usage: gemm_probe PTX KERNEL DTYPE LAYOUT M N K [MISALIGN]\n"), 2;
  assay::GemmRun run;
  run.kernel = argv[2];
  bool known = assay::parse_dtype(argv[3], run.problem.dtype);
  for (const auto layout : {assay::GemmLayout::tn, assay::GemmLayout::nn, assay::GemmLayout::nt})
    if (std::string(argv[4]) == assay::name(layout)) run.problem.layout = layout;
  known = known && std::string(argv[4]) == assay::name(run.problem.layout);
  if (!known) return std::fprintf(stderr, "gemm_probe: no such dtype or layout\n"), 2;
  run.problem.m = std::atoll(argv[5]);
  run.problem.n = std::atoll(argv[6]);
  run.problem.k = std::atoll(argv[7]);
  if (argc > 8) run.misalign = std::atoi(argv[8]);
  try {
    const simt::ptx::Module module(simt::ptx::ptx_text(".", argv[1]));
    for (const auto async : {simt::Async::Lazy, simt::Async::Eager, simt::Async::Random}) {
      simt::Options options;
      options.async = async;
      options.shuffle_schedule = async == simt::Async::Random;
      if (const int found = probe(module, run, options)) return found;
    }
  } catch (const simt::Error& fault) {
    return std::printf("FAULT %s\n", fault.what()), 1;
  }
  return 0;
}
