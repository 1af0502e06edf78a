// tcgen05_probe PTX RUN...: exit 0 where the kernel in PTX.ptx gives right results for every RUN (see
// parse_tcgen05_run), under every asynchrony policy, without faults and bank conflicts; else 1, with the finding on
// stdout.  tcgen05_mutants.py runs it.
#include <cstdio>
#include <stdexcept>

#include "tests/simt/gemm/sm100/tcgen05_on_simt.h"

namespace {

int probe(const simt::ptx::Module& module, const assay::Tcgen05Run& run, simt::Async async) {
  simt::Options options;
  options.async = async;
  options.shuffle_schedule = async == simt::Async::Random;
  const assay::Tcgen05Outcome outcome = assay::run_tcgen05(module, run, options);
  if (!outcome.wrong.empty()) return std::printf("wrong result: %s\n", outcome.wrong.c_str()), 1;
  if (outcome.stats.bank_conflicts)
    return std::printf("bank conflicts: %llu\n", static_cast<unsigned long long>(outcome.stats.bank_conflicts)), 1;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::fprintf(stderr, "usage: tcgen05_probe PTX RUN...\n"), 2;
  try {
    const simt::ptx::Module module(simt::ptx::ptx_text(".", argv[1]));
    for (int i = 2; i < argc; ++i)
      for (const auto async : {simt::Async::Lazy, simt::Async::Eager, simt::Async::Random})
        if (const int found = probe(module, assay::parse_tcgen05_run(argv[i]), async)) return found;
  } catch (const simt::Error& fault) {
    return std::printf("FAULT %s\n", fault.what()), 1;
  } catch (const std::invalid_argument& e) {
    return std::fprintf(stderr, "tcgen05_probe: %s\n", e.what()), 2;
  }
  return 0;
}
