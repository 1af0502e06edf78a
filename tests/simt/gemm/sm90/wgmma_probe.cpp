// wgmma_sm90_probe PTX DTYPE LAYOUT M N K CONFIG SMS [accumulate]: exit 0 where the kernel in PTX.ptx is right under
// every asynchrony policy, without faults and bank conflicts; else 1, with the finding on stdout. wgmma_mutants.py
// runs it.
#include <cstdio>
#include <cstdlib>

#include "tests/simt/gemm/sm90/wgmma_on_simt.h"

namespace {

int probe(const simt::ptx::Module& module, assay::WgmmaSm90OnSimt& gemm) {
  for (const auto async : {simt::Async::Lazy, simt::Async::Eager, simt::Async::Random}) {
    simt::Options options;
    options.async = async;
    options.shuffle_schedule = async == simt::Async::Random;
    options.global_races = true;
    options.cta_order = async == simt::Async::Lazy ? simt::CtaOrder::Sequential : simt::CtaOrder::RoundRobin;
    if (const std::string wrong = gemm.run(module, options); !wrong.empty())
      return std::printf("wrong result: %s\n", wrong.c_str()), 1;
    if (gemm.stats().bank_conflicts)
      return std::printf("bank conflicts: %llu\n", static_cast<unsigned long long>(gemm.stats().bank_conflicts)), 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 9)
    return std::fprintf(stderr, "usage: wgmma_sm90_probe PTX DTYPE LAYOUT M N K CONFIG SMS [accumulate]\n"), 2;
  assay::GemmProblem problem;
  if (!assay::parse_dtype(argv[2], problem.dtype)) return std::fprintf(stderr, "no such dtype\n"), 2;
  for (const auto layout : {assay::GemmLayout::tn, assay::GemmLayout::nn, assay::GemmLayout::nt})
    if (std::string(argv[3]) == assay::name(layout)) problem.layout = layout;
  if (std::string(argv[3]) != assay::name(problem.layout)) return std::fprintf(stderr, "no such layout\n"), 2;
  problem.m = std::atoll(argv[4]);
  problem.n = std::atoll(argv[5]);
  problem.k = std::atoll(argv[6]);
  problem.config = argv[7];
  problem.accumulate = argc > 9;
  try {
    const simt::ptx::Module module(simt::ptx::ptx_text(".", argv[1]));
    assay::WgmmaSm90OnSimt gemm(problem, std::atoi(argv[8]));
    return probe(module, gemm);
  } catch (const simt::Error& fault) {
    return std::printf("FAULT %s\n", fault.what()), 1;
  }
}
