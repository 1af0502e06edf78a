// tcgen05_sm100_forward_probe [e4m3] PTX CASE...: exit 0 where the kernel in PTX.ptx is right on the cases (of
// sm100_forward_cases(), or sm100_forward_e4m3_cases()) under every asynchrony policy, without faults and bank
// conflicts; else 1, with the finding on stdout.  tcgen05_forward_mutants.py and ..._e4m3_mutants.py run it.
#include <cstdio>
#include <cstring>

#include "tests/simt/attention/sm100/tcgen05_forward_on_simt.h"

namespace {

int probe(const simt::ptx::Module& module, const assay::Sm100ForwardCase& c) {
  const assay::ForwardInputs inputs = c.inputs(c.problem);
  for (const auto async : {simt::Async::Lazy, simt::Async::Eager, simt::Async::Random}) {
    const assay::ForwardOutputs outputs =
        assay::run_sm100_forward(module, c.problem, inputs, c.multiprocessors, assay::forward_options(async));
    if (const std::string wrong = assay::forward_mismatch(c.problem, inputs, outputs); !wrong.empty())
      return std::printf("%s\n", wrong.c_str()), 1;
    if (outputs.bank_conflicts)
      return std::printf("bank conflicts: %llu\n", static_cast<unsigned long long>(outputs.bank_conflicts)), 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const bool e4m3 = argc > 1 && std::strcmp(argv[1], "e4m3") == 0;
  const int first = e4m3 ? 2 : 1;
  if (argc < first + 2) return std::fprintf(stderr, "usage: tcgen05_sm100_forward_probe [e4m3] PTX CASE...\n"), 2;
  try {
    const simt::ptx::Module module(simt::ptx::ptx_text(ASSAY_PTX_DIR, argv[first]));
    for (int i = first + 1; i < argc; ++i) {
      bool found = false;
      for (const assay::Sm100ForwardCase& c : e4m3 ? assay::sm100_forward_e4m3_cases() : assay::sm100_forward_cases())
        if (std::strcmp(c.name, argv[i]) == 0) {
          found = true;
          if (const int bad = probe(module, c)) return bad;
        }
      if (!found) return std::fprintf(stderr, "there is no case %s\n", argv[i]), 2;
    }
    return 0;
  } catch (const simt::Error& fault) {
    return std::printf("FAULT %s\n", fault.what()), 1;
  }
}
