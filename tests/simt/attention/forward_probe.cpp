// PROBE [e4m3] PTX CASE...: exit 0 where the kernel in PTX.ptx is right on the cases (of forward_cases(), or
// forward_e4m3_cases()) under every asynchrony policy, without faults and bank conflicts; else 1, with the finding on
// stdout.  The lists of mutants of wgmma_sm90's and tcgen05_sm100's forward passes run it.
#include <cstdio>
#include <cstring>

#include "tests/simt/attention/forward_kernel.h"

namespace {

int probe(const char* ptx, const assay::ForwardCase& c) {
  const assay::AttentionInputs inputs = c.inputs(c.problem);
  for (const auto async : assay::kPolicies) {
    const assay::AttentionOutputs outputs = assay::run_attention(assay::forward_kernel(c.multiprocessors, ptx),
                                                                 c.problem, inputs, assay::attention_options(async));
    if (const std::string wrong = assay::attention_mismatch(c.problem, inputs, outputs); !wrong.empty())
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
  if (argc < first + 2) return std::fprintf(stderr, "usage: %s [e4m3] PTX CASE...\n", argv[0]), 2;
  try {
    for (int i = first + 1; i < argc; ++i) {
      bool found = false;
      for (const assay::ForwardCase& c : e4m3 ? assay::forward_e4m3_cases() : assay::forward_cases())
        if (std::strcmp(c.name, argv[i]) == 0) {
          found = true;
          if (const int bad = probe(argv[first], c)) return bad;
        }
      if (!found) return std::fprintf(stderr, "there is no case %s\n", argv[i]), 2;
    }
    return 0;
  } catch (const simt::Error& fault) {
    return std::printf("FAULT %s\n", fault.what()), 1;
  }
}
